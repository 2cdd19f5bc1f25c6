"""TIFF: values that tifffile and Pillow wrote, in every layout; and no value where one is missing."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fisherlens.edge.errors import ImageRefused
from fisherlens.edge.reading import Header, open_image

RNG = np.random.default_rng(7)
LOSSLESS = [None, "lzw", "zlib", "packbits", "lzma", "zstd"]


def values(*shape: int, dtype: Any = np.uint16, bits: int = 16) -> np.ndarray:
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return RNG.normal(0, 100, shape).astype(dtype)
    low = -(2 ** (bits - 1)) if dtype.kind == "i" else 0
    return RNG.integers(low, low + 2 ** min(bits, 8 * dtype.itemsize), shape).astype(dtype)


def written(folder: Path, array: np.ndarray, **options: Any) -> Path:
    path = folder / "image.tif"
    tifffile.imwrite(path, array, **{"photometric": "minisblack", "metadata": None, **options})
    return path


def read(path: Path) -> list[np.ndarray]:
    file = open_image(path)
    return [file.frame(index).pixels for index in range(file.header.frames)]


def header(path: Path) -> Header:
    return open_image(path).header


def refusal(path: Path) -> str:
    with pytest.raises(ImageRefused) as refused:
        read(path)
    return str(refused.value)


def overwrite(path: Path, tag: str, value: Any, page: int = 0) -> None:
    """Write another value over a tag's."""
    with tifffile.TiffFile(path, mode="r+") as file:
        found = file.pages[page]
        assert isinstance(found, tifffile.TiffPage)
        found.tags[tag].overwrite(value)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[np.ndarray, dict[str, Any]]:
    dtype = np.dtype(draw(st.sampled_from(["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"])))
    samples = draw(st.sampled_from([1, 1, 2, 3, 5]))
    planar = draw(st.sampled_from(["contig", "separate"])) if samples > 1 else None
    rows, columns = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    shape = {None: (rows, columns), "contig": (rows, columns, samples), "separate": (samples, rows, columns)}[planar]
    compression = draw(st.sampled_from(LOSSLESS))
    predictor = bool(compression not in (None, "packbits") and dtype.kind in "uif" and draw(st.booleans()))
    tile = draw(st.sampled_from([None, (16, 16), (32, 16)]))
    options = {
        "compression": compression,
        "predictor": predictor,
        "tile": tile,
        "rowsperstrip": None if tile else draw(st.sampled_from([None, 1, 7])),
        "planarconfig": planar,
        "byteorder": draw(st.sampled_from("<>")),
        "bigtiff": draw(st.booleans()),
        "photometric": "rgb" if samples == 3 else draw(st.sampled_from(["minisblack", "miniswhite"])),
        "extrasamples": [0] * (samples - 1) if samples in (2, 5) else None,
    }
    return values(*shape, dtype=dtype, bits=8 * dtype.itemsize), options


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layout=layouts())
def test_every_layout_gives_the_values_that_were_written(
    layout: tuple[np.ndarray, dict[str, Any]], tmp_path: Path
) -> None:
    array, options = layout
    path = written(tmp_path, array, **options)
    (pixels,) = read(path)
    expected = np.moveaxis(array, 0, -1) if options["planarconfig"] == "separate" else array
    np.testing.assert_array_equal(pixels, expected)
    assert pixels.dtype == (np.float32 if array.dtype == np.float16 else array.dtype)
    assert header(path).photometric_interpretation == {
        "rgb": "RGB", "minisblack": "MONOCHROME2", "miniswhite": "MONOCHROME1"
    }[options["photometric"]]  # fmt: skip
    assert header(path).signed == (array.dtype.kind == "i")
    assert header(path).bits_stored is None


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 9, 10, 11, 12, 14, 15])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_packed_bits_are_given_as_stored(tmp_path: Path, bits: int, photometric: str, compression: str | None) -> None:
    array = values(13, 21, dtype=np.uint8 if bits <= 8 else np.uint16, bits=bits)
    path = packed(tmp_path, array, bits, photometric, compression)
    np.testing.assert_array_equal(read(path)[0], array)
    found = header(path)
    assert (found.bits_allocated, found.bits_stored) == (8 * array.itemsize, bits)
    assert found.photometric_interpretation == ("MONOCHROME2" if photometric == "minisblack" else "MONOCHROME1")


