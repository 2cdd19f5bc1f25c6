"""How a map's mass is shared out among the parts of an image."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def shares(mass: NDArray[np.floating], where: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Share of the mass [..., H, W] on each of the parts, whose masks are bool [H, W]: [parts]. Contributions count by
    their size."""
    size = np.abs(mass.astype(np.float64)).sum(axis=tuple(range(mass.ndim - 2)))
    return np.array([size[mask].sum() for mask in where.values()]) / size.sum()


def areas(where: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Share of the area that each of the parts takes, [parts]: what a map without any relation to them would have."""
    return np.array([mask.mean() for mask in where.values()])
