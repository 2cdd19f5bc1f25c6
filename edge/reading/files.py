"""Opening image files, by what they begin with and not by their names."""

from __future__ import annotations

import stat
from pathlib import Path

from ..errors import ImageRefused
from .frame import MAX_FRAMES, ImageFile

_MAGIC = 128
"""Bytes of the preamble, behind which DICOM's prefix stands."""


def open_image(path: Path) -> ImageFile:
    """Open an image file and read its header.

    Raises ImageRefused for whatever is not a readable image: missing, empty, a folder, a dangling
    link, another format, a broken header, more frames than MAX_FRAMES.
    """
    file = _opened(path, _beginning(path))
    if file.header.frames > MAX_FRAMES:
        raise ImageRefused(f"{file.header.frames:,} frames, expected at most {MAX_FRAMES:,} in a file")
    return file


def _opened(path: Path, start: bytes) -> ImageFile:
    if start[_MAGIC:] == b"DICM":
        from .dicom import open_dicom

        return open_dicom(path)
    if start.startswith((b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        from .raster import open_raster

        return open_raster(path)
    if start.startswith(b"\x93NUMPY"):
        from .arrays import open_array

        return open_array(path)
    raise ImageRefused("unknown format, expected DICOM with its preamble, PNG, TIFF or NumPy .npy")


def is_dicom(path: Path) -> bool:
    """Say whether a file begins as DICOM's do (PS3.10 7.1), whatever follows."""
    try:
        return _beginning(path)[_MAGIC:] == b"DICM"
    except ImageRefused:
        return False


def _beginning(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageRefused("is a folder, expected an image file; name the files in it")
        if not stat.S_ISREG(mode):
            raise ImageRefused("is no regular file, expected an image file")
        with path.open("rb") as file:
            start = file.read(_MAGIC + 4)
    except FileNotFoundError as error:
        if path.is_symlink():
            raise ImageRefused("link to something that does not exist") from error
        raise ImageRefused("no such file") from error
    except (OSError, ValueError) as error:
        raise ImageRefused(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not start:
        raise ImageRefused("file is empty, expected an image")
    return start
