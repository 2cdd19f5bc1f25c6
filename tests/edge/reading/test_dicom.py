"""DICOM by kind: the right values, or a refusal that names the attribute. Words are made by closed forms, written by
encoders that are not ours."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.decode import decode
from fisherlens.edge.errors import ImageRefused
from fisherlens.edge.reading import open_image
from fisherlens.edge.reading.dicom import data_set

from .dicom_files import ENCODERS, Array, items, rle_stream, with_value, write_file, write_words

SHAPE = (20, 30)
SHORT = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def stored(path: Path, index: int = 0) -> Array:
    return open_image(path).frame(index).pixels


def output(path: Path, index: int = 0) -> Array:
    """The frame's values after its modality LUT."""
    frame = open_image(path).frame(index)
    return frame.pixels if frame.modality_lut is None else frame.modality_lut(frame.pixels)


def refusal(path: Path) -> str:
    with pytest.raises(ImageRefused) as refused:
        all_outputs(path)
    return str(refused.value)


def all_outputs(path: Path) -> list[Array]:
    return [output(path, index) for index in range(open_image(path).header.frames)]


def ramp(bits: int, signed: bool = False) -> Array:
    """Values from the lowest to the highest of so many bits, int64 [20, 30]."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return np.linspace(low, high, SHAPE[0] * SHAPE[1]).round().astype(np.int64).reshape(SHAPE)


# Bits.


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, *ENCODERS], ids=lambda uid: uid.keyword)
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("above", ["zeros", "sign", "ones", "overlay"])
def test_bits_above_those_stored_never_count(tmp_path: Path, syntax: UID, signed: bool, bits: int, above: str) -> None:
    values = ramp(bits, signed)
    mask = (1 << bits) - 1
    words = values & mask
    words |= {
        "zeros": np.int64(0),
        "sign": values & ~mask & 0xFFFF,
        "ones": np.int64(~mask & 0xFFFF),
        "overlay": (values % 3 == 0) * np.int64(1 << 15 & ~mask),
    }[above]
    data: Any = words.astype(np.uint16)
    attributes: dict[str, Any] = {
        "BitsStored": bits,
        "PixelRepresentation": int(signed),
        "Rows": SHAPE[0],
        "Columns": SHAPE[1],
    }
    for precision in (bits, 16):
        if precision == bits and (
            syntax not in (JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless) or words.max() > mask
        ):
            continue
        pixels = [ENCODERS[syntax](data, precision)] if syntax in ENCODERS else data.tobytes()
        path = write_file(tmp_path / "image.dcm", pixels, syntax, **attributes)
        np.testing.assert_array_equal(stored(path), values, err_msg=f"precision {precision}")


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_a_signed_jpeg_2000_stream_gives_its_values(tmp_path: Path, bits: int) -> None:
    values = ramp(bits, signed=True)
    stream = imagecodecs.jpeg2k_encode(values.astype(np.int16), codecformat="J2K", level=0, bitspersample=bits)
    path = write_file(
        tmp_path / "image.dcm", [bytes(stream)], JPEG2000Lossless,
        BitsStored=bits, PixelRepresentation=1, Rows=SHAPE[0], Columns=SHAPE[1],
    )  # fmt: skip
    np.testing.assert_array_equal(stored(path), values)


WORDS = [
    *product((ImplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless), (8, 16, 32)),
    *product((ExplicitVRBigEndian,), (8, 16)),  # 32 bits are refused
]


@pytest.mark.parametrize(("syntax", "allocated"), WORDS)
@SHORT
@given(drawn=st.data())
def test_any_words_give_the_bits_from_high_bit_down(
    tmp_path: Path, syntax: UID, allocated: int, drawn: st.DataObject
) -> None:
    bits = drawn.draw(st.integers(1, allocated), "BitsStored")
    high = drawn.draw(st.integers(bits - 1, allocated - 1), "HighBit")
    signed = drawn.draw(st.booleans(), "signed")
    words = np.random.default_rng(drawn.draw(st.integers(0, 99))).integers(0, 2**allocated, SHAPE, np.uint64)
    values = (words >> np.uint64(high + 1 - bits)).astype(np.int64) & ((1 << bits) - 1)
    if signed:
        values -= (values >> (bits - 1)) << bits
    attributes: dict[str, Any] = {
        "BitsAllocated": allocated, "BitsStored": bits, "HighBit": high, "PixelRepresentation": int(signed),
        "Rows": SHAPE[0], "Columns": SHAPE[1],
    }  # fmt: skip
    typed = words.astype(f"u{allocated // 8}")
    ordered = typed.astype(typed.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<"))
    data = [rle_stream(typed)] if syntax == RLELossless else ordered.tobytes()
    path = write_file(tmp_path / "image.dcm", data, syntax, **attributes)
    np.testing.assert_array_equal(stored(path), values)


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.keyword)
@pytest.mark.parametrize("high", [10, 12, 16])
def test_another_high_bit_in_compressed_or_beyond_is_refused(tmp_path: Path, syntax: UID, high: int) -> None:
    stream = ENCODERS[syntax](ramp(12).astype(np.uint16), 12)
    path = write_file(
        tmp_path / "image.dcm", [stream], syntax, BitsStored=12, HighBit=high, Rows=SHAPE[0], Columns=SHAPE[1]
    )
    assert f"HighBit {high}" in refusal(path)


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.keyword)
def test_a_stream_of_another_size_is_refused(tmp_path: Path, syntax: UID) -> None:
    stream = ENCODERS[syntax](ramp(12).astype(np.uint16), 12)
    for rows, columns in (SHAPE[::-1], (10, 60), (20, 29), (19, 30), (40, 30)):
        path = write_file(tmp_path / "image.dcm", [stream], syntax, BitsStored=12, Rows=rows, Columns=columns)
        assert f"20 x 30 pixels, Rows and Columns say {rows} x {columns}" in refusal(path)


EIGHT_BIT = {
    JPEGLSLossless: imagecodecs.jpegls_encode,
    JPEG2000Lossless: lambda values: imagecodecs.jpeg2k_encode(values, codecformat="J2K", level=0),
    JPEGLosslessSV1: lambda values: imagecodecs.ljpeg_encode(values, bitspersample=8),
}


def write_eight_in_twelve(path: Path, syntax: UID) -> Path:
    stream = bytes(EIGHT_BIT[syntax](ramp(8).astype(np.uint8)))
    return write_file(path, [stream], syntax, BitsStored=12, Rows=SHAPE[0], Columns=SHAPE[1])


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.keyword)
def test_a_stream_of_fewer_bits_gives_its_values(tmp_path: Path, syntax: UID) -> None:
    np.testing.assert_array_equal(stored(write_eight_in_twelve(tmp_path / "image.dcm", syntax)), ramp(8))


def test_lossless_jpeg_of_fewer_bytes_a_sample_is_refused(tmp_path: Path) -> None:
    assert "another than its header says" in refusal(write_eight_in_twelve(tmp_path / "image.dcm", JPEGLosslessSV1))


def test_a_stream_of_more_bits_than_are_allocated_is_refused(tmp_path: Path) -> None:
    stream = ENCODERS[JPEG2000Lossless](ramp(12).astype(np.uint16), 12)
    path = write_file(
        tmp_path / "image.dcm", [stream], JPEG2000Lossless,
        BitsAllocated=8, BitsStored=8, Rows=SHAPE[0], Columns=SHAPE[1],
    )  # fmt: skip
    assert "12 bits a sample, BitsAllocated says 8" in refusal(path)


def test_a_signed_stream_with_an_unsigned_header_is_refused(tmp_path: Path) -> None:
    stream = imagecodecs.jpeg2k_encode(ramp(12, True).astype(np.int16), codecformat="J2K", level=0, bitspersample=12)
    path = write_file(
        tmp_path / "image.dcm", [bytes(stream)], JPEG2000Lossless, BitsStored=12, Rows=SHAPE[0], Columns=SHAPE[1]
    )
    assert "PixelRepresentation" in refusal(path)


# Enhanced multi-frame: what holds for a frame stands in its functional groups.

STACK = np.stack([ramp(12), ramp(12)[::-1], ramp(12) // 2]).astype(np.uint16)


def rescaled(slope: float, intercept: float) -> dict[str, Any]:
    values = {"RescaleSlope": str(slope), "RescaleIntercept": str(intercept), "RescaleType": "HU"}
    return {"PixelValueTransformationSequence": items(values)}


def measured(*spacing: float) -> dict[str, Any]:
    return {"PixelMeasuresSequence": items({"PixelSpacing": list(map(str, spacing)), "SliceThickness": "1"})}


def on_detector(side: str) -> dict[str, Any]:
    return {"FramePixelDataPropertiesSequence": items({"ImagerPixelSpacing": [side, side]})}


def write_enhanced(path: Path, shared: dict[str, Any], frames: list[dict[str, Any]], **attributes: Any) -> Path:
    groups: dict[str, Any] = {"SharedFunctionalGroupsSequence": items(shared)}
    if frames:
        groups["PerFrameFunctionalGroupsSequence"] = items(*frames)
    return write_words(path, STACK, BitsStored=12, **groups, **attributes)


@pytest.mark.parametrize(
    ("shared", "frames", "expected"),
    [
        (rescaled(2, -1024), [{}, {}, {}], [(2, -1024)] * 3),
        (rescaled(2, -1024), [], [(2, -1024)] * 3),
        ({}, [rescaled(1, -1024), rescaled(0.5, 3), rescaled(3, 0)], [(1, -1024), (0.5, 3), (3, 0)]),
        (rescaled(2, -1024), [{}, rescaled(0.5, 3), {}], [(2, -1024), (0.5, 3), (2, -1024)]),
        ({}, [rescaled(2, 1), {}, rescaled(1, 0)], [(2, 1), (1, 0), (1, 0)]),
        ({}, [{}, {}, {}], [(1, 0)] * 3),
    ],
    ids=["shared", "shared, no per-frame groups", "per frame", "mixed", "a frame without", "none"],
)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_every_frame_is_rescaled_by_its_own_functional_groups(
    tmp_path: Path,
    syntax: UID,
    shared: dict[str, Any],
    frames: list[dict[str, Any]],
    expected: list[tuple[float, float]],
) -> None:
    path = write_enhanced(tmp_path / "image.dcm", shared, frames, syntax=syntax)
    for index, (slope, intercept) in enumerate(expected):
        np.testing.assert_allclose(output(path, index), STACK[index] * float(slope) + intercept)


def test_the_groups_hold_against_the_data_set_of_an_old_writer(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "image.dcm", rescaled(2, 5), [], RescaleSlope="7", RescaleIntercept="9")
    np.testing.assert_allclose(output(path, 1), STACK[1] * 2.0 + 5)


@pytest.mark.parametrize(
    ("shared", "frames", "expected"),
    [
        (measured(0.1, 0.1), [{}, {}, {}], [0.1, 0.1, 0.1]),
        ({}, [measured(0.1, 0.1), measured(0.2, 0.2), measured(0.4, 0.4)], [0.1, 0.2, 0.4]),
        (measured(0.3, 0.3), [{}, measured(0.2, 0.2), {}], [0.3, 0.2, 0.3]),
        (measured(0.3, 0.3), [{}, on_detector("0.2"), {}], [0.3, 0.2, 0.3]),
        ({}, [measured(0.1, 0.1), {}, measured(0.1, 0.2)], [0.1, None, None]),
        (on_detector("0.2") | measured(0.15, 0.15), [], [0.2, 0.2, 0.2]),
    ],
    ids=["shared", "per frame", "mixed", "of the detector", "absent and oblong", "XA"],
)  # fmt: skip
def test_every_frame_has_the_spacing_of_its_own_functional_groups(
    tmp_path: Path, shared: dict[str, Any], frames: list[dict[str, Any]], expected: list[float | None]
) -> None:
    file = open_image(write_enhanced(tmp_path / "image.dcm", shared, frames))
    assert [file.frame(index).header.pixel_spacing for index in range(3)] == [
        None if spacing is None else pytest.approx(spacing) for spacing in expected
    ]


def test_the_intensity_relationship_of_an_angiography_is_of_its_frame(tmp_path: Path) -> None:
    kinds = ["LIN", "LOG", "LIN"]
    frames = [{"FramePixelDataPropertiesSequence": items({"PixelIntensityRelationship": kind})} for kind in kinds]
    file = open_image(write_enhanced(tmp_path / "image.dcm", {}, frames))
    assert [file.frame(index).header.pixel_intensity_relationship for index in range(3)] == kinds


def test_a_frame_without_an_item_is_refused_by_the_sequence(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "image.dcm", {}, [rescaled(2, 1), rescaled(2, 1)])
    np.testing.assert_allclose(output(path, 0), STACK[0] * 2.0 + 1)
    assert "PerFrameFunctionalGroupsSequence has 2 items, none for frame 3" in refusal(path)


@pytest.mark.parametrize("slope", [b"1,5", b"nan", b"1A"])
def test_a_broken_slope_of_one_frame_is_refused_by_name(tmp_path: Path, slope: bytes) -> None:
    path = write_enhanced(tmp_path / "image.dcm", {}, [rescaled(1, 0), rescaled(77777.0, 0), rescaled(1, 0)])
    content = path.read_bytes()
    assert content.count(b"77777.0 ") == 1
    path.write_bytes(content.replace(b"77777.0 ", slope.ljust(8)))
    assert "RescaleSlope" in refusal(path)
    np.testing.assert_array_equal(output(path, 0), STACK[0])


# Colours.


def colours() -> Array:
    """Smooth colours, uint8 [20, 30, 3]."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.stack([rows * 12, columns * 8, 255 - rows * 5 - columns * 3], axis=-1).astype(np.uint8)