def packed(folder: Path, array: np.ndarray, bits: int, photometric: str, compression: str | None) -> Path:
    """Bits packed by NumPy, rows padded to bytes, in a file whose tags tifffile wrote for its own bytes."""
    shifts = np.arange(bits - 1, -1, -1)
    rows = np.packbits((array[..., None] >> shifts & 1).astype(np.uint8).reshape(len(array), -1), axis=1)
    path = written(folder, rows, photometric=photometric, compression=compression)
    overwrite(path, "BitsPerSample", bits)
    overwrite(path, "ImageWidth", array.shape[1])
    return path


@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_opacity_is_dropped_where_it_is_complete_and_refused_elsewhere(
    tmp_path: Path, photometric: str, dtype: type, planar: str, kind: str
) -> None:
    array = values(9, 11, 2 if photometric == "minisblack" else 4, dtype=dtype)
    array[..., -1] = 1 if dtype is np.float32 else np.iinfo(dtype).max
    stored = lambda: array if planar == "contig" else np.moveaxis(array, -1, 0)  # noqa: E731
    options = {"photometric": photometric, "planarconfig": planar, "extrasamples": [kind]}
    path = written(tmp_path, stored(), **options)
    np.testing.assert_array_equal(read(path)[0], array[..., :-1].squeeze())
    assert header(path).samples_per_pixel == array.shape[2] - 1
    array[3, 4, -1] = 0
    assert "transparent pixels" in refusal(written(tmp_path, stored(), **options))


def test_pages_are_frames_each_with_a_header_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    pages = [values(8, 9), values(8, 9), values(5, 6, dtype=np.uint8), values(8, 9, 3)]
    with tifffile.TiffWriter(path) as file:
        for page in pages:
            file.write(page, photometric="rgb" if page.ndim == 3 else "minisblack", metadata=None)
    for given_, page in zip(read(path), pages, strict=True):
        np.testing.assert_array_equal(given_, page)
    headers = [open_image(path).frame(index).header for index in range(4)]
    assert [(found.rows, found.bits_allocated, found.samples_per_pixel) for found in headers] == [
        (8, 16, 1), (8, 16, 1), (5, 8, 1), (8, 16, 3)
    ]  # fmt: skip


