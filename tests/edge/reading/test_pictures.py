"""JPEG, BMP and PNM as cameras and collections have them, and formats that are told by name."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from fisherlens.edge.errors import ImageRefused
from fisherlens.edge.reading import ImageFile, open_image

RNG = np.random.default_rng(5)
SMOOTH = np.add.outer(np.arange(60) * 2, np.arange(70)).astype(np.uint8)
COLOUR = np.stack([SMOOTH, 255 - SMOOTH, SMOOTH // 2], axis=-1)


def opened(folder: Path, data: bytes) -> ImageFile:
    path = folder / "image"
    path.write_bytes(data)
    return open_image(path)


def read(folder: Path, data: bytes) -> np.ndarray:
    return opened(folder, data).frame(0).pixels


def saved(array: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def pillows(data: bytes) -> np.ndarray:
    with Image.open(BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB") if picture.mode == "P" else picture)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("array", [SMOOTH, COLOUR], ids=["grey", "colour"])
def test_a_jpeg_gives_what_pillow_reads(tmp_path: Path, array: np.ndarray, subsampling: str, progressive: bool) -> None:
    data = saved(array, "JPEG", subsampling=subsampling, progressive=progressive, quality=85)
    np.testing.assert_array_equal(read(tmp_path, data), pillows(data))
    header = opened(tmp_path, data).header
    assert header.lossy_image_compression is True
    assert header.photometric_interpretation == ("RGB" if array.ndim == 3 else "MONOCHROME2")
    assert (header.bits_allocated, header.bits_stored) == (8, None)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_orientation_of_a_camera_changes_nothing(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    for kind in ("JPEG", "PNG"):
        data = saved(COLOUR, kind, exif=exif)
        np.testing.assert_array_equal(read(tmp_path, data), pillows(data))


@pytest.mark.parametrize("bits", [8, 12, 14, 16])
@pytest.mark.parametrize("encode", ["jpeg8", "ljpeg"])
def test_a_lossless_jpeg_gives_the_values_that_were_written(tmp_path: Path, bits: int, encode: str) -> None:
    array = RNG.integers(0, 2**bits, (30, 41)).astype(np.uint8 if bits == 8 else np.uint16)
    options = {"lossless": True} if encode == "jpeg8" else {}
    data = bytes(getattr(imagecodecs, f"{encode}_encode")(array, bitspersample=bits, **options))
    np.testing.assert_array_equal(read(tmp_path, data), array)
    header = opened(tmp_path, data).header
    assert header.lossy_image_compression is False
    assert (header.bits_allocated, header.bits_stored) == (8 * array.itemsize, None if bits in (8, 16) else bits)


def test_an_extended_jpeg_has_twelve_bits(tmp_path: Path) -> None:
    array = SMOOTH.astype(np.uint16) * 16
    data = bytes(imagecodecs.jpeg8_encode(array, bitspersample=12, level=98))
    np.testing.assert_allclose(read(tmp_path, data).astype(int), array, atol=24)
    header = opened(tmp_path, data).header
    assert (header.bits_allocated, header.bits_stored, header.lossy_image_compression) == (16, 12, True)


def test_a_jpeg_of_cmyk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageRefused, match="JPEG of 4 components"):
        opened(tmp_path, saved(Image.fromarray(COLOUR).convert("CMYK"), "JPEG"))


def test_a_jpeg_of_several_pictures_is_refused(tmp_path: Path) -> None:
    pictures = [Image.fromarray(COLOUR), Image.fromarray(COLOUR[::-1])]
    data = saved(pictures[0], "MPO", save_all=True, append_images=pictures[1:])
    with pytest.raises(ImageRefused, match="a JPEG of 2 pictures"):
        opened(tmp_path, data)
    with pytest.raises(ImageRefused, match="a JPEG of 2 pictures"):
        opened(tmp_path, saved(SMOOTH, "JPEG") * 2)


def test_a_jpeg_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    for progressive in (False, True):
        data = saved(COLOUR, "JPEG", progressive=progressive)
        for length in range(0, len(data), 7):
            with pytest.raises(ImageRefused):
                read(tmp_path, data[:length])
        np.testing.assert_array_equal(read(tmp_path, data + b"junk of a camera"), pillows(data))


@pytest.mark.parametrize("kind", ["baseline", "progressive", "colour", "lossless", "twelve bits"])
def test_a_jpeg_whose_data_ends_early_is_refused_though_it_has_its_end_marker(tmp_path: Path, kind: str) -> None:
    noise = RNG.integers(0, 256, (80, 90, 3)).astype(np.uint8)
    data = {
        "baseline": lambda: saved(noise[..., 0], "JPEG"),
        "progressive": lambda: saved(noise[..., 0], "JPEG", progressive=True),
        "colour": lambda: saved(noise, "JPEG"),
        "lossless": lambda: bytes(imagecodecs.jpeg8_encode(noise[..., 0].astype(np.uint16), lossless=True)),
        "twelve bits": lambda: bytes(imagecodecs.jpeg8_encode(noise[..., 0] * np.uint16(16), bitspersample=12)),
    }[kind]()
    whole = read(tmp_path, data)
    for lost in (3, 4, 5, 6, 10, 50, 500, len(data) // 2):
        try:
            given_ = read(tmp_path, data[:-lost].removesuffix(b"\xff") + b"\xff\xd9")
        except ImageRefused:
            continue
        assert lost < 6, "more than bits that fill the last byte"
        np.testing.assert_array_equal(given_, whole)


def test_jpeg_ls_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(ImageRefused, match="JPEG process JPEG-LS"):
        opened(tmp_path, bytes(imagecodecs.jpegls_encode(SMOOTH)))


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1"])
def test_a_bitmap_gives_what_pillow_reads(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(COLOUR if mode != "L" else SMOOTH)
    picture = picture.quantize(50) if mode == "P" else picture.convert(mode)
    data = saved(picture, "BMP")
    expected = pillows(data) if mode != "1" else pillows(data).astype(np.uint8) * 255
    np.testing.assert_array_equal(read(tmp_path, data), expected)
    header = opened(tmp_path, data).header
    assert header.photometric_interpretation == ("RGB" if mode in ("RGB", "P") else "MONOCHROME2")


def bitmap(columns: int, rows: int, bits: int, data: bytes, masks: tuple[int, ...] = (), palette: bytes = b"") -> bytes:
    size = 124 if masks else 40
    rest = struct.pack("<4I", *masks).ljust(84, b"\0") if masks else b""
    start = 14 + size + len(palette)
    header = struct.pack("<IiiHHIIiiII", size, columns, rows, 1, bits, 3 if masks else 0, 0, 0, 0, len(palette) // 4, 0)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + rest + palette + data


def test_bitmaps_of_16_shades_and_from_the_top(tmp_path: Path) -> None:
    palette = bytes(value for shade in range(16) for value in (17 * shade,) * 3 + (0,))
    data = bitmap(3, -2, 4, bytes([0x12, 0x30, 0, 0, 0xAB, 0xC0, 0, 0]), palette=palette)
    np.testing.assert_array_equal(read(tmp_path, data), np.array([[1, 2, 3], [10, 11, 12]]) * 17)
    np.testing.assert_array_equal(pillows(data)[..., 0], read(tmp_path, data))
    with pytest.raises(ImageRefused, match="pixel of colour 13, its palette has 12"):
        read(tmp_path, bitmap(3, -2, 4, bytes([0x12, 0x30, 0, 0, 0xAB, 0xC0, 0, 0]), palette=palette[:48]))


def test_the_fourth_byte_of_a_bitmap_is_opacity_where_its_header_says_so(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (2, 3, 4)).astype(np.uint8)
    np.testing.assert_array_equal(read(tmp_path, bitmap(3, -2, 32, pixels.tobytes())), pixels[..., 2::-1])
    masks = (0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    with pytest.raises(ImageRefused, match="transparent pixels"):
        read(tmp_path, bitmap(3, -2, 32, pixels.tobytes(), masks))
    pixels[..., 3] = 255
    data = bitmap(3, -2, 32, pixels.tobytes(), masks)
    np.testing.assert_array_equal(read(tmp_path, data), pixels[..., :3])
    with pytest.raises(ImageRefused, match="BMP of masks"):
        opened(tmp_path, bitmap(3, -2, 32, pixels.tobytes(), (0xF0, 0xF00, 0xF0000, 0)))


def test_bitmaps_that_are_compressed_or_cut_off_are_refused(tmp_path: Path) -> None:
    data = saved(SMOOTH, "BMP")
    with pytest.raises(ImageRefused, match=r"BMP compression 1 \(run lengths of 8 bit\)"):
        opened(tmp_path, data[:30] + struct.pack("<I", 1) + data[34:])
    for length in range(30, len(data), 50):
        with pytest.raises(ImageRefused):
            read(tmp_path, data[:length])


@pytest.mark.parametrize("maxval", [1, 255, 1023, 4095, 16383, 65535])
@pytest.mark.parametrize("magic", ["P2", "P3", "P5", "P6"])
def test_pgm_and_ppm_give_the_values_as_stored(tmp_path: Path, magic: str, maxval: int) -> None:
    shape = (5, 7) if magic in ("P2", "P5") else (5, 7, 3)
    array = RNG.integers(0, maxval + 1, shape).astype(np.uint8 if maxval < 256 else np.uint16)
    raw = array.astype(">u2" if maxval > 255 else "u1").tobytes()
    plain = " ".join(map(str, array.ravel())).encode() + b"\n"
    head = f"{magic}\n# made by a camera\n7 # columns\n5\n{maxval}\n".encode()
    data = head + (plain if magic in ("P2", "P3") else raw)
    np.testing.assert_array_equal(read(tmp_path, data), array)
    header = opened(tmp_path, data).header
    assert header.bits_allocated == 8 * array.itemsize
    assert header.bits_stored == (None if maxval in (255, 65535) else maxval.bit_length())
    assert header.photometric_interpretation == ("RGB" if len(shape) == 3 else "MONOCHROME2")
    if maxval in (255, 65535) and magic in ("P5", "P6") and (maxval == 255 or magic == "P5"):
        np.testing.assert_array_equal(pillows(data), array)


@pytest.mark.parametrize("magic", ["P1", "P4"])
def test_a_bitmap_of_pbm_has_one_for_black(tmp_path: Path, magic: str) -> None:
    array = RNG.integers(0, 2, (5, 11)).astype(np.uint8)
    raw = b"\n".join(b"".join(b"%d" % value for value in row) for row in array) + b"\n"
    data = f"{magic}\n11 5\n".encode() + (raw if magic == "P1" else np.packbits(array, axis=1).tobytes())
    np.testing.assert_array_equal(read(tmp_path, data), array)
    np.testing.assert_array_equal(pillows(data), array == 0)
    assert opened(tmp_path, data).header.photometric_interpretation == "MONOCHROME1"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"P5 4 4 255\n" + bytes(15), "some are missing"),
        (b"P5 4 4 255\n" + bytes(16) + b"P5 4 4 255\n" + bytes(16), "one picture in a file"),
        (b"P2 2 1 255\n1 2 3\n", "one picture in a file"),
        (b"P2 2 1 255\n1\n", "some are missing"),
        (b"P2 2 1 255\n1 -2\n", "other than digits"),
        (b"P2 2 1 255\n1 2\nP2 2 1 255\n1 2\n", "other than digits"),
        (b"P2 2 1 255\n1 300\n", "pixel of 300, its maxval is 255"),
        (b"P2 2 1 255\n1 99999999999999999999999\n", "more than ten digits"),
        (b"P5 2 1 4095\n\xff\xff\0\0", "pixel of 65535, its maxval is 4095"),
        (b"P5 2 1 1000\n\0\0\0\0", "maxval 1000, expected 255, 65535"),
        (b"P5 2 1 0\n\0\0", "maxval 0"),
        (b"P5 2 1 70000\n\0\0\0\0", "maxval 70000"),
        (b"P5 2\n", "header is damaged"),
        (b"P5 99999999 99999999 255\n", "are more than the 134217728"),
        (b"P7\nWIDTH 2\n", "PAM, a format that is not supported"),
        (b"Pf\n2 1\n-1.0\n", "PFM, a format that is not supported"),
        (saved(SMOOTH, "GIF"), "GIF, a format that is not supported"),
        (saved(COLOUR, "WEBP"), "WebP, a format that is not supported"),
        (imagecodecs.jpeg2k_encode(SMOOTH), "JPEG 2000 outside of DICOM"),
        (imagecodecs.jpeg2k_encode(SMOOTH, codecformat="J2K"), "JPEG 2000 outside of DICOM"),
        (imagecodecs.jpegxl_encode(SMOOTH), "JPEG XL"),
        (imagecodecs.avif_encode(COLOUR), "HEIF or AVIF"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_read_is_refused_in_words(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(ImageRefused, match=words):
        read(tmp_path, data)
