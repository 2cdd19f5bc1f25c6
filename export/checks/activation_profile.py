"""The responses of a network's channels as a check: read off the forward pass, without any derivative.

All layers' channel means, whitened by what is usual: after Lee et al. 2018 (arXiv 1807.03888), who take a layer's
distance to each class and combine them by a classifier that has seen attacks; here all layers' channels share one
covariance given the prediction, so that no unusual image is needed.
"""

from __future__ import annotations

import onnx_ir as ir

from fisherlens.edge.bundle.manifest import Watched

from ..fisher.channels import MOST_FEATURES, groups_within, means_by_group
from ..fisher.fisher_graph import FisherGraph
from ..graph.tape import shape_of
from .kind import Measured


def activation_features(graph: FisherGraph) -> Measured:
    """The mean response of the channels, or of groups of them, of what each layer acts on, and of the networks'
    outputs: [F]; and the head's regressors [P]."""
    responses: dict[ir.Value, str] = {}
    for layer in graph.layers:
        for use in layer.uses:
            responses.setdefault(use.image, f"input of {layer.name}")
    for number, outputs in enumerate(graph.forward.outputs):
        for output in outputs:
            responses.setdefault(output, f"output of member {number}")
    most = groups_within(list(responses), MOST_FEATURES)
    means = [means_by_group(graph.tape, value, most) for value in responses]
    watched = tuple(
        Watched(layer=name, quantity="mean response", count=shape_of(mean)[0])
        for name, mean in zip(responses.values(), means, strict=True)
    )
    return Measured((graph.tape.Concat(*means, axis=0), graph.readout.regressors), watched)
