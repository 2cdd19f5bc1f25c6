"""Bundles of format 2 that were made before their tables had names: these are found by what they hold, and named."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from fisherlens.edge.bundle.manifest import Calibration

from ..errors import CalibrationError
from ..graph.model import TABLES
from .p_value import count_name, table_name

_COUNTED = ("GreaterOrEqual", "Cast", "ReduceSum", "Add", "Div")
"""From the table to the p-value, as these bundles have it."""


def name_tables(graph: onnx.GraphProto, calibration: Calibration) -> None:
    """Give each check's table, and its n + 1, the names that they have now; nothing where there are named ones.

    Raises CalibrationError where a table is not found, or not used as expected.
    """
    if any(initializer.name.startswith(TABLES) for initializer in graph.initializer):
        return
    for check, statistics in calibration.statistics.items():
        _name(graph, check, np.array(statistics, np.float32))


def _name(graph: onnx.GraphProto, check: str, table: NDArray[np.float32]) -> None:
    held = [
        i for i in graph.initializer if list(i.dims) == [len(table)] and np.array_equal(numpy_helper.to_array(i), table)
    ]
    if len(held) != 1:
        raise CalibrationError(f"check {check}: {len(held)} tables of its calibration in the graph, expected one")
    node, value = None, held[0].name
    for kind in _COUNTED:
        users = [n for n in graph.node if value in n.input]
        if len(users) != 1 or users[0].op_type != kind:
            raise CalibrationError(f"check {check}: its table is not used as a p-value's; export the network again")
        node, value = users[0], users[0].output[0]
        if kind == _COUNTED[0]:
            node.input[0] = table_name(check)
    assert node is not None
    held[0].name = table_name(check)
    # A scalar of its own: several checks count over as many images.
    graph.initializer.append(numpy_helper.from_array(np.array(len(table) + 1, np.float32), count_name(check)))
    node.input[1] = count_name(check)
