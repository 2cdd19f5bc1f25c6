"""The whole way of an image: file, frame, preprocessing, one run of the graph, verdict."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .bundle import Bundle, open_bundle
from .digest import digest_of, digest_of_file
from .errors import ImageRefused
from .preprocess import check_header, preprocess
from .reading import Frame, open_image
from .verdict import (
    SCHEMA_VERSION,
    BundleReference,
    CheckResult,
    ClassImage,
    ClassProbability,
    CompactMap,
    Result,
    ResultImage,
    Verdict,
    written,
)

Explain = Literal["always", "flagged", "never"]
Image = NDArray[np.float32]


class Runtime:
    """Scores images with one bundle: `Runtime.open(path).score(image)`."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        manifest = bundle.manifest
        self._reference = BundleReference(name=manifest.name, version=manifest.version, digest=bundle.digest)
        self._software = f"fisherlens {version('fisherlens')}"

    @classmethod
    def open(cls, path: str | Path) -> Runtime:
        """Open a bundle. Raises BundleRefused."""
        return cls(open_bundle(path))

    def score(self, image: Frame | NDArray[Any], explain: Explain = "flagged") -> Verdict:
        """The verdict on one frame, or on an array of stored values [rows, columns(, samples)]."""
        pixels = image.pixels if isinstance(image, Frame) else image
        digest = digest_of(np.ascontiguousarray(pixels).tobytes())
        try:
            frame = image if isinstance(image, Frame) else Frame.of(image)
            return self._examine(frame, explain, source="array", number=1, digest=digest)[0]
        except Exception as error:
            return self.refused(_refusal(error), "array", 1, digest)

    def score_file(self, path: str | Path, explain: Explain = "flagged") -> Iterator[Verdict]:
        """One verdict a frame; one that refuses, where the file cannot be opened."""
        return (verdict for verdict, _ in self.examine_file(path, explain))

    def examine_file(self, path: str | Path, explain: Explain = "flagged") -> Iterator[tuple[Verdict, Image | None]]:
        """As `score_file`, each verdict with the graph's image [1, C, H, W], None if there is none."""
        source = _printable(path)
        digest = None
        try:
            file = open_image(Path(path))
            digest = digest_of_file(Path(path))
            check_header(file.header, self.bundle.manifest.input)
        except Exception as error:  # whatever one file does, the others are still scored
            yield self.refused(_refusal(error), source, 1, digest or digest_of_file(Path(path))), None
            return
        for number in range(1, file.header.frames + 1):
            try:
                yield self._examine(file.frame(number - 1), explain, source, number, digest)
            except Exception as error:  # whatever one frame does, the others are still scored
                yield self.refused(_refusal(error), source, number, digest), None

    def _examine(
        self, frame: Frame, explain: Explain, source: str, number: int, digest: str | None
    ) -> tuple[Verdict, Image]:
        image = preprocess(frame, self.bundle.manifest.input)
        return self.judge(image, explain, source, number, digest), image

    def judge(self, image: Image, explain: Explain, source: str, number: int, digest: str | None) -> Verdict:
        """The verdict on an image [1, C, H, W] that `preprocess` made of frame `number` of a source.

        Raises ImageRefused for an image of another shape, and results that are no finite numbers.
        """
        if image.shape != self.bundle.image_shape:
            raise ImageRefused(f"image {list(image.shape)}, the graph expects {list(self.bundle.image_shape)}")
        outputs = self.bundle.run(image, explain == "always")
        results, result_images = self._results(outputs), self._result_images(outputs)
        probabilities, class_image = self._probabilities(outputs), self._class_image(outputs)
        checks = self._checks(outputs)
        reasons = [_reason(check) for check in checks if check.flagged]
        return self._verdict(
            outcome="flagged" if reasons else "accepted",
            reasons=reasons,
            source=source,
            frame=number,
            input_digest=digest,
            results=results,
            result_images=result_images,
            probabilities=probabilities,
            entropy=self._mean(outputs, "entropy"),
            mutual_information=self._mean(outputs, "mutual_information"),
            class_image=class_image,
            checks=checks,
            map=None if explain == "never" else self._map(outputs),
        )

    def refused(self, reason: str, source: str, number: int, digest: str | None) -> Verdict:
        """The verdict that a frame was not measured, and why."""
        return self._verdict(
            outcome="refused",
            reasons=[reason],
            source=source,
            frame=number,
            input_digest=digest,
            results=[],
            result_images=[],
            probabilities=[],
            entropy=None,
            mutual_information=None,
            class_image=None,
            checks=[],
            map=None,
        )

    def _verdict(self, **fields: Any) -> Verdict:
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        return Verdict(
            schema=SCHEMA_VERSION, bundle=self._reference, software=self._software, created=created, **fields
        )

    def _results(self, outputs: dict[str, NDArray]) -> list[Result]:
        manifest = self.bundle.manifest
        if manifest.coverage is None or outputs["value"].ndim > 1:
            return []
        # A part that is absent is 0 times the value in the graph, which may be -0.
        columns = {name: (outputs[name].astype(float) + 0.0).tolist() for name in (*_UNCERTAIN, *_SIDES)}
        _require_finite("value or uncertainty", *columns.values())
        probability = manifest.coverage.probability
        results = []
        for i, (measurand, k) in enumerate(zip(manifest.measurands, manifest.coverage.factors, strict=True)):
            value, u = columns["value"][i], columns["u"][i]
            results.append(
                Result(
                    name=measurand.name,
                    unit=measurand.unit,
                    coverage_factor=k,
                    coverage_probability=probability,
                    U=k * u,
                    low=value - k * columns["u_below"][i],
                    high=value + k * columns["u_above"][i],
                    text=written(value, u, measurand.unit, k, probability),
                    **{name: columns[name][i] for name in _UNCERTAIN},
                )
            )
        return results

    def _result_images(self, outputs: dict[str, NDArray]) -> list[ResultImage]:
        manifest = self.bundle.manifest
        if manifest.coverage is None or outputs["value"].ndim == 1:
            return []
        _require_finite("value or uncertainty", *(outputs[name] for name in (*_UNCERTAIN, *_SIDES)))
        value, below, above = outputs["value"], outputs["u_below"], outputs["u_above"]
        return [
            ResultImage(
                name=measurand.name,
                unit=measurand.unit,
                rows=outputs["value"].shape[1],
                columns=outputs["value"].shape[2],
                coverage_factor=factor,
                coverage_probability=manifest.coverage.probability,
                low=_float_bytes(value[i] - factor * below[i]),
                high=_float_bytes(value[i] + factor * above[i]),
                **{name: _float_bytes(outputs[name][i]) for name in _UNCERTAIN},
            )
            for i, (measurand, factor) in enumerate(zip(manifest.measurands, manifest.coverage.factors, strict=True))
        ]

    def _probabilities(self, outputs: dict[str, NDArray]) -> list[ClassProbability]:
        if "probability" not in outputs:
            return []
        _require_finite("class probability", outputs["probability"])
        per_class = outputs["probability"].reshape(len(self.bundle.manifest.classes), -1).mean(axis=1)
        return [
            ClassProbability(name=name, probability=float(p))
            for name, p in zip(self.bundle.manifest.classes, per_class, strict=True)
        ]

    @staticmethod
    def _mean(outputs: dict[str, NDArray], name: str) -> float | None:
        if name not in outputs:
            return None
        _require_finite(name, outputs[name])
        return float(outputs[name].mean())

    def _class_image(self, outputs: dict[str, NDArray]) -> ClassImage | None:
        if "probability" not in outputs or outputs["probability"].ndim == 1:
            return None
        probability = outputs["probability"]
        return ClassImage(
            rows=probability.shape[1],
            columns=probability.shape[2],
            classes=probability.argmax(axis=0).astype(np.uint8).tobytes(),
            probability=_float_bytes(probability.max(axis=0)),
        )

    def _checks(self, outputs: dict[str, NDArray]) -> list[CheckResult]:
        return [
            CheckResult(
                name=check.name,
                statistic=float(statistic) if np.isfinite(statistic) else None,
                p_value=float(p),
                alpha=check.alpha,
                flagged=bool(p <= check.alpha),
            )
            for check, statistic, p in zip(
                self.bundle.manifest.checks, outputs["statistic"], outputs["p_value"], strict=True
            )
        ]

    def _map(self, outputs: dict[str, NDArray]) -> CompactMap | None:
        codes = outputs["map"]
        if not codes.size:
            return None
        spec = self.bundle.manifest.map
        low, high = (float(end) for end in outputs["map_range"])
        return CompactMap(
            kind=spec.kind,
            quantity=spec.quantity,
            cell=spec.cell,
            rows=spec.rows,
            columns=spec.columns,
            low=low,
            high=high,
            codes=codes.tobytes(),
        )


