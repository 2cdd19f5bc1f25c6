"""The installer, one file for machines without network.

It holds every wheel for every platform once, what installs and runs them, the licences, a bill of materials, the
hashes of all files, and a signature over the hashes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.progress import track

from fisherlens.edge.bundle.signature import sign
from fisherlens.edge.storage import whole

from .install import HASHES, MANIFEST
from .inventory import bill_of_materials, described, licence_table
from .wheels import EXTRAS, PLATFORMS, build_own, fetch

HERE = Path(__file__).parent
PLAIN_FILES = (
    HERE / "install.py",
    *(HERE.parent / name for name in ("fisherlens.service", "service.example.toml", "ADMINISTRATOR.md", "MESSAGES.md")),
)


def pack(project: Path, key: Path, pythons: Sequence[str], out: Path) -> None:
    """Write the installer of a repository for versions of Python ("3.11"), signed with `key`; `out` is whole or absent.

    Raises WheelsMissing, KeyRefused, and OSError where it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="fisherlens-installer-") as work:
        folder = Path(work) / "fisherlens"
        folder.mkdir()
        _fill(folder, project, pythons)
        seal(folder, key)
        with whole(out) as file, tarfile.open(fileobj=file, mode="w") as packed:  # wheels are compressed already
            packed.add(folder, folder.name)


def _fill(folder: Path, project: Path, pythons: Sequence[str]) -> None:
    common = folder / "wheels"
    own = build_own(project, common)
    wanted = [(platform, python) for platform in PLATFORMS for python in pythons]
    for platform, python in track(wanted, "fetch wheels"):
        fetch(own, platform, python, common / platform.name)
    about = described(own)
    wheels = [described(path) for path in sorted(common.rglob("*.whl")) if path != own]
    for path in PLAIN_FILES:
        shutil.copy(path, folder / path.name)
    (folder / "LICENCES.md").write_text(licence_table(wheels))
    (folder / "sbom.cdx.json").write_text(bill_of_materials(about, wheels))
    manifest = {"version": about.version, "extras": EXTRAS, "pythons": pythons}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def seal(folder: Path, key: Path) -> None:
    """Write the hashes of all files into a folder, and a signature over these. Raises KeyRefused."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    (folder / HASHES).write_text("".join(lines))
    sign(folder / HASHES, key)
