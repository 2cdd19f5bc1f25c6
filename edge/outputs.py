"""The graph's outputs, arrays by name, as the records of a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .bundle.manifest import Manifest
from .errors import ImageRefused
from .evidence import WatchedFeatures, in_words
from .verdict import CheckResult, ClassImage, ClassProbability, CompactMap, Result, ResultImage, gum_text

Outputs = dict[str, NDArray]
_UNCERTAIN = ("value", "u_aleatoric", "u_epistemic", "u_input", "u")
_SIDES = ("u_below", "u_above")


@dataclass(frozen=True)
class Measured:
    """The fields of a verdict that one run of the graph fills; as they are here, nothing was measured."""

    results: list[Result] = field(default_factory=list)
    result_images: list[ResultImage] = field(default_factory=list)
    probabilities: list[ClassProbability] = field(default_factory=list)
    entropy: float | None = None
    mutual_information: float | None = None
    class_image: ClassImage | None = None
    checks: list[CheckResult] = field(default_factory=list)
    map: CompactMap | None = None


def measured(manifest: Manifest, watched: Mapping[str, WatchedFeatures], outputs: Outputs, with_map: bool) -> Measured:
    """Turn a run's outputs into records. watched: the features that checks watch, by the check's name. Raises
    ImageRefused where a result is no finite number."""
    return Measured(
        results=_results(manifest, outputs),
        result_images=_result_images(manifest, outputs),
        probabilities=_probabilities(manifest, outputs),
        entropy=_mean(outputs, "entropy"),
        mutual_information=_mean(outputs, "mutual_information"),
        class_image=_class_image(outputs),
        checks=_checks(manifest, watched, outputs),
        map=_map(manifest, outputs) if with_map else None,
    )


def reasons_to_flag(manifest: Manifest, results: Sequence[CheckResult]) -> list[str]:
    """Say in words of each check that flags what it means, as the manifest has it, and what features it is by."""
    return [
        f"{result.name}: {check.meaning} (p = {result.p_value:.2g}, alpha = {result.alpha:.2g})"
        + in_words(result.evidence)
        for check, result in zip(manifest.checks, results, strict=True)
        if result.flagged
    ]


def _results(manifest: Manifest, outputs: Outputs) -> list[Result]:
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
                text=gum_text(value, u, measurand.unit, k, probability),
                **{name: columns[name][i] for name in _UNCERTAIN},
            )
        )
    return results


def _result_images(manifest: Manifest, outputs: Outputs) -> list[ResultImage]:
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


def _probabilities(manifest: Manifest, outputs: Outputs) -> list[ClassProbability]:
    if "probability" not in outputs:
        return []
    _require_finite("class probability", outputs["probability"])
    per_class = outputs["probability"].reshape(len(manifest.classes), -1).mean(axis=1)
    return [
        ClassProbability(name=name, probability=float(p)) for name, p in zip(manifest.classes, per_class, strict=True)
    ]


def _mean(outputs: Outputs, name: str) -> float | None:
    if name not in outputs:
        return None
    _require_finite(name, outputs[name])
    return float(outputs[name].mean())


def _class_image(outputs: Outputs) -> ClassImage | None:
    if "probability" not in outputs or outputs["probability"].ndim == 1:
        return None
    probability = outputs["probability"]
    return ClassImage(
        rows=probability.shape[1],
        columns=probability.shape[2],
        classes=probability.argmax(axis=0).astype(np.uint8).tobytes(),
        probability=_float_bytes(probability.max(axis=0)),
    )


def _checks(manifest: Manifest, watched: Mapping[str, WatchedFeatures], outputs: Outputs) -> list[CheckResult]:
    flagged = [
        check.flags and bool(p <= check.alpha) for check, p in zip(manifest.checks, outputs["p_value"], strict=True)
    ]
    return [
        CheckResult(
            name=check.name,
            statistic=float(statistic) if np.isfinite(statistic) else None,
            p_value=float(p),
            alpha=check.alpha,
            flagged=flags,
            evidence=watched[check.name].evidence(outputs["deviation"]) if flags and check.name in watched else [],
        )
        for check, statistic, p, flags in zip(
            manifest.checks, outputs["statistic"], outputs["p_value"], flagged, strict=True
        )
    ]


def _map(manifest: Manifest, outputs: Outputs) -> CompactMap | None:
    codes = outputs["map"]
    if not codes.size:
        return None
    spec = manifest.map
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


def _float_bytes(array: NDArray) -> bytes:
    return array.astype("<f4").tobytes()


def _require_finite(what: str, *arrays: NDArray) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise ImageRefused(f"the network's {what} is no finite number on this image")