def test_a_page_that_cannot_be_read_loses_no_other(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(values(8, 9), photometric="minisblack", metadata=None)
        file.write(values(8, 9, 4, dtype=np.uint8), photometric="separated", metadata=None)
    opened = open_image(path)
    assert opened.frame(0).pixels.shape == (8, 9)
    with pytest.raises(ImageRefused, match=r"PhotometricInterpretation 5 \(separated colours, CMYK\)"):
        opened.frame(1)


@pytest.mark.parametrize("subfile", [1, 4, 5])
@pytest.mark.parametrize("first", [True, False])
def test_thumbnails_and_masks_are_no_frames(tmp_path: Path, subfile: int, first: bool) -> None:
    path, array = tmp_path / "thumb.tif", values(16, 18)
    pages = [(array, 0), (array // 2, 2)]
    pages.insert(0 if first else 1, (array[::4, ::4], 1))
    with tifffile.TiffWriter(path) as writer:
        for page, kind in pages:
            writer.write(page, photometric="minisblack", subfiletype=kind, metadata=None, compression="lzw")
    overwrite(path, "NewSubfileType", subfile, page=0 if first else 1)
    one, two = read(path)
    np.testing.assert_array_equal(one, array)
    np.testing.assert_array_equal(two, array // 2)


def test_thumbnails_by_the_old_tag_are_no_frames(tmp_path: Path) -> None:
    path, array = tmp_path / "thumb.tif", values(16, 18)
    with tifffile.TiffWriter(path) as file:
        file.write(array, photometric="minisblack", metadata=None)
        file.write(array[::4], photometric="minisblack", metadata=None, extratags=[(255, "H", 1, 2, False)])
    assert header(path).frames == 1


def test_thumbnails_alone_are_refused(tmp_path: Path) -> None:
    assert "thumbnails and masks alone" in refusal(written(tmp_path, values(4, 5), subfiletype=1))


def test_lower_levels_of_a_pyramid_are_no_frames(tmp_path: Path) -> None:
    path, array = tmp_path / "pyramid.tif", values(32, 48)
    with tifffile.TiffWriter(path) as file:
        file.write(array, subifds=1, tile=(16, 16), photometric="minisblack", metadata=None)
        file.write(array[::2, ::2], subfiletype=1, tile=(16, 16), photometric="minisblack", metadata=None)
        file.write(array // 3, tile=(16, 16), photometric="minisblack", metadata=None)
    one, two = read(path)
    np.testing.assert_array_equal(one, array)
    np.testing.assert_array_equal(two, array // 3)


GREY_STACKS = [(axes, dtype) for axes in ("ZYX", "CYX", "TZCYX") for dtype in (np.uint8, np.uint16, np.float32)]


@pytest.mark.parametrize(("axes", "dtype"), [*GREY_STACKS, ("YXS", np.uint8), ("TZYXS", np.uint8)])
def test_imagej_stacks_of_one_directory_give_all_planes(tmp_path: Path, axes: str, dtype: type) -> None:
    sides = {"T": 2, "Z": 3, "C": 2, "Y": 7, "X": 9, "S": 3}
    array = values(*(sides[axis] for axis in axes), dtype=dtype)
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, array, imagej=True, metadata={"axes": axes})
    planes = array.reshape(-1, 7, 9, *([3] if "S" in axes else []))
    given_ = read(path)
    assert len(given_) == len(planes)
    np.testing.assert_array_equal(np.stack(given_), planes)


@pytest.mark.parametrize("description", [None, "of the user"])
@pytest.mark.parametrize("truncate", [True, False])
@pytest.mark.parametrize("shape", [(3, 8, 9), (2, 3, 8, 9), (8, 9), (1, 8, 9)])
def test_shaped_stacks_give_all_planes(
    tmp_path: Path, truncate: bool, shape: tuple[int, ...], description: str | None
) -> None:
    path, array = tmp_path / "shaped.tif", values(*shape)
    tifffile.imwrite(path, array, photometric="minisblack", truncate=truncate, description=description)
    np.testing.assert_array_equal(np.stack(read(path)), array.reshape(-1, 8, 9))


def test_a_series_that_cannot_be_read_loses_no_other(tmp_path: Path) -> None:
    path, array = tmp_path / "series.tif", values(2, 8, 9)
    with tifffile.TiffWriter(path, shaped=True) as file:
        file.write(array, photometric="minisblack")
        file.write(values(8, 9, 4, dtype=np.uint8), photometric="separated")
    opened = open_image(path)
    assert opened.header.frames == 3
    np.testing.assert_array_equal(opened.frame(1).pixels, array[1])
    with pytest.raises(ImageRefused, match="CMYK"):
        opened.frame(2)


def test_a_stack_of_several_series_gives_the_planes_of_each(tmp_path: Path) -> None:
    path, one, two = tmp_path / "series.tif", values(3, 8, 9), values(2, 5, 6)
    with tifffile.TiffWriter(path, shaped=True) as file:
        file.write(one, photometric="minisblack", truncate=True)
        file.write(two, photometric="minisblack", truncate=True)
    for given_, plane in zip(read(path), [*one, *two], strict=True):
        np.testing.assert_array_equal(given_, plane)


@pytest.mark.parametrize("options", [{"imagej": True}, {"photometric": "minisblack", "truncate": True}])
def test_a_stack_of_which_planes_are_missing_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, values(3, 32, 32), **options)
    with tifffile.TiffFile(path) as file:
        start = file.pages.first.dataoffsets[0]
    path.write_bytes(path.read_bytes()[: start + 2 * 2048 + 100])
    assert "promises 3 images" in refusal(path) or "beyond the end" in refusal(path)


def test_metamorph_stacks_of_one_directory_give_all_planes(tmp_path: Path) -> None:
    array = values(3, 8, 9)
    path = written(tmp_path, array, truncate=True, extratags=[(33629, 5, 3, (1, 1) * 3, True)])
    np.testing.assert_array_equal(np.stack(read(path)), array)


def test_a_stack_of_more_planes_than_a_file_may_have_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    path.write_bytes(
        written(tmp_path, values(1, 1, dtype=np.uint8), description="ImageJ=1.5\nimages=99999\n").read_bytes()
    )
    assert refusal(path) == "99,999 frames, expected at most 10,000 in a file"


def test_an_ome_tiff_gives_the_planes_of_this_file_and_opens_no_other(tmp_path: Path) -> None:
    path, array = tmp_path / "image.ome.tif", values(3, 8, 9)
    tifffile.imwrite(path, array, photometric="minisblack", metadata={"axes": "ZYX"})
    np.testing.assert_array_equal(np.stack(read(path)), array)


def test_a_volume_in_one_image_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, values(3, 16, 16), volumetric=True)
    assert "ImageDepth 3" in refusal(path)


@pytest.mark.parametrize("shift", ["high bytes", "doubled", "sixteen bits"])
def test_a_palette_gives_its_colours(tmp_path: Path, shift: str) -> None:
    colours, indices = values(3, 256, dtype=np.uint8).astype(np.uint16), values(9, 11, dtype=np.uint8)
    table = {"high bytes": colours << 8, "doubled": colours * 257, "sixteen bits": colours * 255 + 3}[shift]
    path = written(tmp_path, indices, photometric="palette", colormap=table)
    expected = (table if shift == "sixteen bits" else colours).T[indices]
    np.testing.assert_array_equal(read(path)[0], expected)
    found = header(path)
    assert (found.photometric_interpretation, found.samples_per_pixel) == ("RGB", 3)
    assert found.bits_allocated == (16 if shift == "sixteen bits" else 8)


def test_a_palette_of_pillow_gives_what_pillow_reads(tmp_path: Path) -> None:
    picture = Image.fromarray(values(20, 30, 3, dtype=np.uint8)).quantize(64)
    picture.save(tmp_path / "palette.tif")
    np.testing.assert_array_equal(read(tmp_path / "palette.tif")[0], np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_jpeg_in_tiff_is_rgb_as_libtiff_gives_it(
    tmp_path: Path, subsampling: str, tile: tuple[int, int] | None
) -> None:
    rows, columns = np.mgrid[:64, :96]
    array = np.stack([rows * 3, columns * 2, 255 - rows], axis=-1).astype(np.uint8)
    arguments = {"level": 90, "subsampling": subsampling}
    path = written(
        tmp_path, array, photometric="rgb", compression="jpeg", compressionargs=arguments, tile=tile, rowsperstrip=None
    )
    theirs = np.asarray(cv2.imread(str(path)))[..., ::-1]
    np.testing.assert_allclose(read(path)[0].astype(int), theirs, atol=2)
    np.testing.assert_allclose(read(path)[0].astype(int), array, atol=12)
    assert header(path).lossy_image_compression is True


def test_jpeg_in_tiff_of_pillow_has_its_tables_apart(tmp_path: Path) -> None:
    picture = Image.fromarray(np.add.outer(np.arange(60), np.arange(70)).astype(np.uint8))
    picture.save(tmp_path / "grey.tif", compression="jpeg")
    with Image.open(tmp_path / "grey.tif") as theirs:
        np.testing.assert_array_equal(read(tmp_path / "grey.tif")[0], np.asarray(theirs))


@pytest.mark.parametrize("compression", ["jpeg2000", "webp"])
def test_other_compressions_of_pictures_give_their_values(tmp_path: Path, compression: str) -> None:
    array = values(40, 50, 3, dtype=np.uint8)
    arguments = {"jpeg2000": {"level": 0}, "webp": {"lossless": True}}[compression]
    path = written(tmp_path, array, photometric="rgb", compression=compression, compressionargs=arguments)
    np.testing.assert_array_equal(read(path)[0], array)
    assert header(path).lossy_image_compression is True, "it may be"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_changes_nothing(tmp_path: Path, orientation: int) -> None:
    array = values(8, 9)
    path = written(tmp_path, array, extratags=[(274, "H", 1, orientation, True)])
    np.testing.assert_array_equal(read(path)[0], array)


@pytest.mark.parametrize("compression", [*LOSSLESS, "jpeg", "jpeg2000", "webp"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_a_file_that_is_cut_off_is_never_read_to_other_values(
    tmp_path: Path, compression: str | None, tile: tuple[int, int] | None
) -> None:
    array = values(40, 33, 3, dtype=np.uint8)
    whole = written(tmp_path, array, photometric="rgb", compression=compression, tile=tile, rowsperstrip=None)
    data, pixels = whole.read_bytes(), read(whole)[0]
    for length in range(0, len(data), max(1, len(data) // 150)):
        whole.write_bytes(data[:length])
        try:
            assert np.array_equal(read(whole)[0], pixels), length
        except ImageRefused:
            continue


@pytest.mark.parametrize("compression", [None, *LOSSLESS[1:], "jpeg", "jpeg2000", "webp"])
@pytest.mark.parametrize("size", ["none", "half", "a byte less"])
def test_a_strip_that_is_missing_or_short_is_never_filled(tmp_path: Path, compression: str | None, size: str) -> None:
    array = values(40, 64, 3, dtype=np.uint8)
    path = written(tmp_path, array, photometric="rgb", compression=compression, rowsperstrip=16)
    pixels = read(path)[0]
    with tifffile.TiffFile(path, mode="r+") as file:
        tag = file.pages.first.tags["StripByteCounts"]
        first, second, *rest = tag.value
        short = {"none": 0, "half": second // 2, "a byte less": second - 1}[size]
        tag.overwrite((first, short, *rest))
    try:
        given_ = read(path)[0]
    except ImageRefused:
        return
    assert size == "a byte less", "what follows the pixels may be lost"
    np.testing.assert_array_equal(given_, pixels)


@pytest.mark.parametrize(
    ("tag", "value", "words"),
    [
        ("Compression", 50002, r"compression 50002 \(JPEG XL\) is not supported"),
        ("Compression", 6, r"compression 6 \(JPEG of the old kind\)"),
        ("Compression", 4711, r"compression 4711 \(unknown\)"),
        ("PhotometricInterpretation", 32803, r"32803 \(the colour filter array of a camera\)"),
        ("PhotometricInterpretation", 8, r"8 \(CIE L\*a\*b\*\)"),
        ("PhotometricInterpretation", 4, "transparency mask"),
        ("PhotometricInterpretation", 6, r"6 \(YCbCr\) without JPEG"),
        ("PhotometricInterpretation", 2, "SamplesPerPixel 1 with PhotometricInterpretation 2"),
        ("BitsPerSample", 65, "BitsPerSample 65"),
        ("SamplesPerPixel", 0, "pixels of 0 samples"),
        ("RowsPerStrip", 0, "0 x 9 pixels"),
        ("StripOffsets", 10**6, "strip 1 reaches beyond the end of the file"),
        ("StripOffsets", 0, "strip 1 is missing"),
        ("ImageLength", 10**5, "beyond the end of the file|damaged or cut off|has 1 values"),
        ("ImageWidth", 2**31, "are more than the 134217728"),
    ],
)
def test_a_refusal_names_the_tag_and_its_value(tmp_path: Path, tag: str, value: int, words: str) -> None:
    path = written(tmp_path, values(8, 9))
    overwrite(path, tag, value)
    with pytest.raises(ImageRefused, match=words):
        read(path)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ((317, "H", 1, 2, True), "Predictor 2 with compression none"),
        ((317, "H", 1, 9, True), "Predictor 9"),
        ((284, "H", 1, 3, True), "PlanarConfiguration 3"),
        ((339, "H", 1, 6, True), r"SampleFormat 6 \(complex numbers\)"),
    ],
)
def test_a_tag_that_cannot_be_followed_is_refused(tmp_path: Path, extra: tuple[Any, ...], words: str) -> None:
    path = tmp_path / "made.tif"
    path.write_bytes(plain({256: 4, 257: 4, 258: 16, 259: 1, 262: 1, 277: 1, 278: 4, extra[0]: extra[3]}, bytes(32)))
    with pytest.raises(ImageRefused, match=words):
        read(path)


def plain(tags: dict[int, int], data: bytes) -> bytes:
    """A TIFF of one strip and these tags, of type LONG."""
    count = len(tags) + 2
    start = 8 + 2 + 12 * count + 4
    entries = sorted([*tags.items(), (273, start), (279, len(data))])
    return b"".join([
        struct.pack("<2sHIH", b"II", 42, 8, count),
        *(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries),
        bytes(4), data,
    ])  # fmt: skip


def test_a_tag_without_which_pixels_have_no_meaning_is_missed_in_words(tmp_path: Path) -> None:
    path = tmp_path / "made.tif"
    tags = {256: 4, 257: 4, 258: 16, 259: 1, 262: 1, 277: 1, 278: 4}
    path.write_bytes(plain(tags, bytes(range(32))))
    assert read(path)[0].shape == (4, 4)
    for tag, name in {256: "ImageWidth", 257: "ImageLength", 262: "PhotometricInterpretation"}.items():
        path.write_bytes(
            plain({**tags, tag: 0} if tag != 262 else {k: v for k, v in tags.items() if k != 262}, bytes(32))
        )
        with pytest.raises(ImageRefused, match=name if tag == 262 else "expected some"):
            read(path)


def test_directories_that_go_round_are_refused(tmp_path: Path) -> None:
    data = bytearray(plain({256: 4, 257: 4, 258: 16, 259: 1, 262: 1, 277: 1, 278: 4}, bytes(32)))
    data[8 + 2 + 12 * 9 : 8 + 2 + 12 * 9 + 4] = struct.pack("<I", 8)
    path = tmp_path / "round.tif"
    path.write_bytes(data)
    assert "go round" in refusal(path)


def test_damaged_bits_raise_no_errors_of_libraries_and_say_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for options in ({}, {"compression": "lzw"}, {"compression": "zlib", "predictor": True}, {"compression": "jpeg"}):
        path = written(tmp_path, values(20, 30, 3, dtype=np.uint8), photometric="rgb", **options)
        data = path.read_bytes()
        for position in RNG.integers(0, len(data), 300):
            changed = bytearray(data)
            changed[position] ^= 1 << RNG.integers(0, 8)
            path.write_bytes(changed)
            try:
                read(path)
            except ImageRefused:
                continue
    assert capfd.readouterr() == ("", "")


def test_a_tiff_in_memory_is_what_pillow_reads(tmp_path: Path) -> None:
    for mode, array in {
        "L": values(9, 10, dtype=np.uint8),
        "I;16": values(9, 10),
        "RGB": values(9, 10, 3, dtype=np.uint8),
    }.items():
        for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
            buffer = BytesIO()
            Image.fromarray(array).save(buffer, "TIFF", compression=compression)
            path = tmp_path / "pillow.tif"
            path.write_bytes(buffer.getvalue())
            np.testing.assert_array_equal(read(path)[0], array, err_msg=f"{mode} {compression}")
