"""The interferometer to first order in the topography: from topography to path differences, and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from .interferometer import SEEN_MM, SENSOR_HALF_WIDTH_MM, SOURCES_MM, nominal_rays, nominal_trace
from .surface import DESIGN, GRID_MM, SIZE, Points, interpolation


@cache
def sensitivities() -> sparse.csr_matrix:
    """Growth of each path difference, in um, for each um of each of the topography's pixels, to first order:
    float64 [valid pixels of all sources, SIZE * SIZE].

    A surface that recedes by t lengthens both ways of a ray by t n_z cos(angle of incidence): by Fermat's
    principle, how the ray itself moves does not count.
    """
    rays = nominal_rays()
    blocks = []
    for source, valid in enumerate(rays.valid):
        x, y = rays.x[source][valid], rays.y[source][valid]
        trace = nominal_trace(source)
        path = 2.0 * np.cos(trace.tilt_from_normal(x, y)) * _normal_z(x, y)
        blocks.append(sparse.diags(path) @ interpolation(x, y))
    return sparse.vstack(blocks).tocsr()


@dataclass(frozen=True)
class Resampling:
    """Weights by which a topography's pixels are read from those of the camera, valid ones of all sources in order.

    neighbours, weights: for each pixel of the surface that a source sees, camera pixels round its image
    and what they count, int64 and float64 [n, 16]. places: where in the n, counted from 1, each pixel of
    each source is, 0 for none: int64 [sources * SIZE * SIZE]. seen: bool [sources, SIZE, SIZE].
    """

    neighbours: NDArray[np.int64]
    weights: NDArray[np.float64]
    places: NDArray[np.int64]
    seen: NDArray[np.bool_]


_NEIGHBOURS = 16
_FARTHEST_PIXELS = 3.5


@cache
def resampling() -> Resampling:
    """The resampling that shows each source's surface to first order: the quadratic through the 16 valid camera
    pixels nearest to a surface pixel's image, by least squares, over its sensitivity. A pixel is seen where
    they lie round its image."""
    rays = nominal_rays()
    y, x = (axis.ravel() for axis in np.meshgrid(GRID_MM, GRID_MM, indexing="ij"))
    inside = np.hypot(x, y) <= SEEN_MM
    offset, neighbours, weights = 0, [], []
    seen = np.zeros((len(SOURCES_MM), SIZE * SIZE), bool)
    for source, valid in enumerate(rays.valid):
        trace = nominal_trace(source)
        pixel = 2 * SENSOR_HALF_WIDTH_MM / SIZE
        image_x, image_y, _ = trace.observe(x, y)
        cameras = np.stack([rays.observed_x[valid], rays.observed_y[valid]], axis=1)
        distance, index = cKDTree(cameras).query(np.stack([image_x, image_y], axis=1), _NEIGHBOURS)
        near = inside & (distance[:, 0] <= 0.75 * pixel) & (distance[:, -1] <= _FARTHEST_PIXELS * pixel)
        dx, dy = ((cameras[index[near], i] - image[near, None]) / pixel for i, image in enumerate((image_x, image_y)))
        powers = np.stack([np.ones_like(dx), dx, dy, dx**2, dx * dy, dy**2], axis=2)
        path = 2.0 * np.cos(trace.tilt_from_normal(x[near], y[near])) * _normal_z(x[near], y[near])
        weights.append(np.linalg.pinv(powers)[:, 0, :] / path[:, None])
        neighbours.append(index[near] + offset)
        seen[source, near] = True
        offset += int(valid.sum())
    places = np.where(seen.ravel(), np.cumsum(seen.ravel()), 0)
    return Resampling(np.concatenate(neighbours), np.concatenate(weights), places, seen.reshape(-1, SIZE, SIZE))


def _normal_z(x: Points, y: Points) -> Points:
    slope_x, slope_y = DESIGN.slopes(x, y)
    return 1.0 / np.sqrt(1.0 + slope_x**2 + slope_y**2)
