"""The whole way of a network: forward graph, head, Fisher quantities, calibration, one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
import onnx_ir as ir

from fisherlens.edge.bundle import manifest
from fisherlens.edge.bundle.golden import Golden
from fisherlens.edge.bundle.manifest import (
    CALIBRATION_KEY,
    FORMAT,
    GOLDEN_KEY,
    METADATA_KEY,
    Budget,
    Coverage,
    Fisher,
    Input,
    Manifest,
    Map,
    Parity,
)
from fisherlens.edge.storage import write_whole

from .calibration import parity
from .calibration.collect import UsualRun, collect, usual_run
from .calibration.coverage import calibrated_coverage
from .calibration.finite import require_finite
from .calibration.images import FITTING, Images
from .calibration.targets import Targets
from .checks import budget
from .checks.judgement import DEFAULT, Procedure, judge, measured
from .checks.p_value import require_enough
from .errors import NetworkError
from .fisher.fisher_graph import FisherGraph, fisher_graph
from .graph.model import session
from .graph.tape import shape_of
from .heads import Head
from .heads.input_noise import InputNoise
from .maps import MAPS
from .maps.compact import grid
from .maps.conditional import add_map
from .network.normalise import normalised
from .network.source import Network
from .progress import Progress


@dataclass(frozen=True)
class Request:
    """The wishes for a bundle, beside the networks and images.

    head: with its parameters; what is fitted to known values is fitted where targets are given. input_noise:
    uncertainty of the image itself, propagated to the values. procedure: the checks, and how several of them flag;
    alpha: of all of it together. groups: of channels, at most, that the Fisher profile tells apart in a layer; None for
    as many as there are images for. probes: random probes of the Fisher information, 0 for all score factors, None to
    choose by their number. map_kind, map_bytes: what the map shows, and how many bytes its codes may take. cost: what
    the checks may take on average, as a multiple of the forward pass; then the procedure is chosen for it. tolerance:
    of the parity report.
    """

    name: str
    version: str
    head: Head
    input: Input
    classes: tuple[str, ...] = ()
    input_noise: InputNoise | None = None
    procedure: Procedure = DEFAULT
    alpha: float = 0.01
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
    procedure, told = request.procedure.of_networks(len(networks)), None
    require_enough(len(images), request.alpha, procedure.flagging)
    request = replace(request, head=_fitted_head(networks, images, targets, request.head, progress))
    graph = _differentiated(networks, images, request, progress)
    written = measured(graph, procedure.checks if request.cost is None else budget.checks(len(networks)))
    columns = {name: check.values for name, check in written.items()}
    usual = usual_run(graph.session, graph.outputs, columns, graph.forward.outputs, images, progress)
    _require_finite_run(graph, columns, usual, images)
    if request.cost is not None:
        procedure, told = budget.choose(graph, written, usual, images, request.cost, request.alpha, progress)
    agreement = parity.compare(networks, images, usual.members, request.tolerance, progress)
    coverage = calibrated_coverage(usual, targets, request.coverage_probability)
    judgement = judge(graph.tape, written, usual, request.alpha, procedure)
    spec = grid(shape_of(graph.image), request.map_bytes, request.map_kind, MAPS[request.map_kind].quantity)
    values = MAPS[spec.kind].values(graph)
    _require_finite_map(graph, values, images, progress)
    codes, ends = add_map(graph, values, judgement.flagged, spec)
    model = graph.model({**graph.outputs, **judgement.outputs, "map": codes, "map_range": ends})
    found = _Found(graph, usual, judgement.checks, coverage, spec, told, agreement)
    described = _manifest(request, targets, found)
    golden = _with_outputs(Golden.near(images[0]()), model)
    _write(model, {METADATA_KEY: described, GOLDEN_KEY: golden, CALIBRATION_KEY: judgement.calibration}, path)
    return described


def _fitted_head(
    networks: Sequence[Network], images: Images, targets: Targets | None, head: Head, progress: Progress
) -> Head:
    """The head, fitted to the known values of those images that fit: what the others count must not depend on it."""
    if targets is None:
        return head

    def outputs() -> np.ndarray:
        readers = progress(images[FITTING], f"fit the {head.kind} head")
        return np.stack([np.stack([network.forward(read())[0][0] for network in networks]) for read in readers])

    return head.fitted(outputs, targets.values, FITTING)


def _differentiated(networks: Sequence[Network], images: Images, request: Request, progress: Progress) -> FisherGraph:
    """The graph with all that checks may use: what none uses is left out of the file."""
    shape = images[0]().shape
    normal = [normalised(network, shape) for network in progress(networks, "normalise")]
    (graph,) = [
        fisher_graph(
            normal, request.head, probes,
            input_noise=request.input_noise, groups=request.groups, fitting=len(images) // 2,
        )
        for probes in progress([request.probes], "differentiate")
    ]  # fmt: skip
    return graph


def _require_finite_run(
    graph: FisherGraph, measured: Mapping[str, Sequence[ir.Value]], usual: UsualRun, images: Images
) -> None:
    """Raise NetworkError where the networks, the head or what checks are made of are not finite on a usual image."""
    for number, (values, found) in enumerate(zip(graph.forward.outputs, usual.members, strict=True), 1):
        require_finite(f"outputs of network {number}", values, found, images, graph.model)
    for name, value in graph.outputs.items():
        require_finite(f"result {name}", [value], [usual.outputs[name]], images, graph.model)
    for name, written in measured.items():
        require_finite(f"check {name}", written, usual.measured[name], images, graph.model)


MAP_IMAGES = 8
"""Usual images, evenly spread over all, whose maps are computed before they are written into the bundle: a map takes
long, and most that is not finite in one is not finite in a check's statistic, which is computed of every image."""


