"""From a path to an opened image, by what the file begins with and not by its name."""

from __future__ import annotations

import stat
from pathlib import Path

from ..errors import ImageRefused
from .frame import ImageFile


def open_image(path: Path) -> ImageFile:
    """Open an image file and read its header.

    Raises ImageRefused for whatever is not a readable image: missing, empty, a folder, a dangling
    link, another format, a broken header.
    """
    start = _beginning(path)
    if start[128:132] == b"DICM":
        from .dicom import open_dicom

        return open_dicom(path)
    if start.startswith((b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        from .raster import open_raster

        return open_raster(path)
    if start.startswith(b"\x93NUMPY"):
        from .arrays import open_array

        return open_array(path)
    raise ImageRefused("unknown format, expected DICOM with its preamble, PNG, TIFF or NumPy .npy")


def _beginning(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageRefused("is a folder, expected an image file; name the files in it")
        if not stat.S_ISREG(mode):
            raise ImageRefused("is no regular file, expected an image file")
        with path.open("rb") as file:
            start = file.read(132)
    except FileNotFoundError as error:
        if path.is_symlink():
            raise ImageRefused("link to something that does not exist") from error
        raise ImageRefused("no such file") from error
    except (OSError, ValueError) as error:
        raise ImageRefused(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not start:
        raise ImageRefused("file is empty, expected an image")
    return start
