"""TIFF and BigTIFF: every image of full resolution is a frame, as are the planes of ImageJ's, tifffile's and
MetaMorph's stacks that have one directory.

Thumbnails, masks and the lower levels of pyramids are none. Channels and time points of a stack are frames in the
order in which they lie. No other file is opened, whatever an OME-TIFF refers to.
"""

from __future__ import annotations

import logging
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageRefused
from .frame import MAX_FRAMES, Frame, Header, ImageFile, Pixels
from .jpeg import Stream, read_stream, require_complete
from .pictures import decoding, require_size, within_bits, without_alpha
from .tiff_directory import TAGS, Directory, directories, read_directory, read_form

_NONE, _LZW, _JPEG, _WEBP, _JPEG_2000 = 1, 5, 7, 50001, 34712
_COMPRESSIONS = {
    1: "none", 5: "LZW", 7: "JPEG", 8: "Deflate", 32946: "Deflate", 32773: "PackBits", 34712: "JPEG 2000",
    34925: "LZMA", 50000: "Zstandard", 50001: "WebP",
}  # fmt: skip
_OTHER_COMPRESSIONS = {
    2: "CCITT, of fax machines", 3: "CCITT, of fax machines", 4: "CCITT, of fax machines", 6: "JPEG of the old kind",
    9: "JBIG", 10: "JBIG", 22610: "JPEG XR", 32766: "NeXT", 32809: "ThunderScan", 33003: "JPEG 2000 of Aperio",
    33005: "JPEG 2000 of Aperio", 33007: "JPEG of Alioth", 34661: "JBIG", 34676: "LogLuv", 34677: "LogLuv",
    34713: "Nikon", 34887: "LERC", 34892: "lossy JPEG of DNG", 34933: "PNG", 34934: "JPEG XR", 50002: "JPEG XL",
    52546: "JPEG XL", 65000: "EER", 65001: "EER", 65002: "EER",
}  # fmt: skip
_LOSSY = (_JPEG, _WEBP, _JPEG_2000)
_PREDICTED = (5, 8, 32946, 34925, 50000)
"""Compressions that have a predictor (TIFF 6.0 section 14, and libtiff)."""
_MOST_READ = 4
"""A file is read as a whole where it is at most so many times as large as the image that is decoded."""
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_OTHER_MEANINGS = {
    4: "a transparency mask", 5: "separated colours, CMYK", 8: "CIE L*a*b*", 9: "ICC L*a*b*", 10: "ITU L*a*b*",
    32803: "the colour filter array of a camera", 32844: "CIE Log2(L)", 32845: "CIE Log2(L)(u',v')",
    34892: "linear raw of a camera", 51177: "depth", 52527: "a semantic mask",
}  # fmt: skip
_FORMATS = {1: "u", 2: "i", 3: "f"}
_OTHER_FORMATS = {4: "undefined", 5: "complex whole numbers", 6: "complex numbers"}
_REDUCED, _MASK = 1, 4
"""Bits of NewSubfileType."""
_OPACITY = (1, 2)
"""Values of ExtraSamples."""


@dataclass(frozen=True)
class _Page:
    """What a directory says of its image, as far as it can be decoded. samples: with opacity and other extra ones.
    alpha: the sample that is opacity. chunk: rows and columns of a strip or tile. planes: samples that lie apart."""

    directory: Directory
    rows: int
    columns: int
    samples: int
    alpha: int | None
    bits: int
    dtype: np.dtype[Any]
    meaning: int
    compression: int
    predictor: int
    planes: int
    tiled: bool
    chunk: tuple[int, int]

    @property
    def bytes(self) -> int:
        """Size of the decoded image."""
        return self.rows * self.columns * self.samples * self.dtype.itemsize


def open_tiff(path: Path) -> ImageFile:
    """Open a TIFF: its directories are read, its pixels when they are asked for.

    The header is the first frame's. Raises ImageRefused.
    """
    with path.open("rb") as file:
        found = [directory for directory in directories(file) if _is_frame(directory)]
        if not found:
            raise ImageRefused("TIFF of thumbnails and masks alone (tag NewSubfileType), expected an image")
        frames = [
            (directory.position, directory.ordinal, plane)
            for directory in found
            for plane in range(_stacked(directory, given=len(found) if directory is found[0] else 0))
        ]
        header = replace(_header(_page(found[0])), frames=len(frames))
    return ImageFile(header, lambda index: _frame(path, len(frames), *frames[index]))


def _is_frame(directory: Directory) -> bool:
    """Say whether a directory's image is one of full resolution. Old readers know another tag for it."""
    return not directory.number(254, 0) & (_REDUCED | _MASK) and directory.number(255, 1) != 2