def _require_finite_map(graph: FisherGraph, values: ir.Value, images: Images, progress: Progress) -> None:
    spread = np.linspace(0, len(images) - 1, min(MAP_IMAGES, len(images))).astype(int)
    some = [images[index] for index in spread]
    found = collect(graph.session({"map": values}), some, progress, "explain")
    require_finite("map", [values], [found["map"]], some, graph.model)


@dataclass(frozen=True)
class _Found:
    """What the export has found when the manifest is written."""

    graph: FisherGraph
    usual: UsualRun
    checks: tuple[manifest.Check, ...]
    coverage: Coverage | None
    map: Map
    budget: Budget | None
    parity: Parity


def _manifest(request: Request, targets: Targets | None, found: _Found) -> Manifest:
    readout, forward = found.graph.readout, found.graph.forward
    return Manifest(
        format=FORMAT,
        name=request.name,
        version=request.version,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        head=request.head.kind,
        members=len(forward.members),
        input=request.input,
        measurands=targets.measurands if targets is not None else (),
        classes=_classes(request, found.usual),
        temperature=request.head.fitted_temperature,
        input_noise=_described_noise(request.input_noise),
        coverage=found.coverage,
        alpha=request.alpha,
        checks=found.checks,
        map=found.map,
        fisher=Fisher(exact=readout.exact, passes=readout.passes, layers=tuple(layer.name for layer in forward.layers)),
        budget=found.budget,
        parity=found.parity,
        software={name: version(name) for name in ("fisherlens", "onnx", "onnx-ir", "onnxruntime")},
    )


def _classes(request: Request, usual: UsualRun) -> tuple[str, ...]:
    """Names of the classes, their numbers where none were given."""
    count = usual.outputs["probability"].shape[1] if "probability" in usual.outputs else 0
    if request.classes and len(request.classes) != count:
        raise NetworkError(f"{len(request.classes)} names of classes, the network gives {count}")
    return request.classes or tuple(str(i) for i in range(count))


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
    opened = session(model)
    names = [output.name for output in opened.get_outputs()]
    arrays = opened.run(names, {"image": golden.image, "explain": np.array(True)})
    outputs = {name: array.astype(float).ravel().tolist() for name, array in zip(names, arrays, strict=True)}
    return msgspec.structs.replace(golden, outputs=outputs)


def _write(model: ir.Model, metadata: dict[str, msgspec.Struct], path: Path) -> None:
    for key, value in metadata.items():
        model.metadata_props[key] = msgspec.json.encode(value).decode()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, ir.to_proto(model).SerializeToString())
