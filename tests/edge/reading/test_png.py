"""PNG: values that Pillow reads, and no value where one is missing or transparent."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fisherlens.edge.errors import ImageRefused
from fisherlens.edge.reading import open_image
from fisherlens.edge.reading.png import open_png

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (4, 16),
          (6, 8), (6, 16)]  # fmt: skip
ADAM7 = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def made(values: np.ndarray, colour: int, depth: int, *extra: bytes, interlaced: bool = False) -> bytes:
    """A PNG of values [rows, columns, samples] without filters."""
    rows, columns, _ = values.shape
    parts = [values[a::b, c::d] for a, b, c, d in ADAM7] if interlaced else [values]
    data = b"".join(packed(part, depth) for part in parts if part.size)
    header = struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, interlaced)
    return b"".join([
        b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")
    ])  # fmt: skip


def packed(values: np.ndarray, depth: int) -> bytes:
    if depth >= 8:
        lines = values.astype(f">u{depth // 8}")
        return b"".join(b"\0" + line.tobytes() for line in lines)
    bits = (values[..., None] >> np.arange(depth - 1, -1, -1) & 1).astype(np.uint8).reshape(len(values), -1)
    return b"".join(b"\0" + line.tobytes() for line in np.packbits(bits, axis=1))


def pillows(data: bytes) -> np.ndarray:
    """The pixels without opacity, from another reader."""
    with Image.open(BytesIO(data)) as picture:
        if picture.mode in ("I;16", "I"):
            return np.asarray(picture).astype(np.uint16)
        return np.asarray(picture.convert("RGB" if picture.mode in ("P", "RGB", "RGBA") else "L"))


def read(folder: Path, data: bytes) -> np.ndarray:
    path = folder / "image.png"
    path.write_bytes(data)
    return open_image(path).frame(0).pixels


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_every_kind_gives_the_values_that_were_written(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    colour, depth = data.draw(st.sampled_from(DEPTHS))
    rows, columns, interlaced = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20)), data.draw(st.booleans())
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    values = rng.integers(0, 2**depth, (rows, columns, SAMPLES[colour]))
    if colour in (4, 6):
        values[..., -1] = 2**depth - 1
    palette = rng.integers(0, 256, (2**depth, 3)).astype(np.uint8) if colour == 3 else np.zeros((0, 3), np.uint8)
    extra = [chunk(b"PLTE", palette.tobytes())] if colour == 3 else []
    extra.insert(0, chunk(b"sBIT", bytes([min(depth, 5)] * {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[colour])))
    extra.insert(0, chunk(b"gAMA", struct.pack(">I", 100000)))
    png = made(values, colour, depth, *extra, interlaced=interlaced)
    folder = tmp_path_factory.mktemp("png")
    given_ = read(folder, png)
    expected: np.ndarray
    if colour == 3:
        expected = palette[values[..., 0]]
    else:
        expected = values[..., :-1] if colour in (4, 6) else values
        expected = expected * (255 // (2**depth - 1) if depth < 8 else 1)
        expected = expected[..., 0] if expected.shape[2] == 1 else expected
    np.testing.assert_array_equal(given_, expected)
    if depth == 8 or colour in (0, 3):
        np.testing.assert_array_equal(given_, pillows(png))
    header = open_image(folder / "image.png").header
    assert (header.bits_allocated, header.bits_stored) == (8 * given_.itemsize, None)
    assert header.photometric_interpretation == ("RGB" if given_.ndim == 3 else "MONOCHROME2")
    assert header.samples_per_pixel == (3 if given_.ndim == 3 else 1)


@pytest.mark.parametrize(("colour", "depth"), [(4, 8), (4, 16), (6, 8), (6, 16)])
def test_pixels_that_are_not_opaque_are_refused(tmp_path: Path, colour: int, depth: int) -> None:
    values = np.full((5, 6, SAMPLES[colour]), 2**depth - 1)
    values[2, 3, -1] -= 1
    with pytest.raises(ImageRefused, match="transparent pixels"):
        read(tmp_path, made(values, colour, depth))


@pytest.mark.parametrize("depth", [1, 4, 8, 16])
def test_a_shade_that_is_transparent_is_refused_where_a_pixel_has_it(tmp_path: Path, depth: int) -> None:
    values = np.zeros((5, 6, 1), int)
    values[2, 3] = 1
    data = made(values, 0, depth, chunk(b"tRNS", struct.pack(">H", 1)))
    with pytest.raises(ImageRefused, match="transparent pixels"):
        read(tmp_path, data)
    assert read(tmp_path, made(values * 0, 0, depth, chunk(b"tRNS", struct.pack(">H", 1)))).max() == 0


def test_a_colour_that_is_transparent_is_refused_where_a_pixel_has_it(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 200, (5, 6, 3))
    hidden = struct.pack(">HHH", *values[4, 5])
    with pytest.raises(ImageRefused, match="transparent pixels"):
        read(tmp_path, made(values, 2, 8, chunk(b"tRNS", hidden)))
    np.testing.assert_array_equal(read(tmp_path, made(values, 2, 8, chunk(b"tRNS", bytes([0, 255] * 3)))), values)


def test_a_palette_with_transparent_colours_is_refused_where_a_pixel_has_one(tmp_path: Path) -> None:
    values = np.arange(30).reshape(5, 6, 1) % 4
    palette = chunk(b"PLTE", bytes(range(15)))
    assert read(tmp_path, made(values, 3, 8, palette, chunk(b"tRNS", bytes([255, 255, 255, 255, 0])))).shape == (
        5,
        6,
        3,
    )
    with pytest.raises(ImageRefused, match="transparent pixels"):
        read(tmp_path, made(values, 3, 8, palette, chunk(b"tRNS", bytes([255, 255, 7]))))


def test_an_index_beyond_the_palette_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageRefused, match="pixel of colour 30, its chunk PLTE has 5"):
        read(tmp_path, made(np.arange(30).reshape(5, 6, 1), 3, 8, chunk(b"PLTE", bytes(range(15)))))


def test_an_animation_is_refused(tmp_path: Path) -> None:
    data = made(np.zeros((4, 4, 1), int), 0, 8, chunk(b"acTL", struct.pack(">II", 5, 0)))
    with pytest.raises(ImageRefused, match="an animated PNG of 5 frames"):
        read(tmp_path, data)


@pytest.mark.parametrize("interlaced", [False, True])
def test_a_file_that_is_cut_off_or_changed_is_never_read_to_other_values(
    tmp_path: Path, interlaced: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (12, 13, 1))
    data = made(values, 0, 16, interlaced=interlaced)
    for length in range(len(data)):
        (tmp_path / "cut.png").write_bytes(data[:length])
        with pytest.raises(ImageRefused):
            open_png(tmp_path / "cut.png").frame(0)
    for position in range(8, len(data)):
        changed = bytearray(data)
        changed[position] ^= 16
        with pytest.raises(ImageRefused):
            read(tmp_path, bytes(changed))
    assert capfd.readouterr() == ("", "")


def test_a_chunk_with_a_wrong_checksum_is_named(tmp_path: Path) -> None:
    data = made(np.zeros((4, 4, 1), int), 0, 8, chunk(b"tEXt", b"Comment\0hello"))
    with pytest.raises(ImageRefused, match="PNG chunk tEXt: wrong checksum"):
        read(tmp_path, data.replace(b"hello", b"hallo"))


@pytest.mark.parametrize("lines", [3, 5])
def test_more_or_fewer_lines_than_rows_are_refused(tmp_path: Path, lines: int) -> None:
    header = struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(5) * lines))
    with pytest.raises(ImageRefused, match="image data of the PNG is damaged"):
        read(tmp_path, b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b""))
