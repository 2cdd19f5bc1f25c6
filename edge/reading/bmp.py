"""Windows bitmaps, not compressed: palettes of 1, 4 and 8 bit, and colour of 24 and 32 bit.

A palette of shades is given as grey, which the format cannot state otherwise. Of 32 bits the fourth byte means
nothing, unless the header says that it is opacity.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageRefused
from .frame import Frame, Header, ImageFile, Pixels
from .pictures import require_size, without_alpha

_COMPRESSIONS = {1: "run lengths of 8 bit", 2: "run lengths of 4 bit", 4: "JPEG", 5: "PNG"}
_PLAIN, _MASKS = 0, (3, 6)
_BYTES = {0xFF: 0, 0xFF00: 1, 0xFF0000: 2, 0xFF000000: 3}
"""Masks of whole bytes, and which byte of a pixel they name."""


@dataclass(frozen=True)
class _Bmp:
    """order: of the bytes of a pixel of 24 or 32 bits, that are red, green, blue and, where there is one, opacity.
    palette: [colours, red green blue]."""

    rows: int
    columns: int
    bits: int
    upward: bool
    start: int
    order: tuple[int, ...]
    palette: NDArray[np.uint8] | None

    @property
    def is_grey(self) -> bool:
        return self.palette is not None and bool((self.palette == self.palette[:, :1]).all())


def open_bmp(path: Path) -> ImageFile:
    """Open a bitmap; its pixels are read when they are asked for.

    Raises ImageRefused.
    """
    with path.open("rb") as file:
        found = _header(file)
    samples = 1 if found.is_grey else 3
    header = Header(
        rows=found.rows,
        columns=found.columns,
        samples_per_pixel=samples,
        bits_allocated=8,
        photometric_interpretation="MONOCHROME2" if samples == 1 else "RGB",
    )
    return ImageFile(header, lambda index: Frame(header, _pixels(path, found)))


def _header(file: BinaryIO) -> _Bmp:
    start, size = struct.unpack("<10xII", _read(file, 18))
    if size == 12:
        columns, rows, _, bits = struct.unpack("<HHHH", _read(file, 8))
        compression, colours = _PLAIN, 0
    else:
        columns, rows, _, bits, compression, _, _, _, colours, _ = struct.unpack("<iiHHIIiiII", _read(file, 36))
    if compression in _COMPRESSIONS:
        raise ImageRefused(f"BMP compression {compression} ({_COMPRESSIONS[compression]}), expected 0 or 3, none")
    if compression not in (_PLAIN, *_MASKS):
        raise ImageRefused(f"BMP compression {compression}, which the format does not have")
    if bits not in (1, 4, 8, 24, 32) or (compression in _MASKS and bits != 32):
        raise ImageRefused(f"BMP of {bits} bits per pixel, expected 1, 4, 8, 24 or 32")
    require_size(abs(rows), columns, 3)
    order = _order(file, size) if compression in _MASKS else (2, 1, 0)
    palette = _palette(file, size, bits, colours) if bits <= 8 else None
    return _Bmp(abs(rows), columns, bits, rows > 0, start, order, palette)


def _order(file: BinaryIO, size: int) -> tuple[int, ...]:
    """Which bytes of a pixel are red, green, blue and opacity; older headers have their masks behind them."""
    file.seek(54)
    masks = struct.unpack("<4I", _read(file, 16))[: 4 if size >= 56 else 3]
    masks = masks[:3] if masks[3:] == (0,) else masks
    if len({*masks}) < len(masks) or not {*masks} <= {*_BYTES}:
        said = ", ".join(f"{mask:08X}" for mask in masks)
        raise ImageRefused(f"BMP of masks {said}, expected a byte for each of red, green and blue")
    return tuple(_BYTES[mask] for mask in masks)


def _palette(file: BinaryIO, size: int, bits: int, colours: int) -> NDArray[np.uint8]:
    entry = 3 if size == 12 else 4
    count = colours or 2**bits
    if count > 2**bits:
        raise ImageRefused(f"BMP of {count} colours with {bits} bits per pixel: the file is damaged")
    file.seek(14 + size)
    return np.frombuffer(_read(file, entry * count), np.uint8).reshape(count, entry)[:, 2::-1]


def _read(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise ImageRefused("BMP whose header is cut off")
    return data


def _pixels(path: Path, found: _Bmp) -> Pixels:
    stride = -(-found.columns * found.bits // 32) * 4
    with path.open("rb") as file:
        file.seek(found.start)
        data = file.read(stride * found.rows)
    if len(data) < stride * found.rows:
        raise ImageRefused(f"BMP of {found.rows} x {found.columns} pixels of which some are missing: cut off")
    rows = np.frombuffer(data, np.uint8).reshape(found.rows, stride)
    rows = rows[::-1] if found.upward else rows
    return _colours(rows, found) if found.palette is None else _looked_up(rows, found, found.palette)


def _colours(rows: NDArray[np.uint8], found: _Bmp) -> Pixels:
    size = found.bits // 8
    pixels = rows[:, : found.columns * size].reshape(found.rows, found.columns, size)[..., list(found.order)]
    return without_alpha(pixels, 3, 255) if len(found.order) == 4 else pixels


def _looked_up(rows: NDArray[np.uint8], found: _Bmp, palette: NDArray[np.uint8]) -> Pixels:
    if found.bits == 1:
        rows = np.unpackbits(rows, axis=1)
    elif found.bits == 4:
        rows = np.stack([rows >> 4, rows & 15], axis=-1).reshape(found.rows, -1)
    indices = rows[:, : found.columns]
    if int(indices.max()) >= len(palette):
        raise ImageRefused(f"BMP with a pixel of colour {int(indices.max()) + 1}, its palette has {len(palette)}")
    return palette[indices][..., 0] if found.is_grey else palette[indices]
