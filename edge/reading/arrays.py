"""NumPy .npy files: [rows, columns], or [frames, rows, columns(, samples)]."""

from __future__ import annotations

import math
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageRefused
from .frame import Frame, ImageFile, array_header

_VERSIONS = {
    b"\x01\x00": np.lib.format.read_array_header_1_0,
    b"\x02\x00": np.lib.format.read_array_header_2_0,
}
"""Readers of what follows the magic bytes; version 3.0 is for arrays of named fields, which are no images."""


def as_npy(array: NDArray) -> bytes:
    """Write an array as the bytes of a .npy file."""
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def open_array(path: Path) -> ImageFile:
    """Map an array file into memory; frames are read when asked for.

    Three dimensions are frames of one sample, four are frames of several. Raises ImageRefused.
    """
    with path.open("rb") as file:
        shape, fortran, dtype = _header(file)
        start, size = file.tell(), file.seek(0, 2)
    stack = (1, *shape) if len(shape) == 2 else shape
    if len(stack) < 3 or not stack[0]:
        raise ImageRefused(f"array of shape {list(shape)}, expected [rows, columns] or [frames, rows, columns]")
    header = array_header(stack[1:], dtype, frames=stack[0])
    if (given := size - start) < (wanted := math.prod(shape) * dtype.itemsize):
        raise ImageRefused(f".npy file with {given:,} bytes of values, expected {wanted:,}: it is cut off")
    array = np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C").reshape(stack)
    return ImageFile(header, lambda index: Frame(header, np.asarray(array[index])))


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the first axis is the fastest, and type."""
    version = file.read(8)[6:]
    if version not in _VERSIONS:
        said = ".".join(map(str, version))
        raise ImageRefused(f".npy file of version {said}, expected 1.0 or 2.0")
    try:
        shape, fortran, dtype = _VERSIONS[version](file)
    except Exception as error:  # NumPy's parser of headers raises many kinds
        raise ImageRefused("the header of the .npy file is damaged") from error
    if dtype.hasobject:
        raise ImageRefused("array of Python objects, expected whole or floating numbers")
    if any(side < 0 for side in shape):
        raise ImageRefused(f"array of shape {list(shape)}, expected [rows, columns] or [frames, rows, columns]")
    return shape, fortran, dtype
