"""The measurements that the networks take, and the graph's image of them as the device makes it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.preprocess import preprocess, vouched

from .interferometer import SOURCES_MM
from .surface import SIZE

INPUT = Input(rows=SIZE, columns=SIZE, samples_per_pixel=len(SOURCES_MM), photometric_interpretation="MONOCHROME2")


def image_reader(differences: NDArray[np.float32]) -> Callable[[], NDArray[np.float32]]:
    """A function that makes the graph's image, float32 [1, sources, SIZE, SIZE], of path differences [SIZE, SIZE,
    sources] in um each time it is called."""
    return lambda: preprocess(vouched(differences, INPUT), INPUT)
