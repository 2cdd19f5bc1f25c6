"""A finer map than the bundle's: the same graph on shifted images.

A map has a value for every cell of so many pixels, since the image is downsampled before the network or
the map is coded compactly. The image shifted by part of a cell gives values between those; what all the
shifts (phases) give, interleaved, is as fine as the shifts are (Amanova, Martin & Elster 2022,
doi 10.1088/2632-2153/ac7a03, for a downsampled input). Ours: that any bundle's map is so refined,
by as many phases as asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from ..bundle import Bundle
from ..preprocess import preprocess
from ..reading import Frame, Header


def finest(bundle: Bundle, header: Header) -> int:
    """Give the phases at which a map has a value for every pixel of such a frame."""
    return round(max(_spacing(bundle, header)))


def finer_map(
    bundle: Bundle,
    frame: Frame,
    phases: int,
    progress: Callable[[Iterable[tuple[int, int]]], Iterable[tuple[int, int]]] = lambda shifts: shifts,
) -> NDArray[np.float32]:
    """Compute the map with `phases` times as many rows and columns, by phases^2 runs of the graph: float32, in the
    map's quantity.

    Where the shifted field reaches beyond the frame, that is mirrored. Raises ImageRefused as scoring
    does, and ValueError for less than one phase, or more than `finest`.
    """
    most = finest(bundle, frame.header)
    if not 1 <= phases <= most:
        raise ValueError(f"{phases} phases, expected 1 to {most}, where every pixel of the frame has its value")
    spec = bundle.manifest.map
    fine = np.empty((spec.rows, phases, spec.columns, phases), np.float32)
    down, across = (
        [round((phase + 0.5 - phases / 2) * spacing / phases) for phase in range(phases)]
        for spacing in _spacing(bundle, frame.header)
    )
    for row, column in progress([(row, column) for row in range(phases) for column in range(phases)]):
        image = preprocess(_shifted(frame, down[row], across[column]), bundle.manifest.input)
        outputs = bundle.run(image, explain=True)
        low, high = outputs["map_range"]
        fine[:, row, :, column] = low + outputs["map"].astype(np.float32) / np.float32(255.0) * (high - low)
    return fine.reshape(spec.rows * phases, spec.columns * phases)


def _spacing(bundle: Bundle, header: Header) -> tuple[float, float]:
    """Sides of a cell, in the frame's pixels."""
    given, cell = bundle.manifest.input, bundle.manifest.map.cell
    rows, columns = given.crop or (header.rows, header.columns)
    to_rows, to_columns = given.resize or (rows, columns)
    return cell * rows / to_rows, cell * columns / to_columns


def _shifted(frame: Frame, rows: int, columns: int) -> Frame:
    """The frame moved up by `rows` and left by `columns` pixels, mirrored at its border."""
    pad = [(max(0, -shift), max(0, shift)) for shift in (rows, columns)]
    pixels = np.pad(frame.pixels, [*pad, *[(0, 0)] * (frame.pixels.ndim - 2)], mode="reflect")
    height, width = frame.pixels.shape[:2]
    top, left = max(0, rows), max(0, columns)
    return Frame(frame.header, pixels[top : top + height, left : left + width], frame.modality_lut)