def as_ybr(pixels: Array) -> Array:
    """Turn R, G, B into Y, Cb, Cr (PS3.3 C.7.6.3.1.2)."""
    matrix = [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    return (pixels @ np.transpose(matrix) + [0, 128, 128]).round().clip(0, 255).astype(np.uint8)


COLOURS: dict[str, Any] = {
    "SamplesPerPixel": 3,
    "BitsAllocated": 8,
    "BitsStored": 8,
    "Rows": SHAPE[0],
    "Columns": SHAPE[1],
}


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_colours_are_red_green_blue(tmp_path: Path, photometric: str, planar: int, syntax: UID) -> None:
    pixels = colours() if photometric == "RGB" else as_ybr(colours())
    data = np.moveaxis(pixels, -1, 0) if planar else pixels
    path = write_file(
        tmp_path / "image.dcm", data.tobytes(), syntax,
        PhotometricInterpretation=photometric, PlanarConfiguration=planar, **COLOURS,
    )  # fmt: skip
    header = open_image(path).header
    assert (header.photometric_interpretation, header.samples_per_pixel) == ("RGB", 3)
    np.testing.assert_allclose(stored(path), colours(), atol=0 if photometric == "RGB" else 2)


def test_halved_chroma_is_red_green_blue(tmp_path: Path) -> None:
    pixels = as_ybr(np.repeat(colours()[:, ::2], 2, axis=1))
    pairs = pixels.reshape(-1, 2, 3)
    data = np.stack([pairs[:, 0, 0], pairs[:, 1, 0], pairs[:, 0, 1], pairs[:, 0, 2]], axis=1)
    path = write_file(
        tmp_path / "image.dcm",
        data.tobytes(),
        PhotometricInterpretation="YBR_FULL_422",
        PlanarConfiguration=0,
        **COLOURS,
    )
    np.testing.assert_allclose(stored(path), np.repeat(colours()[:, ::2], 2, axis=1), atol=2)


@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "YBR_FULL", "RGB"])
@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
def test_jpeg_colours_are_red_green_blue(tmp_path: Path, photometric: str, subsampling: str) -> None:
    """Those that say RGB beside a JFIF marker are YBR all the same, as JFIF demands."""
    stream = imagecodecs.jpeg8_encode(colours(), level=100, subsampling=subsampling)
    path = write_file(
        tmp_path / "image.dcm", [bytes(stream)], JPEGBaseline8Bit,
        PhotometricInterpretation=photometric, PlanarConfiguration=0, **COLOURS,
    )  # fmt: skip
    np.testing.assert_allclose(stored(path).astype(int), colours(), atol=4 if subsampling == "444" else 40)
    assert np.abs(stored(path).astype(int) - colours()).mean() < 3


