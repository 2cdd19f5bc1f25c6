"""The specimen: a convex asphere and a topography on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.interpolate import RectBivariateSpline

APERTURE_MM = 10.0
"""Radius of the measured part of the specimen."""
SIZE = 64
"""Rows and columns of a topography."""
HALF_WIDTH_MM = 10.5
GRID_MM = (np.arange(SIZE) + 0.5) / SIZE * 2 * HALF_WIDTH_MM - HALF_WIDTH_MM
"""Where a topography is given along each axis, pixel centres."""

_VERTEX_RADIUS_MM = 40.0
_CONIC = -1.0
_FOURTH_ORDER = 4e-6

Points = NDArray[np.float64]


def within_aperture() -> NDArray[np.bool_]:
    """The pixels of a topography that are measured: bool [SIZE, SIZE]."""
    return np.hypot(GRID_MM[:, None], GRID_MM[None, :]) <= APERTURE_MM


def design_sag(x: Points, y: Points) -> Points:
    """Sag z of the even asphere (ISO 10110-12) in mm, positive away from the light."""
    squared = x**2 + y**2
    root = np.sqrt(1.0 - (1.0 + _CONIC) * squared / _VERTEX_RADIUS_MM**2)
    return squared / (_VERTEX_RADIUS_MM * (1.0 + root)) + _FOURTH_ORDER * squared**2


def design_slopes(x: Points, y: Points) -> tuple[Points, Points]:
    """Slopes dz/dx and dz/dy of the design."""
    squared = x**2 + y**2
    root = np.sqrt(1.0 - (1.0 + _CONIC) * squared / _VERTEX_RADIUS_MM**2)
    common = 1.0 / (_VERTEX_RADIUS_MM * root) + 4.0 * _FOURTH_ORDER * squared
    return common * x, common * y


@dataclass(frozen=True)
class Specimen:
    """The design with a deviation along z: float64 [SIZE, SIZE] in um, rows along y, splined between."""

    topography: NDArray[np.float64]

    @cached_property
    def _spline(self) -> RectBivariateSpline:
        return RectBivariateSpline(GRID_MM, GRID_MM, self.topography * 1e-3)

    def sag(self, x: Points, y: Points) -> Points:
        """Sag z of the specimen in mm."""
        return design_sag(x, y) + self._spline.ev(y, x)

    def slopes(self, x: Points, y: Points) -> tuple[Points, Points]:
        """Slopes dz/dx and dz/dy of the specimen."""
        along_x, along_y = design_slopes(x, y)
        return along_x + self._spline.ev(y, x, dy=1), along_y + self._spline.ev(y, x, dx=1)


DESIGN = Specimen(np.zeros((SIZE, SIZE)))


def unobservable_modes(x: Points, y: Points) -> NDArray[np.float64]:
    """Deviations that look like a specimen in another place, or a phase that is off by a constant: shifts
    along x, y, z, tilts about x and y, and the curvature that a constant path difference amounts to.
    float64 [6, ...], each of order one at the aperture's edge.

    A displacement v of the specimen shows as v_z - v_x z_x - v_y z_y along z; a constant path as
    1 + z_x^2 + z_y^2, where light meets the surface along its normal.
    """
    z = design_sag(x, y)
    along_x, along_y = design_slopes(x, y)
    return np.stack(
        [
            np.ones_like(x),
            -along_x / np.abs(along_x).max(),
            -along_y / np.abs(along_y).max(),
            (y + z * along_y) / APERTURE_MM,
            -(x + z * along_x) / APERTURE_MM,
            (along_x**2 + along_y**2) / (along_x**2 + along_y**2).max(),
        ]
    )


@cache
def unobservable_basis() -> NDArray[np.float64]:
    """An orthonormal basis of the unobservable modes on the aperture's pixels: float64 [pixels, 6]."""
    y, x = np.meshgrid(GRID_MM, GRID_MM, indexing="ij")
    inside = within_aperture()
    return np.linalg.qr(unobservable_modes(x[inside], y[inside]).T)[0]


def form_deviation(topography: NDArray[np.float64]) -> NDArray[np.float64]:
    """The measurand: the topography less what cannot be told from position and power, NaN outside the
    aperture. [..., SIZE, SIZE], in the topography's unit."""
    inside = within_aperture()
    basis = unobservable_basis()
    values = topography[..., inside]
    deviation = np.full(topography.shape, np.nan)
    deviation[..., inside] = values - (values @ basis) @ basis.T
    return deviation


def interpolation(x: Points, y: Points) -> sparse.csr_matrix:
    """The matrix that takes a topography to its values at points, by cubic convolution (Keys 1981, IEEE
    Trans. ASSP 29): float64 [points, SIZE * SIZE]."""
    columns_x, weights_x = _cubic(x)
    columns_y, weights_y = _cubic(y)
    columns = columns_y[:, :, None] * SIZE + columns_x[:, None, :]
    weights = weights_y[:, :, None] * weights_x[:, None, :]
    rows = np.broadcast_to(np.arange(len(x))[:, None, None], columns.shape)
    return sparse.csr_matrix((weights.ravel(), (rows.ravel(), columns.ravel())), shape=(len(x), SIZE * SIZE))


def _cubic(position: Points) -> tuple[NDArray[np.int64], Points]:
    """The four neighbours along one axis and their weights, [points, 4]."""
    pixel = (position + HALF_WIDTH_MM) * SIZE / (2 * HALF_WIDTH_MM) - 0.5
    first = np.floor(pixel).astype(np.int64)
    t = (pixel - first)[:, None]
    weights = np.concatenate(
        [
            -0.5 * t + t**2 - 0.5 * t**3,
            1.0 - 2.5 * t**2 + 1.5 * t**3,
            0.5 * t + 2.0 * t**2 - 1.5 * t**3,
            -0.5 * t**2 + 0.5 * t**3,
        ],
        axis=1,
    )
    return np.clip(first[:, None] + np.arange(-1, 3), 0, SIZE - 1), weights