def _stacked(directory: Directory, given: int) -> int:
    """How many planes lie one after the other where a directory has the first. given: images with directories of
    their own, of the file's first one."""
    promised, alone = _promised(directory), given == 1 or b'"truncated": true' in directory.descriptions()
    if directory.count(33629) or (alone and promised > 1):
        _require_planes(directory, promised)
        return promised
    if promised > given > 1 and directory.descriptions().startswith(b"ImageJ="):
        raise ImageRefused(f"TIFF whose description promises {promised} images, and has {given} of them")
    return 1


def _promised(directory: Directory) -> int:
    """How many planes a stack's description promises: MetaMorph's, ImageJ's, tifffile's."""
    if directory.count(33629):
        return directory.count(33629)
    text = directory.descriptions()
    if text.startswith(b"ImageJ="):
        images = re.search(rb"^images=(\d{1,9})\s*$", text, re.MULTILINE)
        return int(images[1]) if images else 1
    values = _shaped(text)
    page = _page(directory) if values else None
    size = page.rows * page.columns * page.samples if page else 0
    return values // size if size and values % size == 0 else 1


def _shaped(text: bytes) -> int:
    """The number of values of tifffile's stack, 0 where it is none."""
    sides = re.search(rb'^(?:\{"shape": \[|shape=\()([\d, ]{1,99})[\])]', text, re.MULTILINE)
    return math.prod(map(int, re.findall(rb"\d+", sides[1]))) if sides else 0


def _require_planes(directory: Directory, promised: int) -> None:
    if promised > MAX_FRAMES:  # before there is a list of them
        raise ImageRefused(f"{promised:,} frames, expected at most {MAX_FRAMES:,} in a file")
    page = _page(directory)
    start, end = _contiguous(page), directory.file.seek(0, 2)
    if start is None or start + promised * page.bytes > end:
        raise ImageRefused(
            f"TIFF whose description promises {promised} images one after the other, and does not have them all"
        )


def _page(directory: Directory) -> _Page:
    """Read what the tags say of an image. Raises ImageRefused for what cannot be decoded, by tag and value."""
    rows, columns = directory.number(257), directory.number(256)
    samples, compression = directory.number(277, 1), directory.number(259, 1)
    meaning, bits, predictor = directory.number(262), directory.number(258, 1), directory.number(317, 1)
    require_size(rows, columns, samples)
    _require_meaning(meaning, samples, compression)
    _require_compression(compression)
    if directory.number(32997, 1) != 1:
        raise ImageRefused(f"TIFF tag ImageDepth {directory.number(32997)}, expected 1: a plane in each image")
    dtype = _dtype(directory.number(339, 1), bits)
    _require_predictor(predictor, compression, bits, dtype)
    planes = directory.number(284, 1)
    if planes not in (1, 2):
        raise ImageRefused(f"TIFF tag PlanarConfiguration {planes}, expected 1 or 2")
    alpha = _alpha(directory, samples, 3 if meaning in (_RGB, _YCBCR) else 1)
    tiled = 322 in directory
    page = _Page(
        directory, rows, columns, samples, alpha, bits, dtype, meaning, compression, predictor,
        samples if planes == 2 else 1, tiled, _chunk(directory, rows, columns, tiled),
    )  # fmt: skip
    _require_coded(page)
    return page


def _require_meaning(meaning: int, samples: int, compression: int) -> None:
    if meaning not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR):
        said = _OTHER_MEANINGS.get(meaning, "which the format does not have")
        raise ImageRefused(f"TIFF tag PhotometricInterpretation {meaning} ({said}), expected grey, RGB or a palette")
    if meaning == _YCBCR and compression != _JPEG:
        raise ImageRefused("TIFF tag PhotometricInterpretation 6 (YCbCr) without JPEG compression, expected RGB")
    least, most = {_RGB: (3, 65535), _YCBCR: (3, 3), _PALETTE: (1, 1)}.get(meaning, (1, 65535))
    if not least <= samples <= most:
        raise ImageRefused(
            f"TIFF tag SamplesPerPixel {samples} with PhotometricInterpretation {meaning}, expected {least}"
        )


def _require_compression(compression: int) -> None:
    if compression not in _COMPRESSIONS:
        said = _OTHER_COMPRESSIONS.get(compression, "unknown")
        known = ", ".join(dict.fromkeys(_COMPRESSIONS.values()))
        raise ImageRefused(f"TIFF compression {compression} ({said}) is not supported, expected {known}")


def _require_predictor(predictor: int, compression: int, bits: int, dtype: np.dtype[Any]) -> None:
    whole = dtype.kind in "iu" and bits == 8 * dtype.itemsize
    if predictor == 1 or (predictor == 2 and whole) or (predictor == 3 and dtype.kind == "f"):
        if predictor == 1 or compression in _PREDICTED:
            return
        raise ImageRefused(f"TIFF tag Predictor {predictor} with compression {_COMPRESSIONS[compression]}, expected 1")
    raise ImageRefused(f"TIFF tag Predictor {predictor} with samples of {bits} bits, expected 1")


