"""NumPy .npy files: [rows, columns], or [frames, rows, columns(, samples)]."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageRefused
from .frame import Frame, ImageFile, array_header


def as_npy(array: NDArray) -> bytes:
    """Write an array as the bytes of a .npy file."""
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def open_array(path: Path) -> ImageFile:
    """Map an array file into memory; frames are read when asked for.

    Three dimensions are frames of one sample, four are frames of several.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy's parser of headers raises many kinds
        raise ImageRefused(f"not a readable .npy file: {error}") from error
    stack = array[None] if array.ndim == 2 else array
    header = array_header(stack.shape[1:], stack.dtype, frames=stack.shape[0]) if stack.ndim > 2 else None
    if header is None or not header.frames:
        raise ImageRefused(f"array of shape {list(array.shape)}, expected [rows, columns] or [frames, rows, columns]")
    return ImageFile(header, lambda index: Frame(header, np.asarray(stack[index])))
