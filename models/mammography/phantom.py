"""The CDMAM 3.4 contrast-detail phantom: 205 cells with gold discs, rotated by 45 degrees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

DIAMETERS_MM = (0.06, 0.08, 0.10, 0.13, 0.16, 0.20, 0.25, 0.31, 0.40, 0.50, 0.63, 0.80, 1.00, 1.25, 1.60, 2.00)
THICKNESSES_UM = (0.03, 0.04, 0.05, 0.06, 0.08, 0.10, 0.13, 0.16, 0.20, 0.25, 0.36, 0.50, 0.71, 1.00, 1.42, 2.00)

# Index of the thinnest and of the thickest disc that the phantom has for each diameter: two
# corners of the 16 x 16 square (small and thin, large and thick) do not fit on the plate.
_THICKNESS_RANGE = (
    (7, 14), (6, 15), (5, 15), (4, 15), (3, 15), (2, 15), (1, 15), (0, 15),
    (0, 15), (0, 15), (0, 14), (0, 13), (0, 12), (0, 11), (0, 10), (1, 9),
)  # fmt: skip

CELL_MM = 10.0
"""Side of a cell: the 16 cells' diagonal then spans 226 mm of the plate's 240 mm."""
LINE_WIDTH_MM = 0.2
_SLACK_MM = 1e-3  # more than float32 rounds places on the plate
LINE_THICKNESS_UM = 1.0
PLATE_MM = (240.0, 162.5)
"""The aluminium plate's sides, along the detector's columns and rows."""

Coordinate = TypeVar("Coordinate", float, NDArray[np.float64])

_SAMPLES_PER_PIXEL = 8
_SAMPLES_PER_DIAMETER = 48
_ROTATION = 135.0  # 45 degrees, with the cells' long diagonal along the plate's long side


@dataclass(frozen=True)
class Disc:
    """A gold disc: centre in the phantom's frame (mm), diameter (mm), thickness (um)."""

    x: float
    y: float
    diameter: float
    thickness: float


