"""PNG and TIFF, up to 16 bit, through OpenCV."""

from __future__ import annotations

from pathlib import Path

import cv2

from ..errors import ImageRefused
from .frame import MAX_PIXELS, Frame, ImageFile, Pixels, array_header

# What goes wrong is said in the verdict; OpenCV would say it on standard error as well.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def open_raster(path: Path) -> ImageFile:
    """Open a PNG or TIFF; the first page is decoded at once, since OpenCV reads no header alone."""
    first = _page(path, 0)
    pages = cv2.imcount(str(path), cv2.IMREAD_UNCHANGED) or 1
    header = array_header(first.shape, first.dtype, frames=pages)

    def frame(index: int) -> Frame:
        pixels = first if index == 0 else _page(path, index)
        return Frame(array_header(pixels.shape, pixels.dtype, frames=pages), pixels)

    return ImageFile(header, frame)


def _page(path: Path, index: int) -> Pixels:
    try:
        if index == 0:
            pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        else:
            _, pages = cv2.imreadmulti(str(path), index, 1, flags=cv2.IMREAD_UNCHANGED)
            pixels = pages[0] if pages else None
    except (cv2.error, MemoryError):
        pixels = None
    if pixels is None:
        raise ImageRefused(
            f"page {index + 1} cannot be decoded: truncated, damaged, or larger than {MAX_PIXELS} pixels"
        )
    return pixels[..., ::-1] if pixels.ndim == 3 and pixels.shape[2] == 3 else pixels
