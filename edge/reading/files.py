"""Opening image files, by what they begin with and not by their names."""

from __future__ import annotations

import re
import stat
from importlib import import_module
from pathlib import Path

from ..errors import ImageRefused
from .frame import MAX_FRAMES, ImageFile

_MAGIC = 128
"""Bytes of the preamble, behind which DICOM's prefix stands."""
_READERS = (
    (rb"\x89PNG\r\n\x1a\n", "png.open_png"),
    (rb"II[*+]\0|MM\0[*+]", "tiff.open_tiff"),
    (rb"\x93NUMPY", "arrays.open_array"),
    (rb"\xff\xd8\xff", "jpeg.open_jpeg"),
    (rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", "bmp.open_bmp"),
    (rb"P[1-6][\s#]", "netpbm.open_netpbm"),
)
"""What files begin with, and who opens them; a module is imported when a file asks for it."""
_OTHERS = (
    (rb"GIF8[79]a", "GIF"),
    (rb"RIFF....WEBP", "WebP"),
    (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "JPEG 2000 outside of DICOM"),
    (rb"\0\0\0\x0cJXL \r\n\x87\n|\xff\x0a", "JPEG XL"),
    (rb"II\xbc\x01", "JPEG XR"),
    (rb"....ftyp(avif|avis|heic|heix|mif1|msf1)", "HEIF or AVIF"),
    (rb"P7[\s#]", "PAM"),
    (rb"P[Ff][\s#]", "PFM"),
    (rb"\x76\x2f\x31\x01", "OpenEXR"),
    (rb"SIMPLE  =", "FITS"),
    (rb"8BPS", "Photoshop"),
    (rb"%PDF-", "PDF"),
)
"""Formats of images that are told by name."""
_EXPECTED = "DICOM with its preamble, TIFF, PNG, JPEG, BMP, PGM, PPM or NumPy .npy"


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
    for pattern, reader in _READERS:
        if re.match(pattern, start, re.DOTALL):
            module, name = reader.split(".")
            opened: ImageFile = getattr(import_module(f".{module}", __package__), name)(path)
            return opened
    for pattern, name in _OTHERS:
        if re.match(pattern, start, re.DOTALL):
            raise ImageRefused(f"{name}, a format that is not supported; expected {_EXPECTED}")
    raise ImageRefused(f"unknown format, expected {_EXPECTED}")


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