@pytest.mark.parametrize(("photometric", "mct"), [("YBR_RCT", True), ("RGB", False)])
def test_jpeg_2000_colours_are_red_green_blue(tmp_path: Path, photometric: str, mct: bool) -> None:
    stream = imagecodecs.jpeg2k_encode(colours(), codecformat="J2K", level=0, mct=mct, reversible=True)
    path = write_file(
        tmp_path / "image.dcm", [bytes(stream)], JPEG2000Lossless,
        PhotometricInterpretation=photometric, PlanarConfiguration=0, **COLOURS,
    )  # fmt: skip
    np.testing.assert_array_equal(stored(path), colours())


def test_jpeg_ls_colours_are_red_green_blue(tmp_path: Path) -> None:
    stream = imagecodecs.jpegls_encode(colours())
    path = write_file(
        tmp_path / "image.dcm", [bytes(stream)], JPEGLSLossless,
        PhotometricInterpretation="RGB", PlanarConfiguration=0, **COLOURS,
    )  # fmt: skip
    np.testing.assert_array_equal(stored(path), colours())


def palette(entries: int, first: int, bits: int, is_big_endian: bool = False) -> dict[str, Any]:
    dtype = np.dtype(np.uint8) if bits == 8 else np.dtype(">u2" if is_big_endian else "<u2")
    made: dict[str, Any] = {}
    for colour, table in zip(("Red", "Green", "Blue"), palette_tables(entries, bits), strict=True):
        made[f"{colour}PaletteColorLookupTableDescriptor"] = [entries % 2**16, first, bits]
        data = table.astype(dtype).tobytes()
        data += b"\0" * (len(data) % 2)
        swapped = bits == 8 and is_big_endian  # two entries a word
        made[f"{colour}PaletteColorLookupTableData"] = (
            np.frombuffer(data, "u2").byteswap().tobytes() if swapped else data
        )
    return made


