"""What the streams of the JPEG family say of themselves: decoders give their values and leave their shape to the
header, which may be another's."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ...errors import ImageRefused
from .image_pixel import ImagePixel

_CODESTREAM = b"\xff\x4f\xff\x51"
"""The two markers that a JPEG 2000 codestream begins with, the second of its image and tile sizes (T.800 A.5.1)."""
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG's and JPEG-LS's frame headers (T.81 B.1.1.3, T.87 C.1.1)."""
_ALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers without a segment."""
_SEQUENTIAL, _SCAN = {0xC0, 0xC1}, 0xDA
_WHOLE_BLOCK = b"\x00\x3f\x00"
"""Spectral selection and approximation of every scan of a sequential stream (T.81 table B.3)."""


@dataclass(frozen=True)
class Stream:
    """The size, samples a pixel and bits a sample of a compressed image."""

    rows: int
    columns: int
    samples_per_pixel: int
    precision: int
    signed: bool = False


def stream_of(data: bytes) -> Stream | None:
    """Read what a JPEG, JPEG-LS or JPEG 2000 stream says of itself; None where it says nothing that can be read."""
    try:
        start = data.find(_CODESTREAM) if not data.startswith(b"\xff\xd8") else -1
        return _jpeg(data) if start < 0 else _jpeg_2000(data, start + len(_CODESTREAM))
    except (struct.error, IndexError):
        return None


def check_stream(data: bytes, stored: ImagePixel, frame: str) -> None:
    """Refuse a stream that is another than its header says: one of the same number of pixels would be decoded."""
    stream = stream_of(data)
    if stream is None:
        raise ImageRefused(f"the compressed stream of {frame} has no readable header")
    if (stream.rows, stream.columns) != (stored.rows, stored.columns):
        raise ImageRefused(
            f"the compressed stream of {frame} has {stream.rows} x {stream.columns} pixels, Rows and Columns say "
            f"{stored.rows} x {stored.columns}"
        )
    if stream.samples_per_pixel != stored.samples_per_pixel:
        raise ImageRefused(
            f"the compressed stream of {frame} has {stream.samples_per_pixel} samples a pixel, SamplesPerPixel says "
            f"{stored.samples_per_pixel}"
        )
    if stream.precision > stored.bits_allocated:
        raise ImageRefused(
            f"the compressed stream of {frame} has {stream.precision} bits a sample, BitsAllocated says "
            f"{stored.bits_allocated}"
        )
    if stream.signed and not stored.pixel_representation:
        raise ImageRefused(f"the compressed stream of {frame} is signed, PixelRepresentation says unsigned")


def with_whole_blocks(data: bytes) -> bytes:
    """Give a sequential JPEG stream the scan parameters that all such have: some encoders write zeros, which libjpeg
    refuses and other decoders pass over, since there is no choice. Other streams are as they were."""
    found = dict(_markers(data))
    if _SCAN not in found or not _SEQUENTIAL & found.keys():
        return data
    end = found[_SCAN] + 2 + int(struct.unpack_from(">H", data, found[_SCAN] + 2)[0])
    return data[: end - 3] + _WHOLE_BLOCK + data[end:]


def _jpeg_2000(data: bytes, at: int) -> Stream:
    _, _, columns, rows, left, top = struct.unpack_from(">HHLLLL", data, at)
    samples, depth = struct.unpack_from(">HB", data, at + 36)
    return Stream(rows - top, columns - left, samples, (depth & 0x7F) + 1, bool(depth & 0x80))


def _jpeg(data: bytes) -> Stream | None:
    for marker, at in _markers(data):
        if marker in _FRAMES:
            precision, rows, columns, samples = struct.unpack_from(">BHHB", data, at + 4)
            return Stream(rows, columns, samples, precision)
    return None


def _markers(data: bytes) -> Iterator[tuple[int, int]]:
    """Walk a JPEG's markers and where they stand, up to the first scan."""
    at, marker = 2, 0
    while marker != _SCAN and data[at : at + 1] == b"\xff":
        marker = data[at + 1]
        yield marker, at
        segment = 0 if marker in _ALONE else struct.unpack_from(">H", data, at + 2)[0]
        at += 1 if marker == 0xFF else 2 + segment
