"""The Fisher profile: the quantities of all layers side by side."""

from __future__ import annotations

import onnx_ir as ir

from ..graph.tape import TINY, Tape
from .information import Information


def features(tape: Tape, information: Information) -> ir.Value:
    """The Fisher profile f(x) = (log tr F_l, log tr F_(a_l), log ||a_l||^2) of all layers, the latter two by groups of
    channels, [F]."""
    of_parameters = [tape.Unsqueeze(value, [0]) for value in information.parameters]
    stacked = tape.Concat(*of_parameters, *information.activations, *information.energies, axis=0)
    return tape.Log(tape.Max(stacked, TINY))