@dataclass(frozen=True)
class Pose:
    """The phantom's place: offset of its centre on the detector (mm), rotation beyond the nominal
    one (degrees), and magnification (1: in contact with the detector)."""

    x: float = 0.0
    y: float = 0.0
    rotation: float = 0.0
    magnification: float = 1.0

    def to_phantom(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
        """Turn detector coordinates (mm, from the detector's centre) into the frame of the cells (mm)."""
        angle = np.deg2rad(_ROTATION + self.rotation)
        c, s = np.float32(np.cos(angle) / self.magnification), np.float32(np.sin(angle) / self.magnification)
        dx, dy = x - np.float32(self.x), y - np.float32(self.y)
        return c * dx + s * dy, -s * dx + c * dy

    def to_detector(self, x: Coordinate, y: Coordinate) -> tuple[Coordinate, Coordinate]:
        """Turn coordinates in the frame of the cells into the detector's, of one point or arrays of them: the inverse
        of `to_phantom`."""
        angle = np.deg2rad(_ROTATION + self.rotation)
        c, s = np.cos(angle) * self.magnification, np.sin(angle) * self.magnification
        return self.x + c * x - s * y, self.y + s * x + c * y


@dataclass(frozen=True)
class Region:
    """A rectangle of detector pixels: first row and column, and size."""

    row: int
    column: int
    rows: int
    columns: int


class Phantom:
    """One specimen of the phantom: in each cell a disc in the centre and an equal one in a corner
    that `rng` draws."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.corners = rng.integers(0, 4, size=(16, 16))

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """Mask of the cells that the plate has: bool [diameter, thickness]."""
        thickness = np.arange(16)
        return np.array([(first <= thickness) & (thickness <= last) for first, last in _THICKNESS_RANGE])

    @cached_property
    def discs(self) -> list[Disc]:
        """All 410 discs of the plate."""
        discs = []
        for row, column in np.argwhere(self.present):
            x, y = (column - 7.5) * CELL_MM, (row - 7.5) * CELL_MM
            right, down = divmod(int(self.corners[row, column]), 2)
            corner = ((right - 0.5) * CELL_MM / 2, (down - 0.5) * CELL_MM / 2)
            for dx, dy in ((0.0, 0.0), corner):
                discs.append(Disc(x + dx, y + dy, DIAMETERS_MM[row], THICKNESSES_UM[column]))
        return discs

    def transmission(
        self, pose: Pose, gold_attenuation: float, pixel_spacing: float, shape: tuple[int, int], region: Region
    ) -> NDArray[np.float32]:
        """Primary transmission of the gold, averaged over each pixel's area.

        Beer-Lambert inside each disc and line: exp(-mu T). `gold_attenuation` is mu in 1/um,
        `pixel_spacing` in mm, `shape` the whole detector's rows and columns. float32 [rows, columns]
        of `region`.
        """
        x, y = _pixel_centres(pixel_spacing, shape, region)
        u, v = pose.to_phantom(x[None, :], y[:, None])
        line = 1.0 - np.exp(-gold_attenuation * LINE_THICKNESS_UM)
        image = 1.0 - np.float32(line) * self._line_coverage(u, v, pixel_spacing / pose.magnification)
        for disc in self.discs:
            _draw(image, disc, pose, gold_attenuation, pixel_spacing, x, y)
        return image

    def _line_coverage(self, u: NDArray, v: NDArray, pixel: float) -> NDArray[np.float32]:
        """Share of each pixel that lies under a grid line (lines run round every present cell)."""
        padded = np.pad(self.present, 1)
        coverage = np.zeros(np.broadcast_shapes(u.shape, v.shape), np.float32)
        reach = np.float32(LINE_WIDTH_MM / 2 + pixel / 2 + _SLACK_MM)
        for along, across_row, across_column in ((u, 0, 1), (v, 1, 0)):
            # Few pixels are near a line: the rest of the work is done on these alone.
            near = np.nonzero(np.abs(along - np.round(along / CELL_MM) * np.float32(CELL_MM)) < reach)
            place = along[near]
            nearest = np.round(place / CELL_MM).astype(np.int32)
            distance = np.abs(place - nearest * np.float32(CELL_MM))
            distance[np.abs(nearest) > 8] = np.inf
            share = np.clip(0.5 + (LINE_WIDTH_MM / 2 - distance) / pixel, 0.0, 1.0)
            column, row = _cell(u[near]), _cell(v[near])
            # The cells on both sides of the nearest line, one of which is the pixel's own.
            other = np.where(nearest * CELL_MM > place, 1, -1)
            neighbour = padded[np.clip(row + across_row * other, 0, 17), np.clip(column + across_column * other, 0, 17)]
            coverage[near] = np.maximum(coverage[near], share * (padded[row, column] | neighbour))
        return coverage


def _cell(along: NDArray[np.float32]) -> NDArray[np.int32]:
    """The number of the cell in which a coordinate lies, of a plate with a row of none around it."""
    return np.clip(np.floor(along / CELL_MM).astype(np.int32) + 9, 0, 17)


def _pixel_centres(pixel_spacing: float, shape: tuple[int, int], region: Region) -> tuple[NDArray, NDArray]:
    rows, columns = shape
    x = (np.arange(region.column, region.column + region.columns) + 0.5 - columns / 2) * pixel_spacing
    y = (np.arange(region.row, region.row + region.rows) + 0.5 - rows / 2) * pixel_spacing
    return x.astype(np.float32), y.astype(np.float32)


def _draw(
    image: NDArray[np.float32],
    disc: Disc,
    pose: Pose,
    gold_attenuation: float,
    pixel_spacing: float,
    x: NDArray[np.float32],
    y: NDArray[np.float32],
) -> None:
    """Multiply the disc's transmission into `image`, with area coverage by supersampling."""
    cx, cy = pose.to_detector(disc.x, disc.y)
    radius = disc.diameter / 2 * pose.magnification
    reach = radius + pixel_spacing
    left, right = np.searchsorted(x, (cx - reach, cx + reach))
    top, bottom = np.searchsorted(y, (cy - reach, cy + reach))
    if left == right or top == bottom:
        return
    samples = max(_SAMPLES_PER_PIXEL, math.ceil(_SAMPLES_PER_DIAMETER * pixel_spacing / disc.diameter))
    offsets = ((np.arange(samples) + 0.5) / samples - 0.5) * pixel_spacing
    sx = (x[left:right, None] + offsets).ravel() - cx
    sy = (y[top:bottom, None] + offsets).ravel() - cy
    inside = sx[None, :] ** 2 + sy[:, None] ** 2 <= radius**2
    blocks = inside.reshape(bottom - top, samples, right - left, samples)
    opacity = 1.0 - np.exp(-gold_attenuation * disc.thickness)
    image[top:bottom, left:right] *= 1.0 - np.float32(opacity) * blocks.mean(axis=(1, 3), dtype=np.float32)
