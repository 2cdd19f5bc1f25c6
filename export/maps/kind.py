"""What a kind of map is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from ..fisher.fisher_graph import FisherGraph


@dataclass(frozen=True)
class MapKind:
    """values: writes the map of the image [1, C, H, W]; a map that is pooled by root mean square gives
    the squares. quantity: what a cell of the compact map holds, with its unit."""

    values: Callable[[FisherGraph], ir.Value]
    pooled: Literal["root mean square", "mean"]
    quantity: str
