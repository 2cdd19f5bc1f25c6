"""DICOM files as they are met, and as they should not be: written element by element."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import jpeg_ls
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

Array = NDArray[Any]


def write_file(
    path: Path,
    data: bytes | list[bytes],
    syntax: UID = ExplicitVRLittleEndian,
    has_table: bool = True,
    fragments: int = 1,
    **attributes: Any,
) -> Path:
    """Write pixel data, or compressed frames in so many fragments each, with a header for 16-bit MONOCHROME2 but for
    `attributes`; one that is None is left out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = syntax, UID("1.2.840.10008.5.1.4.1.1.7")
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    elements = FileDataset(
        str(path), {}, file_meta=meta, preamble=b"\0" * 128,
        is_implicit_VR=syntax == ImplicitVRLittleEndian, is_little_endian=syntax != ExplicitVRBigEndian,
    )  # fmt: skip
    values = {
        "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "OT",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "PixelRepresentation": 0,
        **attributes,
    }
    bits = values["BitsStored"]
    values.setdefault("HighBit", bits - 1 if isinstance(bits, int) else 15)
    for keyword, value in values.items():
        if value is not None:
            setattr(elements, keyword, value)
    if isinstance(data, list):
        elements.PixelData = encapsulate(data, fragments_per_frame=fragments, has_bot=has_table)
        elements["PixelData"].is_undefined_length = True
    elif data:
        elements.PixelData = data + b"\0" * (len(data) % 2)
    if "PixelData" in elements:
        eight = isinstance(data, list) or values["BitsAllocated"] in (1, 8)
        elements["PixelData"].VR = "OB" if eight and syntax != ImplicitVRLittleEndian else "OW"
    dcmwrite(path, elements, enforce_file_format=True)
    return path


def write_words(path: Path, words: Array, **attributes: Any) -> Path:
    """Write an image [rows, columns] or frames [frames, rows, columns] as they are, not compressed."""
    if words.ndim == 3:
        attributes["NumberOfFrames"] = len(words)
    rows, columns = words.shape[-2:]
    is_big_endian = attributes.get("syntax") == ExplicitVRBigEndian
    ordered = words.astype(words.dtype.newbyteorder(">" if is_big_endian else "<"))
    attributes = {"BitsAllocated": 8 * words.dtype.itemsize, "BitsStored": 8 * words.dtype.itemsize, **attributes}
    return write_file(path, ordered.tobytes(), Rows=rows, Columns=columns, **attributes)


def items(*groups: dict[str, Any]) -> Sequence:
    """Make a sequence of items, whose values may be sequences."""
    made = []
    for group in groups:
        item = Dataset()
        for keyword, value in group.items():
            setattr(item, keyword, value)
        made.append(item)
    return Sequence(made)


def with_value(path: Path, keyword: str, raw: bytes, **header: Any) -> Path:
    """Write a file whose decimal or integer string `keyword` has a value that pydicom would not write."""
    length = len(raw) + len(raw) % 2
    placeholder = "7" * length
    write_words(path, np.arange(600, dtype=np.uint16).reshape(20, 30), **{keyword: placeholder}, **header)
    content = path.read_bytes()
    assert content.count(placeholder.encode()) == 1
    path.write_bytes(content.replace(placeholder.encode(), raw.ljust(length)))
    return path


def jpeg_ls_stream(words: Array, precision: int) -> bytes:
    """Encode uint16 words as JPEG-LS of that precision; they must have no bits above."""
    options = {"rows": words.shape[0], "columns": words.shape[1], "samples_per_pixel": 1, "bits_stored": precision}
    return bytes(jpeg_ls.encode_pixel_data(words.astype("<u2").tobytes(), **options))


def _jpeg_2000(words: Array, precision: int) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(words, codecformat="J2K", level=0, bitspersample=precision))


def _jpeg(words: Array, precision: int) -> bytes:
    return bytes(imagecodecs.ljpeg_encode(words, bitspersample=precision))


def rle_stream(words: Array) -> bytes:
    """Encode words as DICOM's run lengths, of each byte plane its own (PS3.5 G)."""
    planes = words.astype(words.dtype.newbyteorder(">")).reshape(-1, 1).view(np.uint8)
    segments = [_run_lengths(planes[:, plane].tobytes(), words.shape[-1]) for plane in range(words.dtype.itemsize)]
    offsets = np.cumsum([64, *map(len, segments)])[:-1]
    header = np.zeros(16, "<u4")
    header[0], header[1 : 1 + len(segments)] = len(segments), offsets
    return header.tobytes() + b"".join(segments)


def _run_lengths(plane: bytes, columns: int) -> bytes:
    """Literal runs alone, none across rows: simple, and as valid as others."""
    rows = (plane[start : start + columns] for start in range(0, len(plane), columns))
    runs = b"".join(
        bytes([len(row[at : at + 128]) - 1]) + row[at : at + 128] for row in rows for at in range(0, columns, 128)
    )
    return runs + b"\0" * (len(runs) % 2)


ENCODERS: dict[UID, Callable[[Array, int], bytes]] = {
    JPEGLosslessSV1: _jpeg,
    JPEGLSLossless: jpeg_ls_stream,
    JPEG2000Lossless: _jpeg_2000,
    RLELossless: lambda words, precision: rle_stream(words),
}
"""Lossless encoders that are not ours, of uint16 words and a precision."""
