"""The Fisher profile: the quantities of all layers, or of those that were selected, side by side."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..graph.tape import TINY, Tape, shape_of
from .information import Information


@dataclass(frozen=True)
class Selection:
    """The quantities that a profile is made of: the numbers of layers whose parameters, activations and
    energies count; energies also number the networks' outputs, behind the layers."""

    parameters: tuple[int, ...]
    activations: tuple[int, ...]
    energies: tuple[int, ...]

    @classmethod
    def everything(cls, information: Information) -> Selection:
        """All that there is."""
        quantities = (information.parameters, information.activations, information.energies)
        return cls(*(tuple(range(len(values))) for values in quantities))

    @property
    def size(self) -> int:
        """The number of quantities."""
        return len(self.parameters) + len(self.activations) + len(self.energies)

    def columns(self, information: Information) -> list[int]:
        """The places of the selection's features among those of everything."""
        found: list[int] = []
        first = 0
        everything = (information.parameters, information.activations, information.energies)
        for chosen, values in zip((self.parameters, self.activations, self.energies), everything, strict=True):
            for i, value in enumerate(values):
                width = shape_of(value)[0] if shape_of(value) else 1
                found += range(first, first + width) if i in chosen else []
                first += width
        return found


def features(tape: Tape, information: Information, selection: Selection) -> ir.Value:
    """The Fisher profile f(x) = (log tr F_l, log tr F_(a_l), log ||a_l||^2) of the selected layers, the
    latter two by groups of channels, [F]."""
    chosen = [
        *(tape.Unsqueeze(information.parameters[i], [0]) for i in selection.parameters),
        *(information.activations[i] for i in selection.activations),
        *(information.energies[i] for i in selection.energies),
    ]
    stacked = tape.Concat(*chosen, axis=0)
    return tape.Log(tape.Max(stacked, TINY))
