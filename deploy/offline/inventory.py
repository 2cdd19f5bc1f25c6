"""Inventory of the installer: licences, and a software bill of materials (CycloneDX 1.6)."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.metadata import RawMetadata, parse_email
from packaging.utils import canonicalize_name


@dataclass(frozen=True)
class Wheel:
    """One wheel with its metadata. license: an SPDX expression where it states one, else its words."""

    file: str
    name: str
    version: str
    license: str
    sha256: str


def described(path: Path) -> Wheel:
    """Read a wheel's metadata (PEP 566, PEP 639)."""
    with zipfile.ZipFile(path) as wheel:
        names = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        metadata, _ = parse_email(wheel.read(min(names, key=len)))  # a wheel may carry others' inside
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Wheel(path.name, canonicalize_name(metadata["name"]), metadata["version"], _license(metadata), digest)


def _license(metadata: RawMetadata) -> str:
    """The licence as an expression, from the classifiers, or as the first line of the old field."""
    if expression := metadata.get("license_expression"):
        return expression
    classifiers = [
        classifier.rpartition(" :: ")[2]
        for classifier in metadata.get("classifiers", [])
        if classifier.startswith("License :: ") and not classifier.endswith("OSI Approved")
    ]
    if classifiers:
        return ", ".join(classifiers)
    lines = metadata.get("license", "").strip().splitlines()
    return lines[0].strip() if lines else "not stated"


def licence_table(wheels: Iterable[Wheel]) -> str:
    """Write a table in Markdown: each package once, with its version and licence. Their texts lie in the wheels."""
    rows = sorted({(wheel.name, wheel.version, wheel.license) for wheel in wheels})
    lines = [f"| {name} | {version} | {license} |" for name, version, license in rows]
    return "\n".join(["# Licences", "", "| package | version | licence |", "|---|---|---|", *lines, ""])


def bill_of_materials(own: Wheel, wheels: Iterable[Wheel]) -> str:
    """Write CycloneDX 1.6 in JSON: each wheel as a component with its hash."""
    bom = Bom()
    bom.metadata.component = _component(own, ComponentType.APPLICATION)
    for wheel in sorted(wheels, key=lambda wheel: wheel.file):
        bom.components.add(_component(wheel, ComponentType.LIBRARY))
    bom.register_dependency(bom.metadata.component, bom.components)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)


def _component(wheel: Wheel, kind: ComponentType) -> Component:
    return Component(
        type=kind,
        bom_ref=wheel.file,
        name=wheel.name,
        version=wheel.version,
        purl=PackageURL("pypi", name=wheel.name, version=wheel.version, qualifiers={"file_name": wheel.file}),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=wheel.sha256)],
        licenses=[DisjunctiveLicense(name=wheel.license)],
    )
