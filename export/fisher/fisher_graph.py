"""The forward graph with its head and Fisher quantities: what calibration, checks and maps start from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import onnx_ir as ir

from ..checks.profile import Selection, features
from ..derivatives.jacobian import jacobian
from ..derivatives.reverse import require_rules
from ..errors import NetworkError
from ..heads import Head, Readout
from ..heads.input_noise import InputNoise
from ..network.forward import Forward
from ..network.layers import WEIGHTED
from .information import Information, information


@dataclass(frozen=True)
class Instrumented:
    """outputs: the bundle's, of the head. features: the Fisher profile of the selected quantities."""

    forward: Forward
    readout: Readout
    outputs: dict[str, ir.Value]
    information: Information
    trace: ir.Value
    features: ir.Value
    selection: Selection

    def with_only(self, selection: Selection) -> Instrumented:
        """The same with a profile of the selected quantities alone."""
        chosen = features(self.forward.tape, self.information, selection)
        return replace(self, features=chosen, selection=selection)

    def image_rows(self) -> ir.Value:
        """The derivatives of the score factors in the image, one by one, [S, C, H, W]."""
        if self.information.rows is not None:
            return self.information.rows
        tape = self.forward.tape
        rows = [jacobian(tape, self.readout.roots, image) for image in self.forward.images]
        return rows[0] if len(rows) == 1 else tape.Concat(*rows, axis=0)


def instrument(
    forward: Forward, head: Head, probes: int | None, input_noise: InputNoise | None = None, groups: int = 1
) -> Instrumented:
    """Add the head's outputs, the Fisher trace and the profile's features. groups: of channels, at most,
    that the profile tells apart in each layer.

    Raises NetworkError: a head that cannot read the outputs, a node without a rule.
    """
    tape = forward.tape
    results = [output for outputs in forward.outputs for output in outputs]
    require_rules(forward.images, results)
    if not forward.layers:
        raise NetworkError(f"no layer with learned weights, expected at least one of {', '.join(WEIGHTED)}")
    readout = head.read_out(forward, probes)
    outputs = dict(readout.outputs)
    if readout.prediction is not None:
        mean = readout.prediction.mean
        outputs = readout.prediction.outputs(tape, input_noise.variance(forward, mean) if input_noise else None)
    elif input_noise is not None:
        raise NetworkError(
            "input noise for a classifier: it is propagated to values. Leave it out, or choose another head"
        )
    info = information(tape, readout.roots, forward.layers, results, forward.images, groups)
    whole = Selection.everything(info)
    return Instrumented(forward, readout, outputs, info, tape.Sum(*info.parameters), features(tape, info, whole), whole)
