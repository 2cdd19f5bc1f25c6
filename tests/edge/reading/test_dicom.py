"""DICOM by kind: the right values, or a refusal that names the attribute. Words are made by closed forms, written by
encoders that are not ours."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
        for index in range(open_image(path).header.frames):
            output(path, index)
    return str(refused.value)


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
    attributes = {"BitsStored": bits, "PixelRepresentation": int(signed), "Rows": SHAPE[0], "Columns": SHAPE[1]}
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


@pytest.mark.parametrize("allocated", [8, 16, 32])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
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
    attributes = {
        "BitsAllocated": allocated, "BitsStored": bits, "HighBit": high, "PixelRepresentation": int(signed),
        "Rows": SHAPE[0], "Columns": SHAPE[1],
    }  # fmt: skip
    typed = words.astype(f"u{allocated // 8}")
    big = syntax == ExplicitVRBigEndian
    data = (
        [rle_stream(typed)]
        if syntax == RLELossless
        else typed.astype(typed.dtype.newbyteorder("><"[not big])).tobytes()
    )
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


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1], ids=lambda uid: uid.keyword)
def test_a_stream_of_fewer_bits_gives_its_values(tmp_path: Path, syntax: UID) -> None:
    """Eight bits in a header of 12: what they stand for is the same number."""
    values = ramp(8)
    stream = {
        JPEGLSLossless: lambda: imagecodecs.jpegls_encode(values.astype(np.uint8)),
        JPEG2000Lossless: lambda: imagecodecs.jpeg2k_encode(values.astype(np.uint8), codecformat="J2K", level=0),
        JPEGLosslessSV1: lambda: imagecodecs.ljpeg_encode(values.astype(np.uint8), bitspersample=8),
    }[syntax]()
    path = write_file(tmp_path / "image.dcm", [bytes(stream)], syntax, BitsStored=12, Rows=SHAPE[0], Columns=SHAPE[1])
    try:
        np.testing.assert_array_equal(stored(path), values)
    except ImageRefused as refused:
        assert "frame 1" in str(refused)
