"""The members' forward graphs as one graph that reads one image, and copies of it for other images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import numpy_helper

from fisherlens.edge.bundle.cost import FORWARD_PREFIX

from ..graph.model import TABLES
from ..graph.nodes import DESCRIPTION, ancestors, copied, described
from ..graph.tape import OPSET, Tape, move, shape_of
from .layers import Layer, layers


@dataclass(frozen=True)
class Forward:
    """All members in one graph that reads `image`.

    images: each member's own copy of the image, so that derivatives can be taken one by one. members: each
    one's layers.
    """

    tape: Tape
    image: ir.Value
    images: list[ir.Value]
    outputs: list[list[ir.Value]]
    members: list[list[Layer]]

    @property
    def layers(self) -> list[Layer]:
        """The layers of all members, one after the other."""
        return [layer for member in self.members for layer in member]


def join(members: Sequence[ir.Model]) -> Forward:
    """One graph of several normalised members; it takes their nodes."""
    (first,) = members[0].graph.inputs
    image = ir.val("image", dtype=ir.DataType.FLOAT, shape=shape_of(first))
    graph = ir.Graph([image], [], nodes=[], name="fisherlens", opset_imports={"": OPSET})
    tape = Tape(graph)
    images, outputs, found = [], [], []
    for number, member in enumerate(members):
        own = tape.Identity(image)
        own.shape, own.dtype = image.shape, image.dtype
        results = list(member.graph.outputs)
        found.append(layers(member.graph))
        for node in member.graph:
            node.meta[DESCRIPTION] = described(node) + (f" of network {number + 1}" if len(members) > 1 else "")
            node.name = f"{FORWARD_PREFIX}{number}/{node.name}"
        ir.convenience.replace_all_uses_with(member.graph.inputs[0], own, replace_graph_outputs=True)
        move(member.graph, graph, prefix=f"member{number}.")
        images.append(own)
        outputs.append(results)
    return Forward(tape, image, images, outputs, found)


def repeated(tape: Tape, results: Sequence[ir.Value], instead: Mapping[ir.Value, ir.Value]) -> list[ir.Value]:
    """The results once more, written onto `tape`, with some values replaced: the nodes that depend on
    those are copied, weights and all else are shared. For a copy inside a subgraph, too."""
    copies: dict[ir.Value, ir.Value] = dict(instead)
    for node in ancestors(results):
        if copies.keys().isdisjoint(node.inputs) or not copies.keys().isdisjoint(node.outputs):
            continue
        tape.graph.append(copied(node, copies))
    return [copies.get(value, value) for value in results]


def member_weights(model: onnx.ModelProto) -> list[dict[str, NDArray]]:
    """The weights of each member of a bundle, by the names that `join` gave them in the file without the member's
    own part. Weights that members share, as those with dropout masks do, stand with the first of them."""
    initializers = model.graph.initializer
    pattern = _MEMBER if any(i.name.startswith(TABLES) for i in initializers) else _MEMBER_BEFORE
    found: dict[int, dict[str, NDArray]] = {}
    for initializer in initializers:
        if named := pattern.fullmatch(initializer.name):
            found.setdefault(int(named["member"]), {})[named["name"]] = numpy_helper.to_array(initializer)
    return [weights for _, weights in sorted(found.items())]


_MEMBER = re.compile(r"member(?P<member>\d+)\.(?P<name>.+)")
_MEMBER_BEFORE = re.compile(_MEMBER.pattern + r"?_\d+_\d+")
"""In bundles whose tables have no names, two numbers stand behind those of weights."""
