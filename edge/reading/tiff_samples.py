"""The samples of a TIFF's image: from the file as they are, by libtiff, or strip by strip by tifffile's decoders.

Nothing that is missing is filled.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import ImageRefused
from .frame import Pixels
from .jpeg import Stream, read_stream, require_complete
from .pictures import decoding, within_bits
from .tiff_directory import TAGS
from .tiff_page import COMPRESSIONS, JPEG, JPEG_2000, LOSSY, LZW, NONE, Page

_MOST_READ = 4
"""A file is read as a whole where it is at most so many times as large as the image that is decoded."""


def samples_of(page: Page, plane: int) -> Pixels:
    """Decode the samples [planes, rows, columns, samples] of an image, or of a plane behind it. Raises ImageRefused."""
    start = contiguous(page)
    if start is not None:
        return _read(page, start + plane * page.bytes)
    segments = _segments(page)
    with decoding(f"the image data of the TIFF is damaged or cut off ({COMPRESSIONS[page.compression]})"):
        return _by_libtiff(page) if _is_for_libtiff(page, segments) else _assembled(page, segments)


def contiguous(page: Page) -> int | None:
    """Give the position of the samples of an image that lies in the file as it is in memory; None for others.

    Raises ImageRefused where a part is missing.
    """
    if page.compression != NONE or page.directory.number(266, 1) != 1 or page.bits != 8 * page.dtype.itemsize:
        return None
    if page.tiled and page.chunk != (page.rows, page.columns):
        return None
    segments = _segments(page)
    adjacent = all(at + size == following for (at, size), (following, _) in pairwise(segments))
    total = sum(size for _, size in segments)
    return segments[0][0] if adjacent and (total == page.bytes or (len(segments) == 1 and total > page.bytes)) else None


def _read(page: Page, start: int) -> Pixels:
    file = page.directory.file
    file.seek(start)
    data = np.empty(page.bytes, np.uint8)
    if file.readinto(data) < page.bytes:  # type: ignore[attr-defined]
        raise ImageRefused("the image data of the TIFF reaches beyond the end of the file, which is cut off")
    samples = data.view(np.dtype(page.directory.form.order + page.dtype.str[1:]))
    if not samples.dtype.isnative:
        samples = samples.byteswap(inplace=True).view(page.dtype)
    return samples.reshape(page.planes, page.rows, page.columns, page.samples // page.planes)


def _segments(page: Page) -> list[tuple[int, int]]:
    """Position and size of each strip or tile, all of them there and within the file. What has no size would be
    filled with zeros by others."""
    names = (324, 325) if page.tiled else (273, 279)
    expected = -(-page.rows // page.chunk[0]) * -(-page.columns // page.chunk[1]) * page.planes
    for tag in names:
        if (count := page.directory.count(tag)) < expected:
            raise ImageRefused(f"TIFF tag {TAGS[tag]} has {count} values, expected {expected}")
    offsets, sizes = (page.directory.numbers(tag)[:expected] for tag in names)
    end = page.directory.file.seek(0, 2)
    kind = "tile" if page.tiled else "strip"
    for number, (offset, size) in enumerate(zip(offsets, sizes, strict=True)):
        if size < 1 or offset < 8:
            raise ImageRefused(f"TIFF whose {kind} {number + 1} is missing ({size} bytes at {offset})")
        if offset + size > end:
            raise ImageRefused(f"TIFF whose {kind} {number + 1} reaches beyond the end of the file, which is cut off")
    return list(zip(offsets, sizes, strict=True))


def _is_for_libtiff(page: Page, segments: list[tuple[int, int]]) -> bool:
    """LZW is decoded faster by libtiff, which takes the whole file: not for pages that are a small part of it."""
    small = page.directory.file.seek(0, 2) <= _MOST_READ * sum(size for _, size in segments) + 2**20
    return page.compression == LZW and page.bits == 8 * page.dtype.itemsize and page.bits <= 32 and small


def _by_libtiff(page: Page) -> Pixels:
    import imagecodecs

    page.directory.file.seek(0)
    pixels: Pixels = imagecodecs.tiff_decode(page.directory.file.read(), index=page.directory.ordinal)
    if pixels.dtype != page.dtype:
        raise ImageRefused("TIFF of a maker whose tags do not mean what the format says")
    return pixels.reshape(page.planes, page.rows, page.columns, page.samples // page.planes)


def _assembled(page: Page, segments: list[tuple[int, int]]) -> Pixels:
    decode = _decoder(page)
    pixels = np.empty((page.planes, page.rows, page.columns, page.samples // page.planes), page.dtype)
    for index, (offset, size) in enumerate(segments):
        page.directory.file.seek(offset)
        data = page.directory.file.read(size)
        stream = _checked_stream(data, page)
        segment, (sample, _, row, column, _), _ = decode(data, index)
        if stream is not None:
            require_complete(segment, _samples_by(decode, index), data, stream)
        if page.compression in LOSSY and not (segment.dtype == page.dtype and within_bits(segment, page.bits)):
            raise _contradiction(page)
        high, wide = min(page.chunk[0], page.rows - row), min(page.chunk[1], page.columns - column)
        pixels[sample, row : row + high, column : column + wide] = segment[0, :high, :wide]
    return pixels


def _samples_by(decode: Callable[..., Any], index: int) -> Callable[[bytes], Pixels]:
    """Decoder of other data in the place of a strip or tile."""
    return lambda data: decode(data, index)[0]


def _contradiction(page: Page) -> ImageRefused:
    name = COMPRESSIONS[page.compression]
    return ImageRefused(f"TIFF with {name} data of other size or bits than its tags say")


def _decoder(page: Page) -> Callable[..., Any]:
    """tifffile's decoder of a strip or tile, where it understands the tags as they are understood here: it mends
    those of some makers."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it finds odd was judged here before
    file = page.directory.file
    flags: dict[str, Any] = dict.fromkeys((f"is_{flag}" for flag in tifffile.TIFF.FILE_FLAGS), False)
    file.seek(0)  # else what lies before is no part of it
    whole = tifffile.TiffFile(file, name="image.tif", **flags)
    file.seek(page.directory.position)
    theirs = tifffile.TiffPage(whole, 0)
    per_plane = page.samples // page.planes
    ours = (page.planes, 1, page.rows, page.columns, per_plane)
    chunk = (theirs.tilelength, theirs.tilewidth) if theirs.is_tiled else (theirs.rowsperstrip, theirs.imagewidth)
    if (theirs.shaped, theirs.bitspersample, theirs.compression, theirs.predictor, chunk, theirs.is_tiled) != (
        ours, page.bits, page.compression, page.predictor, page.chunk, page.tiled
    ):  # fmt: skip
        raise ImageRefused("TIFF of a maker whose tags do not mean what the format says")
    return partial(theirs.decode, jpegtables=page.directory.data(347) or None)


def _checked_stream(data: bytes, page: Page) -> Stream | None:
    """Refuse a strip or tile of a compression of pictures that is cut off, or of another size than the tags say:
    decoders fill what is missing, and allocate what is said. Give the stream of a JPEG."""
    stream, bits = None, page.bits
    if page.compression == JPEG:
        stream = read_stream(data)
        size, bits = stream.rows * stream.columns, stream.bits
    elif page.compression == JPEG_2000:
        size = _size_of_jpeg_2000(data)
    else:
        return None
    if size > page.chunk[0] * page.chunk[1] or bits != page.bits:
        raise _contradiction(page)
    return stream


def _size_of_jpeg_2000(data: bytes) -> int:
    """The pixels of a codestream (ITU-T T.800 A.5.1)."""
    start = data.find(b"\xff\x4f\xff\x51")
    if start < 0 or len(data) < start + 24 or not data.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise ImageRefused("TIFF with JPEG 2000 data that is damaged or cut off")
    right, bottom, left, top = struct.unpack_from(">4I", data, start + 8)
    return max(right - left, 0) * max(bottom - top, 0)
