"""The responses of a network's channels as a check: read off the forward pass, without any derivative.

The last layers' channel means, whitened by what is usual: after Lee et al. 2018 (arXiv 1807.03888), who take a layer's
distance to each class and combine them by a classifier that has seen attacks; here they share one
covariance given the prediction, so that no unusual image is needed.
"""

from __future__ import annotations

import onnx_ir as ir

from fisherlens.edge.bundle.manifest import Watched

from ..fisher.channels import MOST_FEATURES, groups_within, means_by_group
from ..fisher.fisher_graph import FisherGraph
from .kind import Measured


def activation_features(graph: FisherGraph) -> Measured:
    """The mean response of the channels, or of groups of them, of what each of the last layers acts on, and of the
    networks' outputs: [F]; and the head's regressors [P]."""
    responses: dict[ir.Value, str] = {}
    for layer in graph.last_layers:
        for use in layer.uses:
            responses.setdefault(use.image, f"input of {layer.name}")
    for number, outputs in enumerate(graph.forward.outputs):
        for output in outputs:
            responses.setdefault(output, f"output of member {number}")
    values = list(responses)
    features, counts = means_by_group(graph.tape, values, groups_within(values, MOST_FEATURES))
    watched = tuple(
        Watched(layer=name, quantity="mean response", count=count)
        for name, count in zip(responses.values(), counts, strict=True)
    )
    return Measured((features, graph.readout.regressors), watched)
