"""Opening a bundle: one ONNX file with its manifest, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession as Session
from onnxruntime import SessionOptions

from ..digest import digest_of
from ..errors import BundleRefused
from .admission import MAX_BYTES, require_self_contained
from .manifest import CALIBRATION_KEY, FORMAT, METADATA_KEY, Calibration, Manifest


@dataclass(frozen=True)
class Bundle:
    """A bundle ready to run. digest: "sha256:" and the hex digest of the whole file. ranges: the smallest and the
    largest deviation on usual images of each feature that a check watches, float64 [F, 2], by the check's name."""

    path: Path
    manifest: Manifest
    digest: str
    session: Session
    ranges: Mapping[str, NDArray[np.float64]]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of the graph's image, [1, C, H, W]."""
        return tuple(self.session.get_inputs()[0].shape)

    def run(self, image: NDArray[np.float32], explain: bool) -> dict[str, NDArray]:
        """Run the graph on one image [1, C, H, W] and give all of its outputs by name. explain: with the map, whatever
        the checks say."""
        names = [output.name for output in self.session.get_outputs()]
        feeds = {"image": image, "explain": np.array(explain)}
        return dict(zip(names, self.session.run(names, feeds), strict=True))


def open_bundle(path: str | Path, threads: int | None = None, profile: Path | None = None) -> Bundle:
    """Read a bundle whole, so that what runs is what the digest says. threads, profile: see `open_session`.

    Raises BundleRefused for a file that cannot be read, is no ONNX model, has no manifest, one of another version of
    the contract, or one that does not describe the features that the graph watches.
    """
    path = Path(path)
    return bundle_of(path, read_bundle(path), threads, profile)


def bundle_of(path: Path, data: bytes, threads: int | None = None, profile: Path | None = None) -> Bundle:
    """Open the bundle whose bytes `read_bundle` gave, so that the bytes whose signature was checked are those that run.

    Raises BundleRefused as `open_bundle` does.
    """
    try:
        session = open_session(data, threads, profile)
    except Exception as error:  # ONNX Runtime raises kinds of its own
        raise BundleRefused(f"bundle {path}: ONNX Runtime cannot load it: {error}") from error
    manifest = _manifest(path, session.get_modelmeta().custom_metadata_map.get(METADATA_KEY))
    return Bundle(path, manifest, digest_of(data), session, _ranges(path, manifest, session))


def read_bundle(path: Path) -> bytes:
    """Read a bundle's bytes. Raises BundleRefused for a file that cannot be read, is larger than MAX_BYTES, or
    needs anything beside itself."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise BundleRefused(f"bundle {path}: {size:,} bytes, expected at most {MAX_BYTES:,}")
        data = path.read_bytes()
    except OSError as error:
        raise BundleRefused(f"bundle {path}: {error.strerror}") from error
    try:
        require_self_contained(data)
    except BundleRefused as refusal:
        raise BundleRefused(f"bundle {path}: {refusal}") from refusal
    return data


def open_session(model: bytes | Path, threads: int | None = None, profile: Path | None = None) -> Session:
    """Open a session of ONNX Runtime on the processor that logs errors only. This is the one way to it: what must be
    set before it is imported has been set.

    model: an ONNX file's bytes, or its path. threads: that a run uses, None for as many as there are cores. profile:
    beginning of the path of a profile, which `end_profiling` writes. Raises what ONNX Runtime raises.
    """
    options = SessionOptions()
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # planned for the branch with the map: half as much again at its peak
    if threads is not None:
        options.intra_op_num_threads = options.inter_op_num_threads = threads
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return Session(model, options, providers=["CPUExecutionProvider"])


def _manifest(path: Path, text: str | None) -> Manifest:
    if text is None:
        raise BundleRefused(
            f"bundle {path}: an ONNX model without a Fisherlens manifest; make one by fisherlens export"
        )
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise BundleRefused(f"bundle {path}: the manifest cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise BundleRefused(
            f"bundle {path}: format {manifest.format}, this runtime reads {FORMAT}; install the runtime of its version"
        )
    return manifest


def _ranges(path: Path, manifest: Manifest, session: Session) -> dict[str, NDArray[np.float64]]:
    """The usual images' ranges of what the checks watch; none for bundles of before, which watch nothing."""
    counts = {check.name: sum(part.count for part in check.watched) for check in manifest.checks if check.watched}
    text = session.get_modelmeta().custom_metadata_map.get(CALIBRATION_KEY)
    if not counts or text is None:
        return {}
    given = sum(output.shape[0] for output in session.get_outputs() if output.name == "deviation")
    if given != sum(counts.values()):
        raise BundleRefused(
            f"bundle {path}: output deviation has {given} features, the manifest's checks watch {sum(counts.values())}"
        )
    try:
        told = msgspec.json.decode(text, type=Calibration).ranges
    except msgspec.DecodeError as error:
        raise BundleRefused(f"bundle {path}: the calibration cannot be read: {error}") from error
    for name, count in counts.items():
        if name in told and len(told[name]) != count:
            raise BundleRefused(f"bundle {path}: check {name} watches {count} features, ranges of {len(told[name])}")
    return {name: np.array(told[name]) for name in counts if name in told}
