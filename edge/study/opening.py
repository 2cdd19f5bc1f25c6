"""Opening a DICOM file for its header, also where its Specific Character Set stops pydicom."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

_TAG = b"\x08\x00\x05\x00"
_PREAMBLE = 132
"""Bytes before the first element (PS3.10 7.1)."""


def open_header(path: Path, keywords: Sequence[str]) -> Dataset:
    """Open a file for these attributes, without its pixels. Raises what pydicom raises on damaged files."""
    try:
        return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*keywords])
    except ValueError:  # NUL within the name of a character set
        mended = _without_nul(path.read_bytes())
        return pydicom.dcmread(BytesIO(mended), stop_before_pixels=True, specific_tags=[*keywords])


def _without_nul(data: bytes) -> bytes:
    """Put spaces in the place of NUL in the Specific Character Set, little endian."""
    at = data.find(_TAG, _PREAMBLE)
    if at < 0:
        return data
    length = data[at + 6 : at + 8] if data[at + 4 : at + 6] == b"CS" else data[at + 4 : at + 8]
    start, end = at + 8, at + 8 + int.from_bytes(length, "little")
    return data[:start] + data[start:end].replace(b"\0", b" ") + data[end:]
