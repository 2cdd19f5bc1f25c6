"""Measurements of kinds that nothing is reported of: the study chooses settings by them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .cases import of_kind
from .interferometer import SOURCES_MM, nominal_rays
from .population import usual
from .surface import GRID_MM, SIZE
from .topographies import Topography, smooth

WAVELENGTH_UM = 0.633
Made = Callable[[int], NDArray[np.float32]]
"""Makes the path differences of a number, float32 [SIZE, SIZE, sources] in um."""


def scratched(rng: np.random.Generator) -> Topography:
    """A smooth surface with one straight scratch, 0.4 to 0.8 mm wide and 0.1 to 0.3 um deep."""
    x, y = np.meshgrid(GRID_MM, GRID_MM)
    angle, place = rng.uniform(0.0, np.pi), rng.uniform(-6.0, 6.0)
    away = x * np.cos(angle) + y * np.sin(angle) - place
    return smooth(rng) - rng.uniform(0.1, 0.3) * np.exp(-((away / rng.uniform(0.4, 0.8)) ** 2))


def stepped(rng: np.random.Generator) -> Topography:
    """A smooth surface of which one side is 0.05 to 0.2 um higher."""
    x, y = np.meshgrid(GRID_MM, GRID_MM)
    angle, place = rng.uniform(0.0, np.pi), rng.uniform(-6.0, 6.0)
    away = x * np.cos(angle) + y * np.sin(angle) - place
    return smooth(rng) + rng.uniform(0.05, 0.2) / (1.0 + np.exp(-away / 0.2))


def _with_jump(number: int) -> NDArray[np.float32]:
    """Phases of one source unwrapped wrongly: half a wavelength more, in a corner of its picture."""
    rng = np.random.default_rng([number, 13])
    data = usual(number, "choosing").data()
    source, (row, column) = rng.integers(len(SOURCES_MM)), rng.integers(SIZE // 4, 3 * SIZE // 4, 2)
    corner = np.zeros((SIZE, SIZE), bool)
    corner[row:, column:] = nominal_rays().valid[source][row:, column:]
    data[..., source][corner] += np.float32(WAVELENGTH_UM / 2)
    return data


def _with_ripple(number: int) -> NDArray[np.float32]:
    """Fringes printed through, as phase shifts that are not equal leave them: 5 to 20 nm high in every source."""
    rng = np.random.default_rng([number, 17])
    data = usual(number, "choosing").data()
    ripple = rng.uniform(0.005, 0.02) * np.sin(4.0 * np.pi * data / WAVELENGTH_UM)
    return data + ripple.astype(np.float32)  # zero where nothing is measured


CHOOSING: dict[str, Made] = {
    "surface: scratch": lambda number: of_kind(scratched)(number).data(),
    "surface: step": lambda number: of_kind(stepped)(number).data(),
    "half a wavelength too much": _with_jump,
    "printed-through fringes": _with_ripple,
}
