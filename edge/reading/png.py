"""PNG (ISO/IEC 15948): grey, colour and palettes of 1 to 16 bit, interlaced or not.

Samples of less than 8 bits are scaled to 8, as the format means them; sBIT, gAMA and profiles change nothing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import ImageRefused
from .frame import Frame, Header, ImageFile, Pixels
from .pictures import decoding, require_size, without_alpha

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bit depths by colour type (table 11.1)."""
_GREY, _PALETTE = 0, 3
_COLOUR, _ALPHA = 2, 4
"""Bits of the colour type."""
_LARGE = 2**16
"""Bytes of a chunk other than image data: larger ones (profiles, text) are not read."""


@dataclass(frozen=True)
class _Chunk:
    """A chunk, or several of image data, one after the other. data: empty for image data and what is too large to be
    of use. position, end: in the file."""

    kind: str
    position: int
    end: int
    data: bytes


@dataclass(frozen=True)
class _Png:
    rows: int
    columns: int
    depth: int
    colour: int
    interlace: int
    chunks: tuple[_Chunk, ...]
    data_start: int
    data_end: int

    @classmethod
    def of(cls, chunks: tuple[_Chunk, ...]) -> _Png:
        first = chunks[0]
        if first.kind != "IHDR" or len(first.data) != 13:
            raise ImageRefused("PNG without chunk IHDR at its beginning: the file is damaged")
        columns, rows, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", first.data)
        if depth not in _DEPTHS.get(colour, ()):
            raise ImageRefused(f"PNG of colour type {colour} with {depth} bits, which the format does not have")
        if compression or filtering or interlace > 1:
            raise ImageRefused(
                f"PNG of compression {compression}, filter {filtering}, interlace {interlace}, expected 0, 0, 0 or 1"
            )
        data = [chunk for chunk in chunks if chunk.kind == "IDAT"]
        if len(data) != 1:
            raise ImageRefused(f"PNG whose chunks IDAT stand in {len(data)} places, expected one")
        return cls(rows, columns, depth, colour, interlace, chunks, data[0].position, data[0].end)

    def first(self, kind: str) -> bytes | None:
        return next((chunk.data for chunk in self.chunks if chunk.kind == kind), None)


def open_png(path: Path) -> ImageFile:
    """Open a PNG: its chunks are walked through, its image data is decoded when it is asked for.

    Raises ImageRefused.
    """
    with path.open("rb") as file:
        png = _Png.of(tuple(_chunks(file)))
    samples = 3 if png.colour & _COLOUR else 1
    require_size(png.rows, png.columns, samples)
    _refuse_animation(png)
    header = Header(
        rows=png.rows,
        columns=png.columns,
        samples_per_pixel=samples,
        bits_allocated=16 if png.depth == 16 else 8,
        photometric_interpretation="RGB" if samples == 3 else "MONOCHROME2",
    )
    return ImageFile(header, lambda index: Frame(header, _pixels(path, png)))


def _refuse_animation(png: _Png) -> None:
    """Refuse an animation, whatever its control chunk counts; the default picture may be no part of it."""
    control = png.first("acTL")
    if control is None or len(control) != 8:
        return
    kinds = [chunk.kind for chunk in png.chunks]
    frames = max(struct.unpack(">I", control[:4])[0], kinds.count("fcTL"), 1 + ("fdAT" in kinds))
    if frames > 1:
        raise ImageRefused(f"an animated PNG of {frames} frames, expected a still picture")


def _chunks(file: BinaryIO) -> Iterator[_Chunk]:
    """Walk through the chunks to IEND; the checksum of image data is left to the decoder."""
    data = file.read()
    position = len(_SIGNATURE)
    image_start = None
    while True:
        if position + 8 > len(data):
            raise ImageRefused("PNG without chunk IEND: the file is cut off")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if not kind.isalpha():
            raise ImageRefused(f"PNG without a chunk at byte {position}, where one must begin: the file is damaged")
        if end > len(data):
            raise ImageRefused(f"PNG chunk {kind.decode()} of {length} bytes reaches beyond the file, which is cut off")
        if kind == b"IDAT":
            image_start = position if image_start is None else image_start
            position = end
            continue
        if image_start is not None:
            yield _Chunk("IDAT", image_start, position, b"")
            image_start = None
        small = length <= _LARGE and kind != b"fdAT"
        kept = data[position + 8 : end - 4] if small else b""
        if small and zlib.crc32(kind + kept) != int.from_bytes(data[end - 4 : end], "big"):
            raise ImageRefused(f"PNG chunk {kind.decode()}: wrong checksum, the file is damaged")
        yield _Chunk(kind.decode(), position, end, kept)
        if kind == b"IEND":
            return
        position = end


