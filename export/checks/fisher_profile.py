"""The Fisher profile as a check."""

from __future__ import annotations

from fisherlens.edge.bundle.manifest import Watched

from ..fisher.fisher_graph import FisherGraph
from ..graph.tape import shape_of
from .kind import Measured


def profile_features(graph: FisherGraph) -> Measured:
    """The profile's features [F], and the head's regressors [P] that they are conditioned on."""
    names = [layer.name for layer in graph.layers]
    results = [f"output of member {number}" for number, results in enumerate(graph.forward.outputs) for _ in results]
    of_parameters = [Watched(layer=name, quantity="log information of the parameters", count=1) for name in names]
    by_groups = [
        Watched(layer=name, quantity=quantity, count=shape_of(value)[0])
        for quantity, named, values in (
            ("log information of the response", names, graph.information.activations),
            ("log energy of the input", [*names, *results], graph.information.energies),
        )
        for name, value in zip(named, values, strict=True)
    ]
    return Measured((graph.features, graph.readout.regressors), (*of_parameters, *by_groups))
