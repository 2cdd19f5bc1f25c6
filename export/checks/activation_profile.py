"""The responses of a network's channels as a check: read off the forward pass, without any derivative.

The last layers' channel means, whitened by what is usual: after Lee et al. 2018 (arXiv 1807.03888), who take a layer's
distance to each class and combine them by a classifier that has seen attacks; here they share one
covariance given the prediction, so that no unusual image is needed. Beside the means, the share of places where a
channel is active: what is added to each pixel wakes many units a little, which means hardly tell.
"""

from __future__ import annotations

import onnx_ir as ir

from fisherlens.edge.bundle.manifest import Watched

from ..fisher.channels import MOST_FEATURES, groups_within, means_by_group
from ..fisher.fisher_graph import FisherGraph
from ..graph.tape import Tape, shape_of
from .kind import Measured


def activation_features(graph: FisherGraph) -> Measured:
    """The mean response of the channels, or of groups of them, of what each of the last layers acts on, and of the
    networks' outputs; for channels of several places their active share: [F]. And the head's regressors [P]."""
    tape = graph.tape
    acted_on = {use.image: f"input of {layer.name}" for layer in graph.last_layers for use in layer.uses}
    outputs = {
        output: f"output of member {number}"
        for number, outputs in enumerate(graph.forward.outputs)
        for output in outputs
    }
    responses = [(value, name, "mean response") for value, name in {**acted_on, **outputs}.items()]
    shares = [(_active(tape, value), name, "active share") for value, name in acted_on.items() if _has_places(value)]
    values, names, quantities = zip(*responses, *shares, strict=True)
    features, counts = means_by_group(tape, values, groups_within(values, MOST_FEATURES))
    watched = tuple(
        Watched(layer=name, quantity=quantity, count=count)
        for name, quantity, count in zip(names, quantities, counts, strict=True)
    )
    return Measured((features, graph.readout.regressors), watched)


def _has_places(value: ir.Value) -> bool:
    return len(shape_of(value)) > 2


def _active(tape: Tape, value: ir.Value) -> ir.Value:
    """One where a value is above zero, else zero: as an activation, in whose layout convolutions run."""
    return tape.HardSigmoid(value, alpha=_STEEP, beta=0.0)


_STEEP = 1e30
"""Slope of the step from zero to one."""
