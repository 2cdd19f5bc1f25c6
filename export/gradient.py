"""The derivative of a bundle's result in its image, as a graph of its own: for studies and attacks,
where a framework is not at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes import common

from fisherlens.edge.bundle import open_session

from .assemble import as_model
from .differentiate import cotangents
from .errors import NetworkError
from .tape import Tape, shape_of

Gradient = Callable[[NDArray[np.float32], NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]


def result_gradient(bundle: Path, output: str) -> Gradient:
    """A function of image [1, C, H, W] and weights [shape of output] that gives the output and the
    gradient of sum(weights * output) in the image.

    output: `value` or `probability`, the name of one of the bundle's outputs. Raises NetworkError if
    it has no such output.
    """
    model = common.ShapeInferencePass(data_prop=True)(ir.load(bundle)).model
    graph = model.graph
    found = [value for value in graph.outputs if value.name == output]
    if not found:
        raise NetworkError(f"bundle {bundle}: no output {output!r}, expected one of {[v.name for v in graph.outputs]}")
    (result,) = found
    graph.outputs[:] = [result]
    common.RemoveUnusedNodesPass()(model)
    (image,) = [value for value in graph.inputs if value.name == "image"]
    weights = ir.val("weights", dtype=ir.DataType.FLOAT, shape=shape_of(result))
    graph.inputs[:] = [image, weights]
    gradient = cotangents(Tape(graph), {result: weights}, [image])[image]
    result.name = "forward"
    graph.outputs[:] = []
    graph_model = as_model(graph, {"result": result, "gradient": gradient})
    session = open_session(ir.to_proto(graph_model).SerializeToString())
    return lambda x, w: tuple(session.run(["result", "gradient"], {"image": x, "weights": w}))
