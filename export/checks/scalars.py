"""Statistics that are written as they are: scalars of the graph that are large where an image is unusual."""

from __future__ import annotations

from ..errors import NetworkError
from ..fisher.eigen import leading
from ..fisher.fisher_graph import FisherGraph
from ..fisher.form import fisher_form
from ..graph.tape import TINY
from .kind import Measured


def trace(graph: FisherGraph) -> Measured:
    """The trace of the information of all parameters."""
    return Measured((graph.trace,))


def form(graph: FisherGraph) -> Measured:
    """The Fisher form: see `fisher.form`."""
    return Measured((fisher_form(graph.forward, graph.readout).form,))


def largest_eigenvalue(graph: FisherGraph) -> Measured:
    """The largest eigenvalue of the information about the image: see `fisher.eigen`."""
    return Measured((leading(graph.tape, graph.image_rows()).eigenvalue,))


def uncertainty(graph: FisherGraph) -> Measured:
    """The uncertainty that the result states of itself: of classes the mean entropy of their probabilities, of values
    the geometric mean of the standard uncertainties, over measurands and pixels.

    Whatever moves an image to where the result changes moves it through where the result is uncertain (Hendrycks &
    Gimpel 2017, arXiv 1610.02136, with the largest probability in the entropy's place).
    """
    tape, outputs = graph.tape, graph.outputs
    if graph.readout.prediction is None:
        return Measured((tape.ReduceMean(outputs["entropy"], keepdims=0),))
    return Measured((tape.Exp(tape.ReduceMean(tape.Log(tape.Max(outputs["u"], TINY)), keepdims=0)),))


def disagreement(graph: FisherGraph) -> Measured:
    """The distance of an ensemble's members from each other beside the noise that they state: exp(mean of
    ln(u_epistemic^2 / u_aleatoric^2)) over measurands and pixels; of classes the mean mutual information.

    The geometric mean weighs every pixel alike, however large its uncertainty. Raises NetworkError for one network.
    """
    tape, prediction = graph.tape, graph.readout.prediction
    if prediction is not None and prediction.epistemic is not None:
        ratio = tape.Div(prediction.epistemic, prediction.aleatoric)
        return Measured((tape.Exp(tape.ReduceMean(tape.Log(tape.Max(ratio, _LEAST_RATIO)), keepdims=0)),))
    if prediction is None and len(graph.forward.outputs) > 1:
        return Measured((tape.ReduceMean(graph.outputs["mutual_information"], keepdims=0),))
    raise NetworkError("check ensemble_disagreement: one network agrees with itself; it needs several, an ensemble")


_LEAST_RATIO = 1e-12
"""Where members agree, as on pixels that all of them leave at zero, the ratio of variances counts as this."""
