"""Pictures of each format and layout, small, as encoders that are not ours write them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

RNG = np.random.default_rng(11)
GREY = RNG.integers(0, 4096, (24, 20)).astype(np.uint16)
COLOUR = RNG.integers(0, 256, (24, 20, 3)).astype(np.uint8)


def tiff(array: np.ndarray, **options: Any) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, array, **{"photometric": "minisblack", "metadata": None, **options})
    return buffer.getvalue()


def packed() -> bytes:
    """Twelve bits, in the bytes that tifffile writes as eight."""
    bits = (GREY[..., None] >> np.arange(11, -1, -1) & 1).astype(np.uint8).reshape(len(GREY), -1)
    data = bytearray(tiff(np.packbits(bits, axis=1)))
    with tifffile.TiffFile(BytesIO(data)) as file:
        at = {name: file.pages.first.tags[name].valueoffset for name in ("BitsPerSample", "ImageWidth")}
    struct.pack_into("<H", data, at["BitsPerSample"], 12)
    struct.pack_into("<H", data, at["ImageWidth"], GREY.shape[1])
    return bytes(data)


def pages() -> bytes:
    """An image, its thumbnail, another image."""
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        for array, kind in ((GREY, 0), (GREY[::4, ::4], 1), (GREY // 2, 2)):
            file.write(array, photometric="minisblack", subfiletype=kind, compression="lzw", metadata=None)
    return buffer.getvalue()


def saved(array: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def interlaced() -> bytes:
    """Grey of 16 bits by Adam7, as other libraries do not write it."""
    passes = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for a, b, c, d in passes for line in GREY[a::b, c::d])
    header = struct.pack(">IIBBBBB", GREY.shape[1], GREY.shape[0], 16, 0, 0, 0, 1)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    made = b"".join(struct.pack(">I", len(data)) + kind + data + bytes(4) for kind, data in chunks)
    return with_checksums(b"\x89PNG\r\n\x1a\n" + made)


def with_checksums(data: bytes) -> bytes:
    """The same PNG with right checksums; other files as they are."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    mended, position = bytearray(data), 8
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        if end + 4 > len(data):
            break
        mended[end : end + 4] = struct.pack(">I", zlib.crc32(data[position + 4 : end]))
        position = end + 4
    return bytes(mended)


def seeds() -> Iterator[tuple[str, bytes]]:
    """Names and bytes of pictures, and of an array."""
    yield "packed.tif", packed()
    yield "tiled.tif", tiff(GREY, tile=(16, 16), compression="zlib", predictor=True)
    yield "lzw.tif", tiff(GREY, compression="lzw", predictor=True, rowsperstrip=8)
    yield "planar.tif", tiff(np.moveaxis(COLOUR, -1, 0), photometric="rgb", planarconfig="separate")
    yield "imagej.tif", tiff(np.stack([GREY, GREY // 2, GREY // 3]), photometric=None, imagej=True)
    yield "shaped.tif", tiff(np.stack([GREY, GREY // 2]), truncate=True, metadata={})
    yield "zstd.tif", tiff(GREY.astype(np.float32), compression="zstd", predictor=True)
    yield "packbits.tif", tiff(COLOUR, photometric="rgb", compression="packbits", bigtiff=True, byteorder=">")
    yield "jpeg.tif", tiff(COLOUR, photometric="rgb", compression="jpeg", rowsperstrip=8)
    yield "jpeg2000.tif", tiff(COLOUR, photometric="rgb", compression="jpeg2000")
    yield "lzma.tif", tiff(GREY, compression="lzma")
    yield "palette.tif", tiff(COLOUR[..., 0], photometric="palette", colormap=RNG.integers(0, 65536, (3, 256)))
    yield (
        "alpha.tif",
        tiff(np.dstack([COLOUR, np.full(GREY.shape, 255, np.uint8)]), photometric="rgb", extrasamples=[2]),
    )
    yield "white.tif", tiff(GREY, photometric="miniswhite", byteorder=">")
    yield "pages.tif", pages()
    yield "grey.png", saved(GREY, "PNG")
    yield "palette.png", saved(Image.fromarray(COLOUR).quantize(16), "PNG", bits=4, transparency=bytes([255] * 16))
    yield "alpha.png", saved(np.dstack([COLOUR, np.full(GREY.shape, 255, np.uint8)]), "PNG")
    yield "interlaced.png", interlaced()
    yield "grey.jpg", saved(COLOUR[..., 0], "JPEG")
    yield "colour.jpg", saved(COLOUR, "JPEG", progressive=True)
    yield "lossless.jpg", bytes(imagecodecs.jpeg8_encode(GREY, lossless=True, bitspersample=12))
    yield "grey.bmp", saved(COLOUR[..., 0], "BMP")
    yield "colour.bmp", saved(COLOUR, "BMP")
    yield "raw.pgm", b"P5\n20 24\n4095\n" + GREY.astype(">u2").tobytes()
    yield "plain.ppm", b"P3\n20 24\n255\n" + " ".join(map(str, COLOUR.ravel())).encode()
    array = BytesIO()
    np.save(array, GREY)
    yield "array.npy", array.getvalue()
