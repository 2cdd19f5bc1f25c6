"""PGM and PPM, and bitmaps of PBM (https://netpbm.sourceforge.net/doc/pgm.html): one picture in a file.

Values are given as stored, and the highest possible one (maxval) as bits: 4095 is 12 bits of 16. Libraries differ in
whether they scale, and guess how many pictures there are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ImageRefused
from .frame import Frame, Header, ImageFile, Pixels
from .pictures import require_size

_KINDS = {b"P1": "PBM", b"P2": "PGM", b"P3": "PPM", b"P4": "PBM", b"P5": "PGM", b"P6": "PPM"}
_PLAIN = (b"P1", b"P2", b"P3")
_TOKEN = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])*([0-9]+)")
_COMMENT = re.compile(rb"#[^\r\n]*")


@dataclass(frozen=True)
class _Netpbm:
    """start: where the pixels begin."""

    magic: bytes
    columns: int
    rows: int
    maxval: int
    start: int

    @property
    def kind(self) -> str:
        return _KINDS[self.magic]

    @property
    def samples(self) -> int:
        return 3 if self.kind == "PPM" else 1


def open_netpbm(path: Path) -> ImageFile:
    """Open a PBM, PGM or PPM; its pixels are read when they are asked for.

    Raises ImageRefused.
    """
    with path.open("rb") as file:
        found = _header(file.read(4096))
    require_size(found.rows, found.columns, found.samples)
    bits, container = found.maxval.bit_length(), 8 if found.maxval < 256 else 16
    header = Header(
        rows=found.rows,
        columns=found.columns,
        samples_per_pixel=found.samples,
        bits_allocated=container,
        bits_stored=bits if bits != container else None,
        photometric_interpretation={"PBM": "MONOCHROME1", "PGM": "MONOCHROME2", "PPM": "RGB"}[found.kind],
    )
    return ImageFile(header, lambda index: Frame(header, _pixels(path, found)))


def _header(data: bytes) -> _Netpbm:
    magic, position = data[:2], 2
    values = []
    for _ in range(2 if _KINDS[magic] == "PBM" else 3):
        match = _TOKEN.match(data, position)
        if match is None or len(match[1]) > 10:
            raise ImageRefused(f"{_KINDS[magic]} whose header is damaged, expected columns, rows and maxval")
        values.append(int(match[1]))
        position = match.end()
    columns, rows, maxval = (*values, 1)[:3]
    # A sample is a share of maxval: a range that is no number of bits could not be told to whoever takes the pixels.
    if not 1 <= maxval <= 65535 or maxval & (maxval + 1):
        raise ImageRefused(f"{_KINDS[magic]} of maxval {maxval}, expected 255, 65535 or another 2^n - 1 between")
    return _Netpbm(magic, columns, rows, maxval, position + 1)


def _pixels(path: Path, found: _Netpbm) -> Pixels:
    with path.open("rb") as file:
        file.seek(found.start)
        data = file.read()
    values = _plain(data, found) if found.magic in _PLAIN else _raw(data, found)
    if values.size and int(values.max()) > found.maxval:
        raise ImageRefused(f"{found.kind} with a pixel of {int(values.max())}, its maxval is {found.maxval}")
    shape = (found.rows, found.columns, found.samples)
    return values.reshape(shape if found.samples > 1 else shape[:2])


def _raw(data: bytes, found: _Netpbm) -> Pixels:
    dtype: np.dtype[Any] = np.dtype(np.uint8 if found.maxval < 256 else ">u2")
    row = -(-found.columns // 8) if found.kind == "PBM" else found.columns * found.samples
    count = found.rows * row
    _require_one(len(data) - count * dtype.itemsize, data[count * dtype.itemsize :], found)
    if found.kind == "PBM":
        return np.unpackbits(np.frombuffer(data, np.uint8, count).reshape(found.rows, row), axis=1)[:, : found.columns]
    return np.frombuffer(data, dtype, count).astype(dtype.newbyteorder("="))


def _plain(data: bytes, found: _Netpbm) -> Pixels:
    text = _COMMENT.sub(b" ", data)
    count = found.rows * found.columns * found.samples
    if re.search(rb"[^0-9\s]", text):
        raise ImageRefused(f"{found.kind} with other than digits among its pixels: damaged, or more than one picture")
    # Of a bitmap the digits need not be apart.
    words = re.findall(rb"[0-9]", text) if found.kind == "PBM" else text.split()
    _require_one(len(words) - count, b"", found)
    if any(len(word) > 10 for word in words):
        raise ImageRefused(f"{found.kind} with a pixel of more than ten digits, its maxval is {found.maxval}")
    values = np.array(words, dtype=bytes).astype(np.int64)
    return np.minimum(values, 65535).astype(np.uint8 if found.maxval < 256 and values.max() < 256 else np.uint16)


def _require_one(beyond: int, rest: bytes, found: _Netpbm) -> None:
    """Refuse pixels that are missing, and a picture behind the first. beyond: how many are too many."""
    if beyond < 0:
        raise ImageRefused(f"{found.kind} of {found.rows} x {found.columns} pixels of which some are missing: cut off")
    if rest.strip() or (beyond and not rest):
        raise ImageRefused(f"{found.kind} with more behind its picture, expected one picture in a file")
