"""Statistics that a check can be made of: scalars in the graph, large where an image is unusual."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from .eigen import leading
from .fisher_form import fisher_form
from .instrumented import Instrumented

Statistic = Callable[[Instrumented], ir.Value]


def _trace(instrumented: Instrumented) -> ir.Value:
    return instrumented.trace


def _form(instrumented: Instrumented) -> ir.Value:
    return fisher_form(instrumented.forward, instrumented.readout).form


def _eigenvalue(instrumented: Instrumented) -> ir.Value:
    return leading(instrumented.forward.tape, instrumented.image_rows()).eigenvalue


STATISTICS: dict[str, Statistic] = {
    "fisher_trace": _trace,
    "fisher_form": _form,
    "largest_eigenvalue": _eigenvalue,
}
