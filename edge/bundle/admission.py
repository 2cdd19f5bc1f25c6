"""Admission of ONNX files: one is opened if all it needs is inside it, in standard operators.

ONNX Runtime would read tensors from other files that a model names, and fail in its own words at operators
that it does not know. The file is parsed here just as far as this needs (onnx.proto3, IR version 13;
what is not declared below is skipped), with the protobuf library that ONNX Runtime brings along.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from ..errors import BundleRefused

MAX_BYTES = 2**30
"""Largest file that is read at all."""
STANDARD_DOMAINS = ("", "ai.onnx")
_EXTERNAL = 1  # TensorProto.DataLocation

_STRING, _INT, _MESSAGE = 9, 3, 11  # FieldDescriptorProto.Type
_MESSAGES: dict[str, tuple[tuple[str, int, int, str | None], ...]] = {
    "Model": (("graph", 7, _MESSAGE, "Graph"), ("opset_import", 8, _MESSAGE, "OperatorSet"),
              ("training_info", 20, _MESSAGE, "Training"), ("functions", 25, _MESSAGE, "Function")),
    "OperatorSet": (("domain", 1, _STRING, None),),
    "Training": (("initialization", 1, _MESSAGE, "Graph"),),
    "Function": (("name", 1, _STRING, None), ("domain", 10, _STRING, None)),
    "Graph": (("node", 1, _MESSAGE, "Node"), ("initializer", 5, _MESSAGE, "Tensor"),
              ("sparse_initializer", 15, _MESSAGE, "Sparse")),
    "Node": (("name", 3, _STRING, None), ("op_type", 4, _STRING, None), ("attribute", 5, _MESSAGE, "Attribute"),
             ("domain", 7, _STRING, None)),
    "Attribute": (("name", 1, _STRING, None), ("t", 5, _MESSAGE, "Tensor"), ("g", 6, _MESSAGE, "Graph"),
                  ("tensors", 10, _MESSAGE, "Tensor"), ("graphs", 11, _MESSAGE, "Graph"),
                  ("sparse_tensor", 22, _MESSAGE, "Sparse"), ("sparse_tensors", 23, _MESSAGE, "Sparse")),
    "Sparse": (("values", 1, _MESSAGE, "Tensor"), ("indices", 2, _MESSAGE, "Tensor")),
    "Tensor": (("name", 8, _STRING, None), ("external_data", 13, _MESSAGE, "Entry"), ("data_location", 14, _INT, None)),
    "Entry": (("key", 1, _STRING, None),),
}  # fmt: skip


def require_self_contained(data: bytes) -> None:
    """Refuse a model that needs anything beside its own bytes and ONNX's standard operators.

    Raises BundleRefused naming the tensor or operator.
    """
    model = _model_type()()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise BundleRefused(f"no ONNX model: {error}") from error
    _require_standard("the file", [domain for entry in model.opset_import for domain in entry.domain])
    _require_standard("a function", [domain for function in model.functions for domain in (*function.domain, "local")])
    if model.training_info:
        raise BundleRefused("holds training information, expected inference only; export the network again")
    for graph in model.graph:
        _require_plain_graph(graph)


def _require_plain_graph(graph: Any) -> None:
    for tensor in (*graph.initializer, *_of_sparse(graph.sparse_initializer)):
        _require_inside(tensor)
    for node in graph.node:
        _require_standard(f"operator {_text(node.op_type)}", node.domain)
        for attribute in node.attribute:
            for tensor in (*attribute.t, *attribute.tensors, *_of_sparse(attribute.sparse_tensor)):
                _require_inside(tensor)
            for tensor in _of_sparse(attribute.sparse_tensors):
                _require_inside(tensor)
            for inner in (*attribute.g, *attribute.graphs):
                _require_plain_graph(inner)


def _require_standard(what: str, domains: Iterable[str]) -> None:
    foreign = [domain for domain in domains if domain not in STANDARD_DOMAINS]
    if foreign:
        raise BundleRefused(
            f"{what} of domain {foreign[0]!r}, expected ONNX's standard operators only; export the network again"
        )


def _of_sparse(sparse: Any) -> Iterator[Any]:
    return (tensor for entry in sparse for tensor in (*entry.values, *entry.indices))


def _require_inside(tensor: Any) -> None:
    if tensor.external_data or _EXTERNAL in tensor.data_location:
        raise BundleRefused(
            f"tensor {_text(tensor.name)!r} lies in another file, expected all data inside; export the network again"
        )


def _text(field: Any) -> str:
    return field[0] if field else ""


@cache
def _model_type() -> Any:
    """The class of the outermost message. Every field counts as repeated: one that stands twice in the file
    is then seen twice, whichever a reader takes."""
    file = descriptor_pb2.FileDescriptorProto(name="fisherlens/onnx.proto", package="fisherlens", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            declared = message.field.add(name=field, number=number, type=kind, label=3)
            if of:
                declared.type_name = f".fisherlens.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("fisherlens.Model"))