def palette_tables(entries: int, bits: int) -> list[Array]:
    top = 2**bits - 1
    ramp_up = np.linspace(0, top, entries).round().astype(np.int64)
    return [ramp_up, top - ramp_up, ramp_up // 2]


@pytest.mark.parametrize("allocated", [8, 16])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("first", [0, 10])
def test_a_palette_becomes_its_colours(tmp_path: Path, allocated: int, bits: int, first: int) -> None:
    indices = np.arange(600).reshape(SHAPE) % 256
    tables = palette_tables(200, bits)
    path = write_words(
        tmp_path / "image.dcm", indices.astype(f"u{allocated // 8}"),
        PhotometricInterpretation="PALETTE COLOR", **palette(200, first, bits),
    )  # fmt: skip
    places = np.clip(indices - first, 0, 199)
    np.testing.assert_array_equal(stored(path), np.stack([table[places] for table in tables], axis=-1))
    header = open_image(path).header
    assert (header.photometric_interpretation, header.samples_per_pixel, header.bits_stored) == ("RGB", 3, bits)


@pytest.mark.parametrize("keyword", ["RedPaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableData"])
def test_a_palette_that_lacks_something_is_refused_in_its_name(tmp_path: Path, keyword: str) -> None:
    made = palette(256, 0, 8)
    del made[keyword]
    path = write_words(tmp_path / "image.dcm", np.arange(600).reshape(SHAPE).astype(np.uint8),
                       PhotometricInterpretation="PALETTE COLOR", **made)  # fmt: skip
    assert "alette" in refusal(path)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("entries", [200, 201, 1000])
def test_a_palette_is_read_in_the_order_of_its_bytes(tmp_path: Path, syntax: UID, bits: int, entries: int) -> None:
    indices = np.arange(600).reshape(SHAPE)
    path = write_words(
        tmp_path / "image.dcm", indices.astype(np.uint16), syntax=syntax,
        PhotometricInterpretation="PALETTE COLOR", **palette(entries, 0, bits, syntax == ExplicitVRBigEndian),
    )  # fmt: skip
    places = np.clip(indices, 0, entries - 1)
    expected = np.stack([table[places] for table in palette_tables(entries, bits)], axis=-1)
    np.testing.assert_array_equal(stored(path), expected)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_of_segments_becomes_its_colours(tmp_path: Path, bits: int) -> None:
    """Three entries as they are, a line of 47 to 200, and the first segment again."""
    offset = [0, 0] if bits == 16 else [0, 0, 0, 0]
    words = np.array([0, 3, 5, 6, 7, 1, 47, 200, 2, 1, *offset], np.uint8 if bits == 8 else "<u2")
    made = {f"{colour}PaletteColorLookupTableDescriptor": [53, 0, bits] for colour in ("Red", "Green", "Blue")}
    data = {f"Segmented{colour}PaletteColorLookupTableData": words.tobytes() for colour in ("Red", "Green", "Blue")}
    indices = (np.arange(600) % 53).reshape(SHAPE)
    path = write_words(
        tmp_path / "image.dcm", indices.astype(np.uint16), PhotometricInterpretation="PALETTE COLOR", **made, **data
    )
    table = np.array([5, 6, 7, *np.linspace(7, 200, 48)[1:], 5, 6, 7]).round()
    np.testing.assert_array_equal(stored(path), np.stack([table[indices]] * 3, axis=-1))


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("GreenPaletteColorLookupTableDescriptor", [256, 1, 8]),
        ("BluePaletteColorLookupTableDescriptor", [255, 0, 8]),
        ("RedPaletteColorLookupTableDescriptor", [256, 0, 12]),
        ("RedPaletteColorLookupTableData", bytes(200)),
        ("GreenPaletteColorLookupTableData", b"\xff" * 512),
    ],
)
def test_a_palette_that_contradicts_itself_is_refused_by_name(tmp_path: Path, keyword: str, value: Any) -> None:
    path = write_words(
        tmp_path / "image.dcm", np.arange(600).reshape(SHAPE).astype(np.uint8),
        PhotometricInterpretation="PALETTE COLOR", **palette(256, 0, 8) | {keyword: value},
    )  # fmt: skip
    assert keyword in refusal(path)


