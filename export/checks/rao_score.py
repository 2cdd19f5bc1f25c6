"""The Rao score as a check: how far the gradient of the prediction's log-likelihood is from usual, in its own metric.

sᵀ F⁻¹ s of the score s in a bias of each channel of the last layers, with F their covariance over usual images, which
is the Fisher information of these parameters (Rao 1948, Proc. Camb. Phil. Soc. 44, eq. 2.1). One reverse pass that goes
no further than these layers' results: no weight's gradient is computed, and the scores keep their signs.

The score in a bias of the network's own results is left out. It is a function of these alone, whose uncertainty is a
check of its own; and of a thousand classes it is as many quotients of probabilities that are zero on nearly all usual
images, beside which the scores of the layers within are not seen (models/fashion/EVIDENCE.md).
"""

from __future__ import annotations

from fisherlens.edge.bundle.manifest import Watched

from ..derivatives.reverse import cotangents
from ..fisher.channels import MOST_FEATURES, groups_within, means_by_group
from ..fisher.fisher_graph import FisherGraph
from .kind import Measured


def score_features(graph: FisherGraph) -> Measured:
    """The mean score a pixel in the bias of each channel, or of groups of them: [F]; and the head's regressors [P].

    A score summed over pixels would differ by a factor that the whitening takes out again. Of networks without a layer
    within it is that of their results.
    """
    tape, score = graph.tape, graph.readout.score
    results = {value for outputs in graph.forward.outputs for value in outputs}
    last = {use.output: layer.name for layer in graph.last_layers for use in layer.uses}
    outputs = {value: name for value, name in last.items() if value not in results} or last
    found = cotangents(tape, {score.target: tape.floats(1.0)}, list(outputs), score.held)
    features, counts = means_by_group(tape, list(found.values()), groups_within(list(found), MOST_FEATURES))
    watched = tuple(
        Watched(layer=outputs[output], quantity="score of the bias", count=count)
        for output, count in zip(found, counts, strict=True)
    )
    return Measured((features, graph.readout.regressors), watched)
