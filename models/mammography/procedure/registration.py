"""Find the phantom's pose by its grid lines, which are darker than the cells."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ..phantom import CELL_MM, Phantom, Pose

_NOMINAL_MAGNIFICATION = 1.015
_STEP_MM = 0.5
# Widths of the smoothing, in mm: wide enough first for lines to be felt from where the search
# starts, then as fine as the lines are.
_WIDTHS_MM = (1.2, 0.5, 0.2)


def register(image: NDArray[np.float32], pixel_spacing: float, phantom: Phantom) -> Pose:
    """Find the pose in which the phantom's lines lie on the darkest pixels.

    image: logarithm of the stored values [rows, columns], its centre the detector's. A search over
    shifts of 3 mm, rotations of 1.2 degrees and magnifications of 1 to 1.03, then by Nelder and Mead's
    simplex on ever finer images.
    """
    lines = _line_points(phantom)
    coarse, *finer = (_smooth(image, pixel_spacing, width) for width in _WIDTHS_MM)

    def darkness(parameters: NDArray[np.float64], smooth: NDArray[np.float32]) -> float:
        return float(np.mean(_sampled(smooth, lines, _pose(parameters), pixel_spacing)))

    starts = [
        np.array([x, y, rotation, magnification])
        for x in (-2.4, -1.2, 0.0, 1.2, 2.4)
        for y in (-2.4, -1.2, 0.0, 1.2, 2.4)
        for rotation in (-0.9, -0.45, 0.0, 0.45, 0.9)
        for magnification in (1.0, 1.01, 1.02, 1.03)
    ]
    best = min(starts, key=lambda start: darkness(start, coarse))
    for smooth, reach in zip((coarse, *finer), (0.6, 0.2, 0.1), strict=True):
        simplex = best + np.vstack([np.zeros(4), np.diag([reach, reach, reach / 2, reach / 100])])
        best = minimize(
            darkness, best, (smooth,), "Nelder-Mead", options={"initial_simplex": simplex, "xatol": 1e-4, "fatol": 1e-7}
        ).x
    return _pose(best)


def _pose(parameters: NDArray[np.float64]) -> Pose:
    x, y, rotation, magnification = map(float, parameters)
    return Pose(x, y, rotation, magnification)


def _line_points(phantom: Phantom) -> NDArray[np.float64]:
    """Points on the lines round all cells, in the phantom's frame: float64 [n, 2], mm."""
    along = np.arange(_STEP_MM / 2, CELL_MM, _STEP_MM)
    rows, columns = np.nonzero(phantom.present)
    corners = np.stack([(columns - 8) * CELL_MM, (rows - 8) * CELL_MM], axis=1)
    across = np.stack([along, np.zeros_like(along)], axis=1)
    sides = [across, across + np.array([0.0, CELL_MM]), across[:, ::-1], across[:, ::-1] + np.array([CELL_MM, 0.0])]
    return (corners[:, None, :] + np.concatenate(sides)[None]).reshape(-1, 2)


def _smooth(image: NDArray[np.float32], pixel_spacing: float, width: float) -> NDArray[np.float32]:
    """Blurred by a Gaussian, less the image blurred four times as widely: the heel effect is gone."""
    sigma = width / pixel_spacing / 2
    fine = cv2.GaussianBlur(image, (0, 0), sigma)
    step = max(1, round(sigma))
    small = cv2.resize(fine, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
    wide = cv2.GaussianBlur(small, (0, 0), max(4 * sigma, 2.0 / pixel_spacing) / step)
    return fine - cv2.resize(wide, image.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _sampled(image: NDArray, points: NDArray[np.float64], pose: Pose, pixel_spacing: float) -> NDArray:
    rows, columns = image.shape
    x, y = pose.to_detector(points[:, 0], points[:, 1])
    at_column = (x / pixel_spacing + columns / 2 - 0.5).astype(np.float32)
    at_row = (y / pixel_spacing + rows / 2 - 0.5).astype(np.float32)
    return cv2.remap(image, at_column, at_row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
