"""The Rao score as a check: how far the gradient of the prediction's log-likelihood is from usual, in its own metric.

sᵀ F⁻¹ s of the score s in a bias and a scale of each channel of each layer, with F their covariance over usual images,
which is the Fisher information of these parameters (Rao 1948, Proc. Camb. Phil. Soc. 44, eq. 2.1). One reverse pass
that goes no further than the layers' results: no weight's gradient is computed, and the scores keep their signs.
"""

from __future__ import annotations

import onnx_ir as ir

from fisherlens.edge.bundle.manifest import Watched

from ..derivatives.reverse import cotangents
from ..fisher.channels import MOST_FEATURES, groups_within, sums_by_group
from ..fisher.fisher_graph import FisherGraph
from ..graph.tape import shape_of
from .kind import Measured


def score_features(graph: FisherGraph) -> Measured:
    """The scores in biases and scales of all layers' channels, or of groups of them: [F]; and the regressors [P]."""
    tape, score = graph.tape, graph.readout.score
    outputs = [(layer.name, use.output) for layer in graph.layers for use in layer.uses]
    seed = tape.floats(1.0)
    found = cotangents(tape, {score.target: seed}, [output for _, output in outputs], score.held)
    reached = [(name, output) for name, output in outputs if output in found]
    most = groups_within([output for _, output in reached], MOST_FEATURES // 2)
    parts: list[ir.Value] = []
    watched: list[Watched] = []
    for name, output in reached:
        for quantity, value in (
            ("score of the bias", found[output]),
            ("score of the scale", tape.Mul(found[output], output)),
        ):
            parts.append(sums_by_group(tape, value, most))
            watched.append(Watched(layer=name, quantity=quantity, count=shape_of(parts[-1])[0]))
    return Measured((tape.Concat(*parts, axis=0), graph.readout.regressors), tuple(watched))
