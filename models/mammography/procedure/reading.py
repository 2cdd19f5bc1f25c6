"""Decide in every cell where its discs are, by template matching."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..phantom import CELL_MM, DIAMETERS_MM, Phantom, Pose
from .registration import register

_SAMPLES_PER_PIXEL = 4
_GAP_MM, _RING_MM = 0.3, 0.6
_SEARCH_MM = 0.5
"""Discs are looked for within this distance of their place, whatever is known of it: so noise that looks
like a small disc is taken for one, which keeps thresholds where readers find them."""
_PLACES = np.array([(0.0, 0.0), *((x, y) for x in (-0.25, 0.25) for y in (-0.25, 0.25))]) * CELL_MM
"""The centre and the four corners, in a cell's frame (mm), in the order in which a phantom numbers them."""


@dataclass(frozen=True)
class Decisions:
    """Answers read off images of one phantom: those that are correct, out of `trials`, for each cell.

    correct, trials: float64 [diameter, thickness], zero where the plate has no cell.
    """

    correct: NDArray[np.float64]
    trials: NDArray[np.float64]

    def __add__(self, other: Decisions) -> Decisions:
        return Decisions(self.correct + other.correct, self.trials + other.trials)


def read(pixels: NDArray[np.uint16], pixel_spacing: float, phantom: Phantom, pose: Pose | None = None) -> Decisions:
    """Read one image: uint16 [rows, columns], its centre the detector's, `pixel_spacing` in mm.

    There are two choices among four in each cell: the corner with the largest signal is taken for the one with
    the disc; and the centre's disc counts as seen where it outdoes the three corners that are empty. The signal is the
    mean of the logarithm in a ring round a place, less that under the disc where it fits best. Without a `pose` the
    phantom is looked for.
    """
    image = logarithm(pixels)
    pose = pose or register(image, pixel_spacing, phantom)
    correct, trials = np.zeros((2, *phantom.present.shape))
    for row, column in np.argwhere(phantom.present):
        cell = np.array([(column - 7.5) * CELL_MM, (row - 7.5) * CELL_MM])
        centre, *corners = (
            _signal(image, pose.to_detector(*(cell + place)), DIAMETERS_MM[row] * pose.magnification, pixel_spacing)
            for place in _PLACES
        )
        disc = int(phantom.corners[row, column])
        empty = [signal for corner, signal in enumerate(corners) if corner != disc]
        correct[row, column] = float(corners[disc] > max(empty)) + float(centre > max(empty))
        trials[row, column] = 2.0
    return Decisions(correct, trials)


def logarithm(pixels: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The logarithm of stored values, in which gold's contrast is the same everywhere; dead pixels, which read zero,
    take the median of their neighbours first."""
    alive = np.where(pixels > 0, pixels, cv2.medianBlur(pixels, 3))
    return np.log(np.maximum(alive, 1), dtype=np.float32)


def _signal(image: NDArray[np.float32], place: tuple[float, float], diameter: float, pixel: float) -> float:
    """By how much the image is darker under a disc near `place` (detector, mm) than round it, at most."""
    rows, columns = image.shape
    x, y = place[0] / pixel + columns / 2 - 0.5, place[1] / pixel + rows / 2 - 0.5
    row, column = round(y), round(x)
    radius, search = diameter / 2 / pixel, math.ceil(_SEARCH_MM / pixel)
    inner = radius + search + _GAP_MM / pixel
    outer = inner + _RING_MM / pixel
    reach = math.ceil(outer)
    window = image[row - reach : row + reach + 1, column - reach : column + reach + 1]
    distance = np.hypot(*np.ogrid[-reach : reach + 1, -reach : reach + 1])
    ring = window[(distance > inner) & (distance <= outer)].mean()
    edge = math.ceil(radius + 1)
    at = np.arange(-edge, edge + 1)
    kernel = _coverage(at - (y - row), at - (x - column), radius)
    size = slice(reach - search - edge, reach + search + edge + 1)
    means = cv2.filter2D(window[size, size], -1, kernel)[edge:-edge, edge:-edge]
    within = np.hypot(*np.ogrid[-search : search + 1, -search : search + 1]) <= search
    return float(ring - means[within].min())


def _coverage(dy: NDArray[np.float64], dx: NDArray[np.float64], radius: float) -> NDArray[np.float32]:
    """Share of the disc that lies in each pixel, all in pixels: sums to one."""
    samples = max(_SAMPLES_PER_PIXEL, math.ceil(6 / radius)) if radius < 4 else _SAMPLES_PER_PIXEL
    offsets = (np.arange(samples) + 0.5) / samples - 0.5
    fine_y, fine_x = ((d[:, None] + offsets).ravel() for d in (dy, dx))
    inside = fine_y[:, None] ** 2 + fine_x[None, :] ** 2 <= radius**2
    covered = inside.reshape(len(dy), samples, len(dx), samples).mean(axis=(1, 3), dtype=np.float32)
    return covered / covered.sum()