def _dtype(sample_format: int, bits: int) -> np.dtype[Any]:
    """The type of decoded samples: the container of so many bits."""
    if sample_format not in _FORMATS:
        said = _OTHER_FORMATS.get(sample_format, "which the format does not have")
        raise ImageRefused(f"TIFF tag SampleFormat {sample_format} ({said}), expected 1, 2 or 3: numbers")
    kind = _FORMATS[sample_format]
    allowed = {"u": (*range(1, 33), 64), "i": (8, 16, 32, 64), "f": (16, 32, 64)}[kind]
    if bits not in allowed:
        raise ImageRefused(f"TIFF tag BitsPerSample {bits} with SampleFormat {sample_format}, which is not supported")
    return np.dtype(f"{kind}{next(size for size in (1, 2, 4, 8) if 8 * size >= bits)}")


def _alpha(directory: Directory, samples: int, base: int) -> int | None:
    """Which sample is opacity, by tag ExtraSamples; other extra samples are samples like the first."""
    extra = directory.numbers(338)
    opacity = [base + index for index, value in enumerate(extra) if value in _OPACITY]
    if len(opacity) > 1 or (opacity and base + len(extra) != samples) or any(value > 2 for value in extra):
        said = ", ".join(map(str, extra[:8]))
        raise ImageRefused(f"TIFF tag ExtraSamples {said} with SamplesPerPixel {samples}, expected one opacity at most")
    return opacity[0] if opacity else None


def _chunk(directory: Directory, rows: int, columns: int, tiled: bool) -> tuple[int, int]:
    """Rows and columns of a tile, or of a strip."""
    if not tiled:
        chunk = (min(directory.number(278, rows), rows), columns)
    elif directory.number(32998, 1) != 1:
        raise ImageRefused(f"TIFF tag TileDepth {directory.number(32998)}, expected 1")
    else:
        chunk = (directory.number(323), directory.number(322))
    require_size(*chunk, directory.number(277, 1))
    return chunk


def _require_coded(page: _Page) -> None:
    """Refuse samples that a compression of pictures does not have."""
    bits = {_JPEG: (8, 12), _JPEG_2000: tuple(range(1, 17)), _WEBP: (8,)}.get(page.compression)
    if bits and (page.bits not in bits or page.dtype.kind == "f"):
        name = _COMPRESSIONS[page.compression]
        raise ImageRefused(f"TIFF compression {name} with tag BitsPerSample {page.bits}, which it does not have")


def _header(page: _Page) -> Header:
    whole = page.dtype.kind != "f"
    container = 8 * page.dtype.itemsize
    header = Header(
        rows=page.rows,
        columns=page.columns,
        samples_per_pixel=page.samples - (page.alpha is not None),
        bits_allocated=container if whole else None,
        bits_stored=page.bits if whole and page.bits != container else None,
        signed=page.dtype.kind == "i",
        photometric_interpretation={_WHITE_IS_ZERO: "MONOCHROME1", _BLACK_IS_ZERO: "MONOCHROME2"}.get(
            page.meaning, "RGB"
        ),
        lossy_image_compression=True if page.compression in _LOSSY else None,
    )
    if page.meaning != _PALETTE:
        return header
    return replace(header, samples_per_pixel=3, bits_allocated=8 * _palette(page).itemsize, bits_stored=None)


def _palette(page: _Page) -> NDArray[Any]:
    """The colours [colours, red green blue], of 8 bits where each is: their high bytes, or twice the same."""
    values = np.array(page.directory.numbers(320), np.uint16)
    if page.dtype.kind != "u" or page.bits > 16 or values.size != 3 * 2**page.bits:
        raise ImageRefused(
            f"TIFF tag ColorMap of {values.size} values with BitsPerSample {page.bits}, expected {3 * 2**page.bits}"
        )
    high, low = values >> 8, values & 255
    eight = (low == 0).all() or (low == high).all()
    return (high.astype(np.uint8) if eight else values).reshape(3, -1).T


def _frame(path: Path, frames: int, position: int, ordinal: int, plane: int) -> Frame:
    with path.open("rb") as file:
        form, _ = read_form(file)
        directory, _ = read_directory(file, form, position, ordinal)
        page = _page(directory)
        return Frame(replace(_header(page), frames=frames), _finished(_decoded(page, plane), page))


def _finished(planes: Pixels, page: _Page) -> Pixels:
    """Of samples [planes, rows, columns, samples] make pixels [rows, columns] or [rows, columns, samples]."""
    pixels = planes[0] if len(planes) == 1 else np.ascontiguousarray(planes[..., 0].transpose(1, 2, 0))
    if page.dtype == np.float16:
        pixels = pixels.astype(np.float32)
    if page.alpha is not None:
        opaque = 1.0 if page.dtype.kind == "f" else 2 ** (page.bits - (page.dtype.kind == "i")) - 1
        return without_alpha(pixels, page.alpha, opaque)
    if page.meaning == _PALETTE:
        return _palette(page)[pixels[..., 0]]
    return pixels[..., 0] if page.samples == 1 else pixels


