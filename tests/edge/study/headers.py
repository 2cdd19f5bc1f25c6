"""DICOM files of a header alone, byte for byte as a test says, right or wrong."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

from fisherlens.edge.study import STUDY
from fisherlens.edge.study.opening import open_header

ORDINARY: dict[str, bytes] = {
    "SpecificCharacterSet": b"ISO_IR 100",
    "SOPClassUID": b"1.2.840.10008.5.1.4.1.1.1.1",
    "SOPInstanceUID": b"1.2.3.4",
    "StudyDate": b"20260102",
    "StudyTime": b"101112",
    "AccessionNumber": b"A1",
    "Modality": b"DX",
    "ReferringPhysicianName": b"",
    "PatientName": b"Doe^Jane",
    "PatientID": b"P1",
    "PatientBirthDate": b"19700101",
    "PatientSex": b"F",
    "StudyInstanceUID": b"1.2.3.1",
    "SeriesInstanceUID": b"1.2.3.2",
    "StudyID": b"S1",
    "PatientOrientation": b"L\\F",
    "ImageLaterality": b"L",
    "BurnedInAnnotation": b"NO",
    "ImagerPixelSpacing": b"0.1\\0.1",
    "Rows": struct.pack("<H", 32),
    "Columns": struct.pack("<H", 32),
}
_PADDED_BY_ZERO = ("UI",)


def header_bytes(values: Mapping[str, bytes | None]) -> bytes:
    """A file of the ordinary header with other values, explicit VR little endian; None leaves an attribute out."""
    meta = _element(0x00020010, "UI", b"1.2.840.10008.1.2.1")
    meta = _element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta
    merged = {**ORDINARY, **values}
    tags = sorted((int(tag_for_keyword(keyword) or 0), keyword) for keyword in merged)
    body = [_element(tag, dictionary_VR(tag), value) for tag, keyword in tags if (value := merged[keyword]) is not None]
    return bytes(128) + b"DICM" + meta + b"".join(body)


def write_header(path: Path, **values: bytes | None) -> Path:
    path.write_bytes(header_bytes(values))
    return path


def read_header(**values: bytes | None) -> Dataset:
    """The header as the product opens it."""
    with TemporaryDirectory() as folder:
        return open_header(write_header(Path(folder) / "header.dcm", **values), (*STUDY, *values))


def _element(tag: int, representation: str, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if representation in _PADDED_BY_ZERO else b" "
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, representation.encode(), len(value)) + value