def _printable(path: str | Path) -> str:
    """A path as text, bytes that are no UTF-8 as escapes: every record can be printed and sent."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _refusal(error: Exception) -> str:
    """Why nothing was measured, in words."""
    if isinstance(error, ImageRefused):
        return str(error)
    if isinstance(error, MemoryError):
        return "does not fit into memory"
    return f"unexpected {type(error).__name__}: {error}; please report it with the image"


_UNCERTAIN = ("value", "u_aleatoric", "u_epistemic", "u_input", "u")
_SIDES = ("u_below", "u_above")


def _float_bytes(array: NDArray) -> bytes:
    return array.astype("<f4").tobytes()


def _require_finite(what: str, *arrays: NDArray) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise ImageRefused(f"the network's {what} is no finite number on this image")


_MEANINGS = {
    "fisher_trace": "Fisher information is larger than on nearly all usual images",
    "fisher_profile": "Fisher information is spread over the network's layers as on hardly any usual image",
    "fisher_form": "the prediction's entropy depends on the parameters as on hardly any usual image",
    "largest_eigenvalue": "a small change of the image changes the result as on hardly any usual image",
    "ensemble_disagreement": "the networks of the ensemble disagree as on hardly any usual image",
    "combined": "the checks together are as far from usual as on hardly any usual image",
}


def _reason(check: CheckResult) -> str:
    meaning = _MEANINGS.get(check.name, "unusual")
    return f"{check.name}: {meaning} (p = {check.p_value:.2g}, alpha = {check.alpha:.2g})"
