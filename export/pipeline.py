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

from fisherlens.edge.bundle import manifest, open_session
from fisherlens.edge.bundle.golden import Golden
from fisherlens.edge.bundle.manifest import (
    CALIBRATION_KEY,
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

from .calibration import parity
from .calibration.images import Images, Targets, collect, fit_temperature
from .checks import judgement
from .checks import profile as checks
from .checks.budget import choose
from .errors import CalibrationError, NetworkError
from .fisher.channels import chosen_groups
from .fisher.fisher_graph import Instrumented, instrument
from .graph.model import add_map, as_model
from .graph.tape import shape_of
from .heads import Head, Softmax
from .heads.input_noise import InputNoise
from .maps import MAPS
from .maps.compact import grid
from .network.forward import join
from .network.normalise import normalise
from .network.source import Network
from .progress import Progress


@dataclass(frozen=True)
class Request:
    """What to export, beside the networks and images.

    head: with its parameters; a Softmax's temperature is fitted where targets are given. input_noise:
    uncertainty of the image itself, propagated to the values. alpha: of all checks together, each gets
    an equal share (Bonferroni); combine: one statistic of all of them flags instead. groups: of channels, at most,
    that the profile tells apart in a layer; None for as many as there are images for. probes: random
    probes of the Fisher information, 0 for all score factors, None to choose by their number. map_kind,
    map_bytes: what the map shows, and how many bytes its codes may take. cost: what the checks may take,
    as a multiple of the forward pass; then the probes are chosen too. tolerance: of the parity report.
    """

    name: str
    version: str
    head: Head
    input: Input
    classes: tuple[str, ...] = ()
    input_noise: InputNoise | None = None
    checks: tuple[str, ...] = judgement.DEFAULT_CHECKS
    alpha: float = 0.01
    combine: bool = False
    coverage_probability: float = 0.95
    groups: int | None = None
    probes: int | None = None
    map_kind: str = "fisher"
    map_bytes: int = 2048
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
    checks.require_enough(len(images), request.alpha, 1 if request.combine else len(request.checks))
    request = _with_temperature(networks, images, targets, request, progress)
    instrumented, budget = _designed(networks, images, request, progress)
    found = judgement.scalars(instrumented, request.checks)
    usual = collect(_calibration_model(instrumented, found), images, lambda items: progress(items, "calibrate"))
    agreement = parity.compare(
        networks,
        images,
        _member_outputs(instrumented, usual),
        request.tolerance,
        lambda items: progress(items, "compare"),
    )
    judged = judgement.judge(instrumented, found, usual, request.checks, request.alpha, request.combine)
    outputs = {**instrumented.outputs, **judged.outputs}
    spec = grid(_shape(instrumented), request.map_bytes, request.map_kind, MAPS[request.map_kind].quantity)
    outputs["map"], outputs["map_range"] = add_map(instrumented, outputs["flagged"], spec)
    described = _manifest(request, instrumented, usual, targets, judged.checks, spec, agreement, len(networks), budget)
    model = as_model(instrumented.forward.tape.graph, outputs)
    golden = _with_outputs(Golden.near(images[0]()), model)
    _write(model, {METADATA_KEY: described, GOLDEN_KEY: golden, CALIBRATION_KEY: judged.calibration}, path)
    return described


def _designed(
    networks: Sequence[Network], images: Images, request: Request, progress: Progress
) -> tuple[Instrumented, Budget | None]:
    """The graph with all that the checks may use, or with what fits the budget."""
    shape = images[0]().shape
    normal = [normalise(n.model.clone(), shape, n.name) for n in progress(networks, "normalise")]

    def build(probes: int | None) -> Instrumented:
        forward = join([model.clone() for model in normal])
        results = [output for outputs in forward.outputs for output in outputs]
        groups = request.groups or chosen_groups(forward.layers, results, len(images) // 2)
        return instrument(forward, request.head, probes, request.input_noise, groups)

    if request.cost is None:
        (whole,) = [build(probes) for probes in progress([request.probes], "differentiate")]
        return whole, None
    if request.checks != (judgement.PROFILE,):
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
    fitting = (read() for read in progress(images[judgement.FIT], "fit temperature"))
    logits = np.stack([np.stack([network.forward(image)[0][0] for network in networks]) for image in fitting])
    if logits.ndim > 3 or targets.values.ndim > 1:
        raise CalibrationError(
            f"targets for a network with results {list(logits.shape[2:])}; a temperature is fitted to one class an "
            "image. Leave out --targets: the probabilities are then the network's own."
        )
    if targets.values.max() >= logits.shape[2] or targets.values.min() < 0:
        raise CalibrationError(f"targets with classes up to {targets.values.max()}, the network has {logits.shape[2]}")
    return replace(request, head=Softmax(fit_temperature(logits, targets.values[judgement.FIT])))


def _calibration_model(instrumented: Instrumented, statistics: dict[str, ir.Value]) -> ir.Model:
    outputs = {
        **instrumented.outputs,
        **statistics,
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


def _classes(request: Request, usual: dict[str, NDArray]) -> tuple[str, ...]:
    """Names of the classes, their numbers where none were given."""
    count = usual["probability"].shape[1] if "probability" in usual else 0
    if request.classes and len(request.classes) != count:
        raise NetworkError(f"{len(request.classes)} names of classes, the network gives {count}")
    return request.classes or tuple(str(i) for i in range(count))


def _coverage(request: Request, usual: dict[str, NDArray], targets: Targets | None) -> Coverage | None:
    if "value" not in usual:
        return None
    if targets is None:
        raise CalibrationError(
            "no targets; the coverage factor of values is calibrated on known ones. Give --targets, a CSV file with a "
            "line for each calibration image."
        )
    if targets.values.shape != usual["value"].shape:
        raise CalibrationError(
            f"targets for {_dimensions(targets.values)}, the network gives {_dimensions(usual['value'])}"
        )
    error = targets.values - usual["value"]
    scores = np.abs(error) / np.where(error < 0, usual["u_below"], usual["u_above"])
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
    judged: tuple[Check, ...],
    spec: Map,
    agreement: Parity,
    members: int,
    budget: Budget | None,
) -> Manifest:
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
        input_noise=_described_noise(request.input_noise),
        coverage=_coverage(request, usual, targets),
        alpha=request.alpha,
        checks=judged,
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


def _described_noise(noise: InputNoise | None) -> manifest.InputNoise | None:
    if noise is None:
        return None
    return manifest.InputNoise(
        constant=noise.constant,
        proportional=noise.proportional,
        correlated=noise.correlation is not None,
        method=noise.method,
        draws=noise.draws if noise.method == "draws" else None,
    )


def _with_outputs(golden: Golden, model: ir.Model) -> Golden:
    """What the finished graph gives on the golden image."""
    session = open_session(ir.to_proto(model).SerializeToString())
    names = [output.name for output in session.get_outputs()]
    arrays = session.run(names, {"image": golden.image, "explain": np.array(True)})
    outputs = {name: array.astype(float).ravel().tolist() for name, array in zip(names, arrays, strict=True)}
    return msgspec.structs.replace(golden, outputs=outputs)


def _write(model: ir.Model, metadata: dict[str, msgspec.Struct], path: Path) -> None:
    for key, value in metadata.items():
        model.metadata_props[key] = msgspec.json.encode(value).decode()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, ir.to_proto(model).SerializeToString())