def _pixels(path: Path, png: _Png) -> Pixels:
    if png.colour == _PALETTE:
        return _coloured(_decoded(path, png, _GREY), png)
    pixels = _decoded(path, png, png.colour)
    transparent = png.first("tRNS")
    if png.colour & _ALPHA:
        return without_alpha(pixels, pixels.shape[2] - 1, np.iinfo(pixels.dtype).max)
    if transparent is not None:
        _refuse_transparent(pixels, transparent, png)
    return pixels


def _decoded(path: Path, png: _Png, colour: int) -> Pixels:
    """Decode by libpng, which is given what concerns the pixels and nothing else: what it warns of concerns them.

    colour: the colour type; of a palette that of grey, as if indices were shades: the library gives no indices, and
    takes such as lie beyond the palette.
    """
    import imagecodecs

    with decoding("the image data of the PNG is damaged or cut off (checksum, compression or length)"):
        pixels: Pixels = imagecodecs.png_decode(_plain(path, png, colour))
    if pixels.shape[:2] != (png.rows, png.columns):
        raise ImageRefused("the image data of the PNG is damaged or cut off (checksum, compression or length)")
    return pixels


def _plain(path: Path, png: _Png, colour: int) -> bytearray:
    """The same PNG without anything that does not concern its pixels."""
    header = struct.pack(">IIBBBBB", png.columns, png.rows, png.depth, colour, 0, 0, png.interlace)
    before, end = _SIGNATURE + _chunk(b"IHDR", header), _chunk(b"IEND", b"")
    length = png.data_end - png.data_start
    plain = bytearray(len(before) + length + len(end))
    plain[: len(before)], plain[len(before) + length :] = before, end
    with path.open("rb") as file:
        file.seek(png.data_start)
        file.readinto(memoryview(plain)[len(before) : len(before) + length])
    return plain


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _coloured(shades: Pixels, png: _Png) -> Pixels:
    """The colours [rows, columns, 3] of indices that were decoded as shades of 8 bits."""
    indices = shades // (255 // (2**png.depth - 1))
    palette = np.frombuffer(png.first("PLTE") or b"", np.uint8)
    if palette.size % 3 or int(indices.max()) >= palette.size // 3:
        raise ImageRefused(
            f"PNG with a pixel of colour {int(indices.max()) + 1}, its chunk PLTE has {palette.size // 3}"
        )
    alpha = np.full(256, 255, np.uint8)
    transparent = np.frombuffer(png.first("tRNS") or b"", np.uint8)[:256]
    alpha[: transparent.size] = transparent
    if (alpha < 255).any():
        without_alpha(np.stack([indices, alpha[indices]], axis=-1), 1, 255)
    return palette.reshape(-1, 3)[indices]


def _refuse_transparent(pixels: Pixels, colour: bytes, png: _Png) -> None:
    """Refuse pixels of the one colour that chunk tRNS makes transparent."""
    samples = 3 if png.colour & _COLOUR else 1
    if len(colour) != 2 * samples:
        raise ImageRefused(f"PNG chunk tRNS of {len(colour)} bytes, expected {2 * samples}")
    scale = 255 // (2**png.depth - 1) if png.depth < 8 else 1
    hidden = (np.frombuffer(colour, ">u2") * scale).reshape(1, 1, samples)
    opaque = (pixels.reshape(png.rows, png.columns, samples) != hidden).any(axis=2)
    without_alpha(np.stack([opaque, opaque], axis=-1), 1, True)
