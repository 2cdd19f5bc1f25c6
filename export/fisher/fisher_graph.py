"""The forward graph with its head and Fisher quantities: what calibration, checks and maps start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from fisherlens.edge.bundle import Session

from ..derivatives.jacobian import jacobian
from ..derivatives.reverse import require_rules
from ..errors import NetworkError
from ..graph.model import as_model, session
from ..graph.tape import Tape
from ..heads import Head, Readout
from ..heads.input_noise import InputNoise
from ..network.forward import Forward, join
from ..network.layers import WEIGHTED, Layer
from ..network.source import Network
from .channels import chosen_groups
from .information import Information, information
from .profile import features

DEPTH = 0.5
"""Share of each member's layers, from the last on, that profiles of channels watch: those before, nearer to the image,
have the largest images, so that they cost most."""


@dataclass(frozen=True)
class FisherGraph:
    """One graph that reads an image and computes the members' outputs, what the head makes of them, and the Fisher
    quantities.

    outputs: the bundle's, of the head, by name. trace: of the information of all parameters, a scalar. features: the
    Fisher profile, [F].
    """

    forward: Forward
    readout: Readout
    outputs: dict[str, ir.Value]
    information: Information
    trace: ir.Value
    features: ir.Value

    @property
    def tape(self) -> Tape:
        """The tape that writes on at its end."""
        return self.forward.tape

    @property
    def image(self) -> ir.Value:
        """The graph's input [1, C, H, W]."""
        return self.forward.image

    @property
    def layers(self) -> list[Layer]:
        """The layers whose information is watched, of all members."""
        return self.forward.layers

    @property
    def last_layers(self) -> list[Layer]:
        """The last layers of each member, DEPTH of all."""
        return [layer for member in self.forward.members for layer in member[int(len(member) * (1 - DEPTH)) :]]

    def model(self, outputs: dict[str, ir.Value]) -> ir.Model:
        """A model with those outputs, named so, and nothing that they do not need; the graph itself stays as it is."""
        return as_model(self.tape.graph, outputs)

    def session(self, outputs: dict[str, ir.Value], threads: int | None = None) -> Session:
        """The same model, opened for running."""
        return session(self.model(outputs), threads)

    def image_rows(self) -> ir.Value:
        """The derivatives of the score factors in the image, one by one, [S, C, H, W]."""
        if self.information.rows is not None:
            return self.information.rows
        rows = [jacobian(self.tape, self.readout.roots, image) for image in self.forward.images]
        return rows[0] if len(rows) == 1 else self.tape.Concat(*rows, axis=0)


def fisher_graph(
    networks: Sequence[Network],
    head: Head,
    probes: int | None = None,
    *,
    input_noise: InputNoise | None = None,
    groups: int | None = 1,
    fitting: int = 0,
) -> FisherGraph:
    """Write the head's outputs, the Fisher trace and the profile's features onto the graph of some networks.

    networks: normalised (see `normalised`); they stay as they are. probes: random probes of the Fisher information, 0
    for all score factors, None to choose by their number. groups: of channels, at most, that the profile tells apart
    in each layer; None for as many as so many `fitting` images allow.

    Raises NetworkError: a head that cannot read the outputs, a node without a rule, nothing learned.
    """
    forward = join([network.model.clone() for network in networks])
    results = [output for outputs in forward.outputs for output in outputs]
    require_rules(forward.images, results)
    if not forward.layers:
        raise NetworkError(f"no layer with learned weights, expected at least one of {', '.join(WEIGHTED)}")
    readout = head.read_out(forward, probes)
    outputs = _head_outputs(forward, readout, input_noise)
    groups = groups or chosen_groups(forward.layers, results, fitting)
    info = information(forward.tape, readout.roots, forward.layers, results, forward.images, groups)
    trace = forward.tape.Sum(*info.parameters)
    return FisherGraph(forward, readout, outputs, info, trace, features(forward.tape, info))


def _head_outputs(forward: Forward, readout: Readout, input_noise: InputNoise | None) -> dict[str, ir.Value]:
    """The bundle's outputs of values or classes, with what the image's own noise adds to the former."""
    if readout.prediction is not None:
        mean = readout.prediction.mean
        variance = input_noise.variance(forward, mean) if input_noise else None
        return readout.prediction.outputs(forward.tape, variance)
    if input_noise is not None:
        raise NetworkError(
            "input noise for a classifier: it is propagated to values. Leave it out, or choose another head"
        )
    return dict(readout.outputs)
