"""The whole way of a network: forward graph, head, Fisher quantities, calibration, one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from fisherlens.edge.bundle import open_session
from fisherlens.edge.golden import Golden
from fisherlens.edge.manifest import (
    FORMAT,
    GOLDEN_KEY,
    METADATA_KEY,
    Budget,
    Check,
    Coverage,
    Fisher,
    Input,
    Manifest,
    Map,
    Parity,
)
from fisherlens.edge.storage import write_whole

from . import checks, parity
from .assemble import Instrumented, add_map, as_model, instrument, join
from .budget import choose
from .calibrate import Images, Targets, collect, fit_temperature
from .compact import grid
from .errors import CalibrationError, NetworkError
from .heads import Gaussian, Head, Softmax
from .network import Network
from .normalise import normalise
from .progress import Progress
from .tape import shape_of

_FIT, _COUNT = slice(0, None, 2), slice(1, None, 2)
"""Every other calibration image fits what is usual; the others count for the p-values."""


@dataclass(frozen=True)
class Request:
    """What to export, beside the networks and images.

    head: with its parameters; a Softmax's temperature is fitted where targets are given. alpha: of
    all checks together, each gets an equal share (Bonferroni). probes: random probes of the Fisher
    information, 0 for all score factors, None to choose by their number. cells: of the map along the
    image's longer side. cost: what the checks may take, as a multiple of the forward pass; then the
    probes are chosen too. tolerance: of the parity report.
    """

    name: str
    version: str
    head: Head
    input: Input
    classes: tuple[str, ...] = ()
    checks: tuple[str, ...] = checks.CHECKS
    alpha: float = 0.01
    coverage_probability: float = 0.95
    probes: int | None = None
    cells: int = 32
    cost: float | None = None
    tolerance: float = parity.TOLERANCE


def export(
    networks: Sequence[Network],
    images: Images,
    targets: Targets | None,
    request: Request,
    path: Path,
    progress: Progress = lambda items, label: items,
) -> Manifest:
    """Write the bundle of one network, or of an ensemble, to `path`, and return its manifest.

    Raises ExportError: NetworkError, CalibrationError or ParityError; then nothing was written.
    """
    checks.require_enough(len(images), request.alpha, len(request.checks))
    request = _with_temperature(networks, images, targets, request, progress)
    instrumented, budget = _designed(networks, images, request, progress)
    usual = collect(_calibration_model(instrumented), images, lambda items: progress(items, "calibrate"))
    agreement = parity.compare(
        networks,
        images,
        _member_outputs(instrumented, usual),
        request.tolerance,
        lambda items: progress(items, "compare"),
    )
    outputs = {**instrumented.readout.outputs, **_add_checks(instrumented, usual, request)}
    spec = grid(_shape(instrumented), request.cells)
    outputs["map"], outputs["map_range"] = add_map(instrumented, outputs["flagged"], spec)
    manifest = _manifest(request, instrumented, usual, targets, spec, agreement, len(networks), budget)
    model = as_model(instrumented.forward.tape.graph, outputs)
    _write(model, manifest, _with_outputs(Golden.near(images[0]()), model), path)
    return manifest


def _designed(
    networks: Sequence[Network], images: Images, request: Request, progress: Progress
) -> tuple[Instrumented, Budget | None]:
    """The graph with all that the checks may use, or with what fits the budget."""
    shape = images[0]().shape
    normal = [normalise(n.model.clone(), shape, n.name) for n in progress(networks, "normalise")]

    def build(probes: int | None) -> Instrumented:
        return instrument(join([model.clone() for model in normal]), request.head, probes)

    if request.cost is None:
        (whole,) = [build(probes) for probes in progress([request.probes], "differentiate")]
        return whole, None
    if request.checks != ("fisher_profile",):
        raise CalibrationError(
            f"a cost with checks {', '.join(request.checks)}; a budget is kept by leaving layers out of the Fisher "
            "profile. Give --check fisher_profile alone."
        )
    return choose(build, images, request.cost, request.alpha, progress)


def _shape(instrumented: Instrumented) -> tuple[int, ...]:
    return shape_of(instrumented.forward.image)


def _with_temperature(
    networks: Sequence[Network], images: Images, targets: Targets | None, request: Request, progress: Progress
) -> Request:
    """A softmax head with the temperature that fits the known classes best, in the half of the images
    that fits: what the other half counts must not depend on it."""
    if not isinstance(request.head, Softmax) or targets is None:
        return request
    forward = networks[0].forward
    logits = np.stack([forward(read())[0][0] for read in progress(images[_FIT], "fit temperature")])
    if logits.ndim > 2 or targets.values.ndim > 1:
        raise CalibrationError(
            f"targets for a network with results {list(logits.shape[1:])}; a temperature is fitted to one class an "
            "image. Leave out --targets: the probabilities are then the network's own."
        )
    if targets.values.max() >= logits.shape[1] or targets.values.min() < 0:
        raise CalibrationError(f"targets with classes up to {targets.values.max()}, the network has {logits.shape[1]}")
    return replace(request, head=Softmax(fit_temperature(logits, targets.values[_FIT])))


def _calibration_model(instrumented: Instrumented) -> ir.Model:
    outputs = {
        **instrumented.readout.outputs,
        "trace": instrumented.trace,
        "features": instrumented.features,
        "regressors": instrumented.readout.regressors,
    }
    outputs |= _named_member_outputs(instrumented)
    return as_model(instrumented.forward.tape.graph, outputs)


def _named_member_outputs(instrumented: Instrumented) -> dict[str, ir.Value]:
    return {
        f"member{m}.{i}": value
        for m, values in enumerate(instrumented.forward.outputs)
        for i, value in enumerate(values)
    }


def _member_outputs(instrumented: Instrumented, usual: dict[str, NDArray]) -> list[list[NDArray]]:
    return [
        [usual[f"member{m}.{i}"] for i in range(len(values))] for m, values in enumerate(instrumented.forward.outputs)
    ]


def _add_checks(instrumented: Instrumented, usual: dict[str, NDArray], request: Request) -> dict[str, ir.Value]:
    """Statistic, p-value and flag of each check."""
    tape = instrumented.forward.tape
    statistics, p_values = [], []
    for name in request.checks:
        if name == "fisher_trace":
            statistic, usual_statistic = instrumented.trace, usual["trace"][_COUNT]
        else:
            profile = checks.fit_profile(usual["features"][_FIT], usual["regressors"][_FIT])
            statistic = checks.profile_statistic(tape, profile, instrumented.features, instrumented.readout.regressors)
            usual_statistic = checks.usual_statistics(profile, usual["features"][_COUNT], usual["regressors"][_COUNT])
        statistics.append(statistic)
        p_values.append(checks.p_value(tape, statistic, usual_statistic))
    stacked = [tape.Concat(*(tape.Unsqueeze(v, [0]) for v in values), axis=0) for values in (statistics, p_values)]
    alpha = tape.floats(_share(request))
    flags = tape.Cast(tape.LessOrEqual(stacked[1], alpha), to=tape.dtype)
    flagged = tape.Greater(tape.ReduceSum(flags, keepdims=0), 0.0)
    return {"statistic": stacked[0], "p_value": stacked[1], "flagged": flagged}


def _share(request: Request) -> float:
    """Each check's alpha, rounded to float32 as the graph compares it."""
    return float(np.float32(request.alpha / len(request.checks)))


