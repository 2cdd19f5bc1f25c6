"""Statistics that a check can be made of: scalars in the graph, large where an image is unusual."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from ..errors import NetworkError
from ..fisher.eigen import leading
from ..fisher.fisher_graph import Instrumented
from ..fisher.form import fisher_form

Statistic = Callable[[Instrumented], ir.Value]


def _trace(instrumented: Instrumented) -> ir.Value:
    return instrumented.trace


def _form(instrumented: Instrumented) -> ir.Value:
    return fisher_form(instrumented.forward, instrumented.readout).form


def _eigenvalue(instrumented: Instrumented) -> ir.Value:
    return leading(instrumented.forward.tape, instrumented.image_rows()).eigenvalue


def _disagreement(instrumented: Instrumented) -> ir.Value:
    """How far the members of an ensemble lie apart beside the noise that they state: exp(mean of
    ln(u_epistemic^2 / u_aleatoric^2)) over measurands and pixels; of classes the mean mutual information.

    The geometric mean weighs every pixel alike, however large its uncertainty.
    """
    tape, outputs = instrumented.forward.tape, instrumented.outputs
    prediction = instrumented.readout.prediction
    if prediction is not None and prediction.epistemic is not None:
        ratio = tape.Div(prediction.epistemic, prediction.aleatoric)
        return tape.Exp(tape.ReduceMean(tape.Log(tape.Max(ratio, _LEAST_RATIO)), keepdims=0))
    if prediction is None and len(instrumented.forward.outputs) > 1:
        return tape.ReduceMean(outputs["mutual_information"], keepdims=0)
    raise NetworkError("check ensemble_disagreement: one network agrees with itself; it needs several, an ensemble")


_LEAST_RATIO = 1e-12
"""Where members agree, as on pixels that all of them leave at zero, the ratio of variances counts as this."""

STATISTICS: dict[str, Statistic] = {
    "fisher_trace": _trace,
    "fisher_form": _form,
    "largest_eigenvalue": _eigenvalue,
    "ensemble_disagreement": _disagreement,
}
