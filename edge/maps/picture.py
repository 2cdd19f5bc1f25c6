"""Maps as pictures: the grid itself as a small PNG, and laid over the image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..verdict import CompactMap

_STRENGTH = 0.6


def map_picture(compact: CompactMap) -> NDArray[np.uint8]:
    """Give the codes as a grey picture of rows x columns pixels."""
    return np.frombuffer(compact.codes, np.uint8).reshape(compact.rows, compact.columns)


def coloured_map(compact: CompactMap) -> NDArray[np.uint8]:
    """Give the codes in colour, BGR uint8 of rows x columns pixels."""
    return cv2.applyColorMap(map_picture(compact), cv2.COLORMAP_INFERNO).astype(np.uint8)


def as_codes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Give a finer map's values as codes from its lowest to its highest."""
    low, high = values.min(), values.max()
    return np.rint((values - low) / max(high - low, 1e-30) * 255.0).astype(np.uint8)


def upsampled(compact: CompactMap, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Give the map's values for every pixel of the network's image, of that height and width, by linear
    interpolation between the centres of the cells: float32 [height, width], in the map's quantity."""
    values = compact.low + map_picture(compact).astype(np.float32) / 255.0 * (compact.high - compact.low)
    return _spread(values, compact, shape)


def _spread(grid: NDArray, compact: CompactMap, shape: tuple[int, int]) -> NDArray:
    """A grid over the cells' whole extent, which may reach beyond the image, on the image's pixels."""
    extent = compact.columns * compact.cell, compact.rows * compact.cell
    return cv2.resize(grid, extent, interpolation=cv2.INTER_LINEAR)[: shape[0], : shape[1]]


def image_picture(image: NDArray[np.float32], longer_side: int = 1024) -> NDArray[np.uint8]:
    """Draw the graph's image [1, C, H, W] in grey, uint8, at most `longer_side` pixels wide or high, from its 0.5th
    to its 99.5th percentile."""
    height, width = image.shape[2:]
    scale = min(1.0, longer_side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(_windowed(image[0].mean(axis=0)), size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def overlay_picture(
    compact: CompactMap,
    image: NDArray[np.float32],
    longer_side: int = 1024,
    codes: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Draw the map in colour over the graph's image [1, C, H, W], BGR uint8, at most `longer_side`
    pixels wide or high. The image is shown from its 0.5th to its 99.5th percentile; where the map is at its low end
    it stays grey. `codes` of a finer map stand in for the compact one's."""
    grey = cv2.cvtColor(image_picture(image, longer_side), cv2.COLOR_GRAY2BGR)
    cells = _spread(map_picture(compact) if codes is None else codes, compact, image.shape[2:])
    shown = cv2.resize(cells, grey.shape[1::-1], interpolation=cv2.INTER_AREA)
    return laid_over(grey, shown)


def laid_over(picture: NDArray, codes: NDArray) -> NDArray[np.uint8]:
    """Lay codes [rows, columns] in colour over a picture [rows, columns, 3], the less the lower they are."""
    colour = cv2.applyColorMap(codes, cv2.COLORMAP_INFERNO)
    weight = (codes.astype(np.float32) / 255.0 * _STRENGTH)[..., None]
    return (picture * (1.0 - weight) + colour * weight).astype(np.uint8)


def _windowed(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = np.percentile(image, (0.5, 99.5))
    return np.clip((image - low) / max(high - low, 1e-12) * 255.0, 0, 255).astype(np.uint8)


def as_png(picture: NDArray[np.uint8]) -> bytes:
    """Write a picture as the bytes of a PNG file."""
    return cv2.imencode(".png", picture)[1].tobytes()