def _classes(request: Request, usual: dict[str, NDArray]) -> tuple[str, ...]:
    """Names of the classes, their numbers where none were given."""
    count = usual["probability"].shape[1] if "probability" in usual else 0
    if request.classes and len(request.classes) != count:
        raise NetworkError(f"{len(request.classes)} names of classes, the network gives {count}")
    return request.classes or tuple(str(i) for i in range(count))


def _coverage(request: Request, usual: dict[str, NDArray], targets: Targets | None) -> Coverage | None:
    if not isinstance(request.head, Gaussian):
        return None
    if targets is None:
        raise CalibrationError(
            "no targets; the coverage factor of a Gaussian head is calibrated on known values. Give --targets, a CSV "
            "file with a line for each calibration image."
        )
    if targets.values.shape != usual["value"].shape:
        raise CalibrationError(
            f"targets for {_dimensions(targets.values)}, the network gives {_dimensions(usual['value'])}"
        )
    scores = np.abs(targets.values - usual["value"]) / usual["u"]
    return Coverage(
        probability=request.coverage_probability,
        factors=tuple(
            checks.conformal_factor(scores[:, i], request.coverage_probability) for i in range(scores.shape[1])
        ),
        basis="conformal",
        calibration_size=len(scores),
    )


def _dimensions(values: NDArray) -> str:
    image = f", each an image of {values.shape[2]} x {values.shape[3]}" if values.ndim == 4 else ""
    return f"{values.shape[1]} measurands{image}"


def _manifest(
    request: Request,
    instrumented: Instrumented,
    usual: dict[str, NDArray],
    targets: Targets | None,
    spec: Map,
    agreement: Parity,
    members: int,
    budget: Budget | None,
) -> Manifest:
    calibration_size = len(usual["trace"]) // 2
    head = request.head
    return Manifest(
        format=FORMAT,
        name=request.name,
        version=request.version,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        head=head.kind,
        members=members,
        input=request.input,
        measurands=targets.measurands if targets is not None else (),
        classes=_classes(request, usual),
        temperature=head.temperature if isinstance(head, Softmax) else None,
        coverage=_coverage(request, usual, targets),
        alpha=request.alpha,
        checks=tuple(
            Check(name=name, alpha=_share(request), calibration_size=calibration_size) for name in request.checks
        ),
        map=spec,
        fisher=Fisher(
            exact=instrumented.readout.exact,
            passes=instrumented.readout.passes,
            layers=tuple(layer.name for layer in instrumented.forward.layers),
        ),
        budget=budget,
        parity=agreement,
        software={name: version(name) for name in ("fisherlens", "onnx", "onnx-ir", "onnxruntime")},
    )


def _with_outputs(golden: Golden, model: ir.Model) -> Golden:
    """What the finished graph gives on the golden image."""
    session = open_session(ir.to_proto(model).SerializeToString())
    names = [output.name for output in session.get_outputs()]
    arrays = session.run(names, {"image": golden.image, "explain": np.array(True)})
    outputs = {name: array.astype(float).ravel().tolist() for name, array in zip(names, arrays, strict=True)}
    return msgspec.structs.replace(golden, outputs=outputs)


def _write(model: ir.Model, manifest: Manifest, golden: Golden, path: Path) -> None:
    model.metadata_props[METADATA_KEY] = msgspec.json.encode(manifest).decode()
    model.metadata_props[GOLDEN_KEY] = msgspec.json.encode(golden).decode()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, ir.to_proto(model).SerializeToString())
