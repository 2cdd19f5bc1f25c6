"""The whole way of an image: arrived, decoded, one run of the graph, verdict.

Every image takes it, whoever scores: `fisherlens score` decodes in its own process, the service and the rescoring of
an archive in a sandbox.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from .bundle import Bundle, open_bundle
from .decode import Arrived, Decode, Decoded, Image, decoder
from .digest import digest_of, digest_of_file
from .errors import ImageRefused, refusal_of
from .evidence import watched_features
from .outputs import Measured, measured, reasons_to_flag
from .preprocess import vouched
from .reading import Frame, ImageFile
from .verdict import SCHEMA_VERSION, BundleReference, Verdict

Explain = Literal["always", "flagged", "never"]


class Examined(NamedTuple):
    """One frame's verdict, and the graph's image [1, C, H, W] that it is on; None where there is none."""

    verdict: Verdict
    image: Image | None


class Runtime:
    """Scores images with one bundle: `Runtime.open(path).score(image)`."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        manifest = bundle.manifest
        self._reference = BundleReference(name=manifest.name, version=manifest.version, digest=bundle.digest)
        self._watched = watched_features(bundle)
        self._software = f"fisherlens {version('fisherlens')}"

    @classmethod
    def open(cls, path: str | Path) -> Runtime:
        """Open a bundle. Raises BundleRefused."""
        return cls(open_bundle(path))

    def score(self, image: Frame | NDArray[Any], explain: Explain = "flagged") -> Verdict:
        """Give the verdict on one frame, or on an array of stored values [rows, columns(, samples)], which is taken to
        come from a detector as the bundle expects it."""
        pixels = image.pixels if isinstance(image, Frame) else image
        arrived = Arrived(digest_of(np.ascontiguousarray(pixels).tobytes()), "array", Path())

        def in_memory(_: Path) -> ImageFile:
            frame = image if isinstance(image, Frame) else vouched(image, self.bundle.manifest.input)
            return ImageFile(frame.header, lambda index: frame)

        return next(self.verdicts(arrived, decoder(in_memory), explain)).verdict

    def score_file(self, path: str | Path, explain: Explain = "flagged") -> Iterator[Verdict]:
        """Give a verdict on each frame of a file; one that refuses, where it cannot be opened."""
        return (examined.verdict for examined in self.examine_file(path, explain))

    def examine_file(self, path: str | Path, explain: Explain = "flagged") -> Iterator[Examined]:
        """Give what `score_file` gives, each verdict with the graph's image that it is on."""
        arrived = Arrived(digest_of_file(Path(path)) or "", _printable(path), Path(path))
        yield from self.verdicts(arrived, decoder(), explain)

    def verdicts(self, arrived: Arrived, decode: Decode, explain: Explain) -> Iterator[Examined]:
        """Give a verdict on each frame of an image, refused ones included, and at least one."""
        index, frames = 0, 1
        while index < frames:
            decoded = decode(arrived.path, index, self.bundle.manifest.input)
            verdict = self._verdict_on(decoded, arrived, index + 1, explain)
            yield Examined(msgspec.structs.replace(verdict, lossy_image_compression=decoded.lossy), decoded.image)
            index, frames = index + 1, decoded.frames

    def _verdict_on(self, decoded: Decoded, arrived: Arrived, number: int, explain: Explain) -> Verdict:
        source, digest = decoded.name or arrived.name or arrived.digest, arrived.digest or None
        if decoded.image is None:
            return self.refused(decoded.refusal, source, number, digest)
        try:
            return self.judge(decoded.image, explain, source, number, digest)
        except Exception as error:  # whatever one frame does, the others are still scored
            return self.refused(refusal_of(error), source, number, digest)

    def judge(self, image: Image, explain: Explain, source: str, number: int, digest: str | None) -> Verdict:
        """Give the verdict on an image [1, C, H, W] that `preprocess` made of frame `number` of a source.

        Raises ImageRefused for an image of another shape, and results that are no finite numbers.
        """
        if image.shape != self.bundle.image_shape:
            raise ImageRefused(f"image {list(image.shape)}, the graph expects {list(self.bundle.image_shape)}")
        outputs = self.bundle.run(image, explain == "always")
        found = measured(self.bundle.manifest, self._watched, outputs, with_map=explain != "never")
        unusual = reasons_to_flag(self.bundle.manifest, found.checks)
        return self._verdict("flagged" if unusual else "accepted", unusual, source, number, digest, found)

    def refused(self, reason: str, source: str, number: int, digest: str | None) -> Verdict:
        """Give the verdict that a frame was not measured, and why."""
        return self._verdict("refused", [reason], source, number, digest, Measured())

    def _verdict(
        self,
        outcome: Literal["accepted", "flagged", "refused"],
        reasons: list[str],
        source: str,
        number: int,
        digest: str | None,
        found: Measured,
    ) -> Verdict:
        return Verdict(
            schema=SCHEMA_VERSION,
            outcome=outcome,
            reasons=reasons,
            source=source,
            frame=number,
            input_digest=digest,
            bundle=self._reference,
            software=self._software,
            created=datetime.now(UTC).isoformat(timespec="milliseconds"),
            **vars(found),
        )


def _printable(path: str | Path) -> str:
    """A path as text, bytes that are no UTF-8 as escapes: every record can be printed and sent."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