def _decoded(page: _Page, plane: int) -> Pixels:
    """The samples [planes, rows, columns, samples] of an image, or of a plane behind it."""
    start = _contiguous(page)
    if start is not None:
        return _read(page, start + plane * page.bytes)
    segments = _segments(page)
    with decoding(f"the image data of the TIFF is damaged or cut off ({_COMPRESSIONS[page.compression]})"):
        return _by_libtiff(page) if _is_for_libtiff(page, segments) else _assembled(page, segments)


def _contiguous(page: _Page) -> int | None:
    """Where the samples of an image begin that lies in the file as it is in memory; None for others."""
    if page.compression != _NONE or page.directory.number(266, 1) != 1 or page.bits != 8 * page.dtype.itemsize:
        return None
    if page.tiled and page.chunk != (page.rows, page.columns):
        return None
    segments = _segments(page)
    adjacent = all(at + size == following for (at, size), (following, _) in pairwise(segments))
    total = sum(size for _, size in segments)
    return segments[0][0] if adjacent and (total == page.bytes or (len(segments) == 1 and total > page.bytes)) else None


def _read(page: _Page, start: int) -> Pixels:
    file = page.directory.file
    file.seek(start)
    data = np.empty(page.bytes, np.uint8)
    if file.readinto(data) < page.bytes:  # type: ignore[attr-defined]
        raise ImageRefused("the image data of the TIFF reaches beyond the end of the file, which is cut off")
    samples = data.view(np.dtype(page.directory.form.order + page.dtype.str[1:]))
    if not samples.dtype.isnative:
        samples = samples.byteswap(inplace=True).view(page.dtype)
    return samples.reshape(page.planes, page.rows, page.columns, page.samples // page.planes)


def _segments(page: _Page) -> list[tuple[int, int]]:
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


def _is_for_libtiff(page: _Page, segments: list[tuple[int, int]]) -> bool:
    """LZW is decoded faster by libtiff, which takes the whole file: not for pages that are a small part of it."""
    small = page.directory.file.seek(0, 2) <= _MOST_READ * sum(size for _, size in segments) + 2**20
    return page.compression == _LZW and page.bits == 8 * page.dtype.itemsize and page.bits <= 32 and small


def _by_libtiff(page: _Page) -> Pixels:
    import imagecodecs

    page.directory.file.seek(0)
    pixels: Pixels = imagecodecs.tiff_decode(page.directory.file.read(), index=page.directory.ordinal)
    if pixels.dtype != page.dtype:
        raise ImageRefused("TIFF of a maker whose tags do not mean what the format says")
    return pixels.reshape(page.planes, page.rows, page.columns, page.samples // page.planes)


def _assembled(page: _Page, segments: list[tuple[int, int]]) -> Pixels:
    decode = _decoder(page)
    pixels = np.empty((page.planes, page.rows, page.columns, page.samples // page.planes), page.dtype)
    for index, (offset, size) in enumerate(segments):
        page.directory.file.seek(offset)
        data = page.directory.file.read(size)
        stream = _checked_stream(data, page)
        segment, (sample, _, row, column, _), _ = decode(data, index)
        if stream is not None:
            require_complete(segment, _samples_by(decode, index), data, stream)
        if page.compression in _LOSSY and not (segment.dtype == page.dtype and within_bits(segment, page.bits)):
            raise _contradiction(page)
        high, wide = min(page.chunk[0], page.rows - row), min(page.chunk[1], page.columns - column)
        pixels[sample, row : row + high, column : column + wide] = segment[0, :high, :wide]
    return pixels


def _samples_by(decode: Callable[..., Any], index: int) -> Callable[[bytes], Pixels]:
    """Decoder of other data in the place of a strip or tile."""
    return lambda data: decode(data, index)[0]


def _contradiction(page: _Page) -> ImageRefused:
    name = _COMPRESSIONS[page.compression]
    return ImageRefused(f"TIFF with {name} data of other size or bits than its tags say")


def _decoder(page: _Page) -> Callable[..., Any]:
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


def _checked_stream(data: bytes, page: _Page) -> Stream | None:
    """Refuse a strip or tile of a compression of pictures that is cut off, or of another size than the tags say:
    decoders fill what is missing, and allocate what is said. Give the stream of a JPEG."""
    stream, bits = None, page.bits
    if page.compression == _JPEG:
        stream = read_stream(data)
        size, bits = stream.rows * stream.columns, stream.bits
    elif page.compression == _JPEG_2000:
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
