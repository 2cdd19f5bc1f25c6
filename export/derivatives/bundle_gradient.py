"""The derivative of a bundle's result in its image, as a graph of its own: for studies and attacks,
where a framework is not at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes import common

from ..errors import NetworkError
from ..graph.model import as_model, session
from ..graph.tape import Tape, shape_of
from .reverse import cotangents

Gradient = Callable[..., tuple[NDArray[np.float32], ...]]


def result_gradient(bundle: Path, *outputs: str) -> Gradient:
    """A function of image [1, C, H, W] and weights for each of the outputs, of its shape, that gives these
    outputs and, last, the gradient in the image of the sum of all weights times outputs.

    outputs: names of the bundle's, like `value`, `probability` or `statistic`. Raises NetworkError if it
    has no such output.
    """
    model = common.ShapeInferencePass(data_prop=True)(ir.load(bundle)).model
    graph = model.graph
    named = {str(value.name): value for value in graph.outputs}
    missing = [name for name in outputs if name not in named]
    if missing:
        raise NetworkError(f"bundle {bundle}: no output {missing[0]!r}, expected some of {list(named)}")
    results = [named[name] for name in outputs]
    graph.outputs[:] = results
    common.RemoveUnusedNodesPass()(model)
    (image,) = [value for value in graph.inputs if value.name == "image"]
    weights = [ir.val(f"weights_{v.name}", dtype=ir.DataType.FLOAT, shape=shape_of(v)) for v in results]
    graph.inputs[:] = [image, *weights]
    gradient = cotangents(Tape(graph), dict(zip(results, weights, strict=True)), [image])[image]
    for result in results:
        result.name = f"forward_{result.name}"
    graph.outputs[:] = []
    graph_model = as_model(graph, {**dict(zip(outputs, results, strict=True)), "gradient": gradient})
    opened = session(graph_model)

    def run(image: NDArray[np.float32], *given: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        feeds = {str(value.name): array for value, array in zip(weights, given, strict=True)}
        return tuple(opened.run([*outputs, "gradient"], {"image": image, **feeds}))

    return run
