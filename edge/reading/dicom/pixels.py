"""Decoding one frame of a data set's pixels by pydicom's decoders, and what must hold before and after."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, BinaryIO

from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import (
    HTJ2K,
    ExplicitVRBigEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from ...errors import ImageRefused
from ..frame import Pixels
from .capsules import Capsules, capsules_of
from .data_set import DataSet
from .image_pixel import MONOCHROME, PALETTE, ImagePixel
from .streams import check_stream, with_whole_blocks

_END_OF_IMAGE = b"\xff\xd9"
"""The marker that ends every JPEG, JPEG-LS and JPEG 2000 stream (ITU-T T.81 B.1.1.3, T.800 A.4.4)."""
_JPEG_FAMILY = (
    *JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL
)  # fmt: skip
_PLUGINS = {RLELossless: "pydicom"} | dict.fromkeys(_JPEG_FAMILY, "pylibjpeg")
"""The decoders of the device's install, by pydicom's names: where others are installed too (GDCM, Pillow), pydicom
would take these first, and the same file could be another image on another machine."""

_MOST_BITS = {JPEGBaseline8Bit: 8, JPEGExtended12Bit: 12}
"""The most that a stream of a transfer syntax holds (PS3.5 8.2.1)."""


def require_sound(data_set: DataSet, stored: ImagePixel) -> None:
    """Refuse, before anything is decoded, a transfer syntax that nothing here decodes, and pixel data that is not
    compressed, and shorter or longer than the header says: what is longer has frames or samples untold of."""
    _check_syntax(data_set, stored)
    if data_set.transfer_syntax.is_encapsulated:
        return
    length = data_set.available if data_set.value_length is None else data_set.value_length
    expected = stored.byte_count
    if min(length, data_set.available) < expected or length > expected + expected % 2:
        raise ImageRefused(
            f"{data_set.pixel_keyword} of {min(length, data_set.available):,} bytes, expected {expected:,} by its "
            "Rows, Columns, BitsAllocated, SamplesPerPixel and NumberOfFrames"
        )


def decoder_of(data_set: DataSet, stored: ImagePixel) -> Callable[[int], Pixels]:
    """Make what decodes frame `index`, from 0: to [rows, columns] or [rows, columns, samples], colours RGB.

    It raises ImageRefused for a transfer syntax that is not supported, and pixel data that is damaged, cut off or
    another than the header says.
    """
    in_jpeg_family = data_set.transfer_syntax in _JPEG_FAMILY

    @cache
    def located() -> Capsules:
        with data_set.pixels() as file:
            return capsules_of(file, stored.frames, in_jpeg_family)

    def stream(file: BinaryIO, index: int) -> bytes:
        data = located().stream(file, index)
        return _checked(data, stored, index) if in_jpeg_family else data

    return lambda index: _decoded(data_set, stored, index, stream)


def _decoded(data_set: DataSet, stored: ImagePixel, index: int, stream: Callable[[BinaryIO, int], bytes]) -> Pixels:
    decoder, options = get_decoder(data_set.transfer_syntax), _options(data_set, stored)
    try:
        with data_set.pixels() as file:
            if data_set.transfer_syntax.is_encapsulated:
                capsule = encapsulate([stream(file, index)], has_bot=False)
                pixels, found = decoder.as_array(capsule, index=0, **options | {"number_of_frames": 1})
            else:
                pixels, found = decoder.as_array(file, index=index, **options)
    except MemoryError:
        raise ImageRefused(f"frame {index + 1} does not fit into memory") from None
    except ImageRefused:
        raise
    except Exception:  # each decoder raises kinds of its own
        raise ImageRefused(
            f"the pixel data of frame {index + 1} cannot be decoded ({data_set.transfer_syntax.name}): damaged, or "
            "another than its header says"
        ) from None
    colour = stored.photometric_interpretation not in (*MONOCHROME, PALETTE)
    if colour and found["photometric_interpretation"] != "RGB":
        raise ImageRefused(f"colours {found['photometric_interpretation']} of frame {index + 1}, expected RGB")
    shape = (stored.rows, stored.columns, 3) if colour else (stored.rows, stored.columns)
    if pixels.shape != shape:
        raise ImageRefused(f"pixel data of frame {index + 1} is {list(pixels.shape)}, its header says {list(shape)}")
    return pixels


def _check_syntax(data_set: DataSet, stored: ImagePixel) -> None:
    syntax = data_set.transfer_syntax
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise ImageRefused(f"transfer syntax {syntax.name} is not supported, expected one that is or none compressed")
    if syntax == ExplicitVRBigEndian and stored.bits_allocated > 16 and not stored.is_float:
        # DCMTK and GDCM swap the bytes of each 16-bit word, as OW says (PS3.5 7.3), pydicom those of each sample.
        raise ImageRefused(
            f"BitsAllocated {stored.bits_allocated} in {syntax.name}, expected 16 at most: writers differ in the order"
        )
    packed = stored.high_bit + 1 == stored.bits_stored
    if syntax.is_encapsulated and syntax != RLELossless and not packed and not stored.is_float:
        raise ImageRefused(
            f"HighBit {stored.high_bit} with BitsStored {stored.bits_stored} in {syntax.name}, expected "
            f"{stored.bits_stored - 1}"
        )
    most = _MOST_BITS.get(syntax)
    if most is not None and stored.bits_stored > most:
        raise ImageRefused(f"BitsStored {stored.bits_stored} in {syntax.name}, expected at most {most}")


def _options(data_set: DataSet, stored: ImagePixel) -> dict[str, Any]:
    """What a decoder must know, by pydicom's names; it leaves the bits as they come, since it takes some for others."""
    return {
        "rows": stored.rows,
        "columns": stored.columns,
        "samples_per_pixel": stored.samples_per_pixel,
        "photometric_interpretation": stored.photometric_interpretation,
        "planar_configuration": stored.planar_configuration,
        "bits_allocated": stored.bits_allocated,
        "bits_stored": stored.bits_stored,
        "pixel_representation": stored.pixel_representation,
        "number_of_frames": stored.frames,
        "pixel_keyword": data_set.pixel_keyword,
        "pixel_vr": data_set.value_representation,
        "correct_unused_bits": False,
        "apply_jls_sign_correction": False,
        "apply_j2k_sign_correction": False,
        "decoding_plugin": _PLUGINS.get(data_set.transfer_syntax, ""),
    }


def _checked(stream: bytes, stored: ImagePixel, index: int) -> bytes:
    """Refuse a stream of the JPEG family that is another than its header says, or lacks its end marker: libjpeg and
    OpenJPEG decode one that was cut off without a word, and fill the rest."""
    check_stream(stream, stored, f"frame {index + 1}")
    if not stream.rstrip(b"\0\xff").endswith(_END_OF_IMAGE):  # padded to even length by either
        raise ImageRefused(f"the compressed stream of frame {index + 1} is cut off: it has no end")
    return with_whole_blocks(stream)
