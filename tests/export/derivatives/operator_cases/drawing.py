"""What a case is, and random shapes and numbers for it, drawn by hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Case:
    """inputs: float64 arrays, differentiated; constants: by input position, not differentiated."""

    function: Callable[..., Any]
    inputs: Sequence[np.ndarray]
    constants: dict[int, np.ndarray] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1


def values(draw: Draw, shape: Sequence[int], low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Random numbers without ties, away from the kinks that operators have at whole numbers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    array = rng.uniform(low, high, size=tuple(shape))
    near_kink = np.abs(array - np.round(array)) < 0.01
    return np.asarray(np.where(near_kink, array + 0.02, array))


def shapes(low: int = 1, high: int = 4) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, 4), min_size=low, max_size=high)


def pair(draw: Draw) -> tuple[list[int], list[int]]:
    """Two shapes that broadcast against each other."""
    shape = draw(shapes())
    a = [draw(st.sampled_from((1, n))) for n in shape]
    b = [n if m == 1 else draw(st.sampled_from((1, n))) for n, m in zip(shape, a, strict=True)]
    return a[draw(st.integers(0, len(a) - 1)) if b == shape else 0 :], b


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)
