"""The data set of a DICOM file up to its pixels, and where these begin."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from ...errors import ImageRefused

MOST_INFLATED = 2**28
"""Bytes that a deflated data set (PS3.5 A.5) may have: what is damaged or hostile grows a thousandfold."""

_PIXELS = {0x7FE00010: "PixelData", 0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData"}
_UNDEFINED = 0xFFFFFFFF
_META_BEGINS = 144
"""Offset of the element behind the group length of the file meta information, which counts from there (PS3.10 7.1)."""


@dataclass(frozen=True)
class DataSet:
    """A data set. open: gives its bytes. elements: those in front of the pixels. pixel_keyword, value_representation:
    of the element that holds the pixels. value_offset, value_length: of its value in the bytes, None where the length
    is undefined, as of encapsulated pixels. available: bytes from there to the end."""

    open: Callable[[], BinaryIO]
    elements: Dataset
    transfer_syntax: UID
    pixel_keyword: str
    value_representation: str
    value_offset: int
    value_length: int | None
    available: int

    @property
    def is_little_endian(self) -> bool:
        """Say whether words are written with their low byte first."""
        return _is_little_endian(self.elements)

    @contextmanager
    def pixels(self) -> Iterator[BinaryIO]:
        """Open the bytes where the value of the pixel data begins."""
        with self.open() as file:
            file.seek(self.value_offset)
            yield file


def open_data_set(path: Path) -> DataSet:
    """Read a file's data set up to its pixels. Raises ImageRefused where it cannot be parsed or has no pixels."""
    try:
        meta = read_file_meta_info(path)
        syntax = UID(str(meta.get("TransferSyntaxUID") or ""))
        group_length = int(meta.get("FileMetaInformationGroupLength") or 0)
    except Exception:  # pydicom raises many kinds on damaged files
        raise ImageRefused("the DICOM file meta information cannot be parsed") from None
    if not syntax:
        raise ImageRefused("DICOM file without TransferSyntaxUID in its file meta information")
    if syntax != DeflatedExplicitVRLittleEndian:
        return _located(lambda: path.open("rb"), _parsed, syntax, path.stat().st_size)
    if not group_length:
        raise ImageRefused("deflated DICOM file without FileMetaInformationGroupLength, expected where its data begins")
    inflated = _inflated(path, _META_BEGINS + group_length)
    return _located(lambda: BytesIO(inflated), _parsed_inflated, syntax, len(inflated))


def _located(
    open_bytes: Callable[[], BinaryIO], parse: Callable[[BinaryIO], Dataset], syntax: UID, size: int
) -> DataSet:
    with open_bytes() as file:
        try:
            elements = parse(file)
        except Exception:  # pydicom raises many kinds on damaged files
            raise ImageRefused("the DICOM data set cannot be parsed: damaged, or written in another way") from None
        head = file.read(12)
        start = file.tell() - len(head)
    keyword, representation, length, value = _element(head, _is_little_endian(elements))
    if keyword is None:
        raise ImageRefused("DICOM file without PixelData, expected an image")
    return DataSet(
        open_bytes, elements, syntax, keyword, representation, start + value, length, size - start - value
    )  # fmt: skip


def _parsed(file: BinaryIO) -> Dataset:
    return pydicom.dcmread(file, stop_before_pixels=True)


def _parsed_inflated(file: BinaryIO) -> Dataset:
    """Explicit VR Little Endian, without file meta information in front."""
    elements = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag in _PIXELS)
    elements.set_original_encoding(False, True)
    return elements


def _is_little_endian(elements: Dataset) -> bool:
    return elements.original_encoding[1] is not False


def _element(head: bytes, is_little_endian: bool) -> tuple[str | None, str, int | None, int]:
    """Keyword, VR and length of the element that begins so, and how many bytes of it come before its value. The VR may
    be missing where the transfer syntax demands one: some write all elements but those of the meta information so."""
    order = "<" if is_little_endian else ">"
    if len(head) < 8:
        return None, "", None, 0
    group, element = struct.unpack(f"{order}HH", head[:4])
    explicit = head[4:6].decode("latin-1") if head[6:8] == b"\0\0" else ""
    known = explicit in ("OB", "OW", "OF", "OD", "UN") and len(head) == 12
    (length,) = struct.unpack(f"{order}L", head[8:12] if known else head[4:8])
    keyword = _PIXELS.get(group << 16 | element)
    return keyword, explicit if known else "OW", None if length == _UNDEFINED else length, 12 if known else 8


def _inflated(path: Path, start: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(path.read_bytes()[start:], MOST_INFLATED)
    except zlib.error:
        raise ImageRefused("the deflated data set is damaged") from None
    if not inflater.eof:
        cut = "is cut off" if not inflater.unconsumed_tail else f"has more than {MOST_INFLATED:,} bytes"
        raise ImageRefused(f"the deflated data set {cut}")
    return inflated