def test_samples_of_32_bit_in_big_endian_are_refused(tmp_path: Path) -> None:
    path = write_words(tmp_path / "image.dcm", ramp(32).astype(np.uint32), syntax=ExplicitVRBigEndian)
    assert "BitsAllocated 32 in Explicit VR Big Endian" in refusal(path)


# Floating pixels, deflated data sets, other ways of writing.


@pytest.mark.parametrize(("keyword", "kind"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")])
@pytest.mark.parametrize("frames", [1, 3])
def test_floating_pixels_are_as_they_are(tmp_path: Path, keyword: str, kind: str, frames: int) -> None:
    values = np.linspace(-1.5, 1e9, 600 * frames).astype(kind).reshape(frames, *SHAPE)
    data: dict[str, Any] = {keyword: values.tobytes()}
    path = write_file(
        tmp_path / "image.dcm", b"", BitsAllocated=8 * values.dtype.itemsize, BitsStored=None, PixelRepresentation=None,
        NumberOfFrames=frames, Rows=SHAPE[0], Columns=SHAPE[1], RescaleSlope="2", RescaleIntercept="1",
        **data,
    )  # fmt: skip
    assert open_image(path).header.bits_stored is None
    for index in range(frames):
        np.testing.assert_array_equal(stored(path, index), values[index])
        np.testing.assert_allclose(output(path, index), values[index] * 2 + 1, rtol=1e-6)


def deflated(tmp_path: Path) -> Path:
    return write_words(
        tmp_path / "image.dcm", ramp(12).astype(np.uint16), BitsStored=12, syntax=DeflatedExplicitVRLittleEndian
    )


def test_a_deflated_data_set_is_read(tmp_path: Path) -> None:
    np.testing.assert_array_equal(stored(deflated(tmp_path)), ramp(12))


@pytest.mark.parametrize("lost", [1, 9, 100])
def test_a_deflated_data_set_that_is_cut_off_is_refused(tmp_path: Path, lost: int) -> None:
    path = deflated(tmp_path)
    path.write_bytes(path.read_bytes().rstrip(b"\0")[:-lost])
    assert "cut off" in refusal(path)


def test_a_deflated_data_set_that_grows_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_set, "MOST_INFLATED", 2**20)
    path = write_words(tmp_path / "bomb.dcm", np.zeros((2000, 2000), np.uint16), syntax=DeflatedExplicitVRLittleEndian)
    assert path.stat().st_size < 20_000
    assert "more than 1,048,576 bytes" in refusal(path)


def test_bytes_that_do_not_inflate_are_refused(tmp_path: Path) -> None:
    path = deflated(tmp_path)
    content = path.read_bytes()
    start = 144 + pydicom.dcmread(path).file_meta.FileMetaInformationGroupLength
    path.write_bytes(content[:start] + b"\xff" + content[start + 1 :])  # a kind of block that there is not
    assert refusal(path) == "the deflated data set is damaged"


@pytest.mark.parametrize("syntax", ENCODERS, ids=lambda uid: uid.keyword)
def test_elements_without_their_representation_around_compressed_pixels_are_read(tmp_path: Path, syntax: UID) -> None:
    """Some write Implicit VR and name a compressed transfer syntax, which has Explicit VR (PS3.5 A.4)."""
    plain = write_file(
        tmp_path / "explicit.dcm", [ENCODERS[syntax](ramp(12).astype(np.uint16), 12)], syntax,
        BitsStored=12, Rows=SHAPE[0], Columns=SHAPE[1],
    )  # fmt: skip
    elements = pydicom.dcmread(plain)
    buffer = pydicom.filebase.DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    write_dataset(buffer, elements)
    content = plain.read_bytes()
    start = 144 + elements.file_meta.FileMetaInformationGroupLength
    path = tmp_path / "implicit.dcm"
    path.write_bytes(content[:start] + buffer.getvalue())
    np.testing.assert_array_equal(stored(path), ramp(12))


def test_blanks_around_code_strings_do_not_count(tmp_path: Path) -> None:
    path = write_words(
        tmp_path / "image.dcm", ramp(16).astype(np.uint16),
        PhotometricInterpretation=" MONOCHROME1", Modality=" MG ", PresentationIntentType=" FOR PROCESSING",
    )  # fmt: skip
    header = open_image(path).header
    assert (header.photometric_interpretation, header.modality) == ("MONOCHROME1", "MG")
    assert header.presentation_intent_type == "FOR PROCESSING"


# JPEG with loss.


@pytest.mark.parametrize("scan", [b"\x00\x3f\x00", b"\x00\x00\x00"], ids=["as in T.81", "zeros"])
def test_jpeg_extended_of_12_bit_is_read_within_its_loss(tmp_path: Path, scan: bytes) -> None:
    values = ramp(12).astype(np.uint16)
    stream = bytes(imagecodecs.jpeg8_encode(values, level=100, bitspersample=12))
    assert b"\xff\xc1" in stream
    assert stream.count(b"\x00\x3f\x00") == 1
    path = write_file(
        tmp_path / "image.dcm", [stream.replace(b"\x00\x3f\x00", scan)], JPEGExtended12Bit,
        BitsStored=12, Rows=SHAPE[0], Columns=SHAPE[1],
    )  # fmt: skip
    np.testing.assert_allclose(stored(path).astype(int), values.astype(int), atol=4)
    assert open_image(path).header.lossy_image_compression is True


# Malformed numbers.


@pytest.mark.parametrize("raw", [b"1,5", b"1.5\\1.5", b"1A", b"nan", b"inf", b"1.5e", b"--1", b"0x10", b"1 5"])
@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_a_malformed_rescaling_is_refused_by_name(tmp_path: Path, keyword: str, raw: bytes) -> None:
    words = refusal(with_value(tmp_path / "image.dcm", keyword, raw))
    assert keyword in words
    assert "Error" not in words


@pytest.mark.parametrize("raw", [b"1.5", b"1A", b"0", b"-1", b"1\\2", b"1,0", b"nan", b"1e9"])
def test_a_malformed_number_of_frames_is_refused_by_name(tmp_path: Path, raw: bytes) -> None:
    words = refusal(with_value(tmp_path / "image.dcm", "NumberOfFrames", raw))
    assert "NumberOfFrames" in words or "frames of" in words or "expected at most" in words


@pytest.mark.parametrize("raw", [b"1", b" 1", b"01", b"+1", b"1.0"])
def test_another_way_to_write_one_frame_is_read(tmp_path: Path, raw: bytes) -> None:
    np.testing.assert_array_equal(stored(with_value(tmp_path / "image.dcm", "NumberOfFrames", raw)).ravel(), range(600))


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept", "NumberOfFrames"])
def test_an_empty_number_is_an_absent_one(tmp_path: Path, keyword: str) -> None:
    np.testing.assert_array_equal(output(with_value(tmp_path / "image.dcm", keyword, b"  ")).ravel(), range(600))


@pytest.mark.parametrize(
    "raw", [b"0,1\\0,1", b"0.1", b"0\\0", b"-1\\-1", b"0.1\\0.2", b"nan\\nan", b"1\\1\\1", b"x\\y"]
)
@pytest.mark.parametrize("keyword", ["ImagerPixelSpacing", "PixelSpacing"])
def test_a_spacing_that_cannot_be_used_is_none_and_says_why(tmp_path: Path, keyword: str, raw: bytes) -> None:
    header = open_image(with_value(tmp_path / "image.dcm", keyword, raw)).header
    assert header.pixel_spacing is None
    assert f"{keyword} " in header.no_pixel_spacing


WHOLE = ["Rows", "Columns", "BitsAllocated", "BitsStored", "SamplesPerPixel", "PixelRepresentation"]
RIGHT = [("PixelRepresentation", 0), ("BitsStored", 7)]


@pytest.mark.parametrize(
    ("keyword", "value"), [pair for pair in product(WHOLE, ([20, 20], 0, 7, 65535)) if pair not in RIGHT]
)
def test_a_malformed_whole_number_is_refused_by_name(tmp_path: Path, keyword: str, value: int | list[int]) -> None:
    attributes: dict[str, Any] = {"Rows": 20, "Columns": 30, "BitsStored": 16, "HighBit": 15, keyword: value}
    path = write_file(tmp_path / "image.dcm", ramp(16).astype("<u2").tobytes(), **attributes)
    words = refusal(path)
    assert keyword in words or "pixels" in words


# Other pixel data than the header tells of.


@pytest.mark.parametrize("syntax", ENCODERS, ids=lambda uid: uid.keyword)
@pytest.mark.parametrize(("there", "told"), [(2, 1), (3, 2), (5, 3), (1, 2), (2, 3)])
@pytest.mark.parametrize("table", [False, True], ids=["no offset table", "offset table"])
def test_other_frames_than_the_header_tells_of_are_refused(
    tmp_path: Path, syntax: UID, there: int, told: int, table: bool
) -> None:
    streams = [ENCODERS[syntax](ramp(12).astype(np.uint16) // (1 + index), 12) for index in range(there)]
    path = write_file(
        tmp_path / "image.dcm", streams, syntax, has_table=table,
        BitsStored=12, NumberOfFrames=told, Rows=SHAPE[0], Columns=SHAPE[1],
    )  # fmt: skip
    assert f"NumberOfFrames says {told}" in refusal(path)


@pytest.mark.parametrize(
    ("syntax", "fragments"),
    [*product(ENCODERS, (1,)), *((syntax, 3) for syntax in ENCODERS if syntax != RLELossless)],  # PS3.5 A.4.2
)
@pytest.mark.parametrize("table", [False, True], ids=["no offset table", "offset table"])
def test_frames_in_fragments_are_each_its_own(tmp_path: Path, syntax: UID, table: bool, fragments: int) -> None:
    frames = [ramp(12).astype(np.uint16) // (1 + index) for index in range(4)]
    streams = [ENCODERS[syntax](frame, 12) for frame in frames]
    path = write_file(
        tmp_path / "image.dcm", streams, syntax, has_table=table, fragments=fragments,
        BitsStored=12, NumberOfFrames=4, Rows=SHAPE[0], Columns=SHAPE[1],
    )  # fmt: skip
    file = open_image(path)
    for index in (3, 0, 2, 1):
        np.testing.assert_array_equal(file.frame(index).pixels, frames[index])


@pytest.mark.parametrize("more", [2, 600, 1200])
@pytest.mark.parametrize("frames", [1, 2])
def test_more_bytes_than_the_header_tells_of_are_refused(tmp_path: Path, more: int, frames: int) -> None:
    data = np.stack([ramp(16)] * frames).astype("<u2").tobytes() + bytes(more)
    path = write_file(tmp_path / "image.dcm", data, NumberOfFrames=frames, Rows=SHAPE[0], Columns=SHAPE[1])
    assert "NumberOfFrames" in refusal(path)


@pytest.mark.parametrize("lost", [1, 2, 600, 1199])
def test_fewer_bytes_than_the_header_tells_of_are_refused(tmp_path: Path, lost: int) -> None:
    path = write_words(tmp_path / "image.dcm", ramp(16).astype(np.uint16))
    path.write_bytes(path.read_bytes()[:-lost])
    assert "expected 1,200" in refusal(path)


def test_a_file_that_is_cut_off_is_refused_under_its_own_name(tmp_path: Path) -> None:
    """Whoever sent it asks for the verdict by the SOP Instance UID."""
    path = write_file(tmp_path / "image.dcm", ramp(16).astype("<u2").tobytes(), Rows=SHAPE[0], Columns=SHAPE[1])
    path.write_bytes(path.read_bytes()[:-100])
    decoded = decode(path, 0, Input(photometric_interpretation="MONOCHROME2"))
    assert decoded.name == open_image(path).sop_instance_uid
    assert "PixelData of 1,100 bytes, expected 1,200" in decoded.refusal
