"""Malformed inputs as a table: what, who makes it, and the words that it is refused with (a pattern)."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pydicom
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.dicom import write_dicom

from ..bundles import usual_image

Make = Callable[[Path], Path]
SIDE = 32


def usual(folder: Path) -> Path:
    path = folder / "bad"
    write_dicom(path, usual_image(1000), Exposure(), "usual")
    return path


def altered(alter: Callable[[pydicom.Dataset], object]) -> Make:
    """A usual DICOM image to which something was done, written whatever pydicom thinks of it."""

    def make(folder: Path) -> Path:
        path = usual(folder)
        with pydicom.config.disable_value_validation():
            dataset = pydicom.dcmread(path)
            alter(dataset)
            dataset.save_as(path, enforce_file_format=True)
        return path

    return make


def changed(**changes: object) -> Make:
    """A usual DICOM image with other headers."""

    def alter(dataset: pydicom.Dataset) -> None:
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)

    return altered(alter)


def without(*keywords: str) -> Make:
    def alter(dataset: pydicom.Dataset) -> None:
        for keyword in keywords:
            delattr(dataset, keyword)

    return altered(alter)


def encapsulated(syntax: UID, *frames: bytes) -> Make:
    """Pixel data of a transfer syntax that is anything but what it says."""

    def alter(dataset: pydicom.Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset["PixelData"].VR = "OB"
        dataset.PixelData = encapsulate(list(frames))
        dataset["PixelData"].is_undefined_length = True

    return altered(alter)


def compressed(syntax: str, share: float) -> Make:
    """Rightly compressed pixel data, of which a share is left."""

    def alter(dataset: pydicom.Dataset) -> None:
        dataset.PixelData = (usual_image(1000) >> 2).astype("<u2").tobytes()
        dataset.compress(syntax, encoding_plugin="pylibjpeg" if syntax == JPEG2000Lossless else "")
        (frame,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
        dataset.PixelData = encapsulate([frame[: int(len(frame) * share)]])
        dataset["PixelData"].is_undefined_length = True

    return altered(alter)


def nested(depth: int) -> Make:
    """Sequences of undefined length, each in an item of the one before (PS3.5 7.5)."""
    opened = b"\x08\x00\x18\x22SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return patched(usual, b"\x28\x00\x02\x00US", depth * opened + b"\x28\x00\x02\x00US")


def shortened(make: Make, share: float) -> Make:
    def shorten(folder: Path) -> Path:
        path = make(folder)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        return path

    return shorten


def patched(make: Make, old: bytes, new: bytes) -> Make:
    """Of a file, the first occurrence of bytes replaced by others."""

    def patch(folder: Path) -> Path:
        path = make(folder)
        data = path.read_bytes()
        assert old in data, "nothing to patch"
        path.write_bytes(data.replace(old, new, 1))
        return path

    return patch


def raster(suffix: str) -> Make:
    def make(folder: Path) -> Path:
        path = folder / f"bad.{suffix}"
        noise = np.random.default_rng(0).integers(0, 4096, (SIDE, SIDE)).astype(np.uint16)
        cv2.imwrite(str(path), noise)
        return path

    return make


def array(values: np.ndarray) -> Make:
    def make(folder: Path) -> Path:
        np.save(folder / "bad.npy", values)
        return folder / "bad.npy"

    return make


def npy(header: str, version: tuple[int, int] = (1, 0), data: bytes = bytes(2048)) -> Make:
    """A .npy file with a header of one's own."""
    text = header.encode().ljust(117) + b"\n"
    return content(b"\x93NUMPY" + bytes(version) + struct.pack("<H", len(text)) + text + data)


def content(data: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / "bad").write_bytes(data)
        return folder / "bad"

    return make


def dangling(folder: Path) -> Path:
    (folder / "bad").symlink_to(folder / "gone")
    return folder / "bad"


def circular(folder: Path) -> Path:
    (folder / "bad").symlink_to(folder / "bad")
    return folder / "bad"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "bad")
    return folder / "bad"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows: int, columns: int, data: bytes, depth: int = 16, colour: int = 0) -> Make:
    """A PNG that says so many rows and columns, and has this image data."""
    header = struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return content(b"\x89PNG\r\n\x1a\n" + body)


def with_wrong_checksum(folder: Path) -> Path:
    path = raster("png")(folder)
    data = path.read_bytes()
    path.write_bytes(data[:-13] + bytes([data[-13] ^ 1]) + data[-12:])
    return path


def tiff(*entries: tuple[int, int, int, int], next_ifd: int = 0) -> Make:
    """A little-endian TIFF of one directory of (tag, type, count, value)."""
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return content(b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", next_ifd) + bytes(2048))


def tiff_of(rows: int, columns: int, offset: int = 100, size: int = 2048, compression: int = 1) -> Make:
    return tiff(
        (256, 4, 1, columns), (257, 4, 1, rows), (258, 3, 1, 16), (259, 3, 1, compression), (262, 3, 1, 1),
        (273, 4, 1, offset), (277, 3, 1, 1), (278, 4, 1, rows), (279, 4, 1, size),
    )  # fmt: skip


def jpeg(quality: int = 90) -> bytes:
    return cv2.imencode(".jpg", (usual_image(1) >> 4).astype(np.uint8))[1].tobytes()


def deflated(folder: Path) -> Path:
    """A file of a megabyte that inflates to a gigabyte."""
    path = altered(lambda d: setattr(d.file_meta, "TransferSyntaxUID", DeflatedExplicitVRLittleEndian))(folder)
    data = path.read_bytes()
    stored = BytesIO(data)
    pydicom.filereader.read_preamble(stored, force=False)
    pydicom.filereader._read_file_meta_info(stored)
    start = stored.tell()
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = bytes(2**20)
    bomb = b"".join(compressor.compress(zeros) for _ in range(1024)) + compressor.flush()
    path.write_bytes(data[:start] + bomb)
    return path


def with_value(value: float) -> np.ndarray:
    values = np.full((SIDE, SIDE), 0.5, np.float32)
    values[3, 4] = value
    return values


HEADER = "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}"
NPY_HEADER = r"header of the \.npy file is damaged"

MALFORMED: dict[str, tuple[Make, str]] = {
    # Files that are none.
    "missing": (lambda folder: folder / "bad", "no such file"),
    "empty": (content(b""), "empty"),
    "folder": (lambda folder: folder, "is a folder"),
    "dangling link": (dangling, "link to something that does not exist"),
    "circular link": (circular, "cannot be read"),
    "pipe that nobody writes to": (pipe, "no regular file"),
    "text": (content(b"hello, world"), "unknown format"),
    "one byte": (content(b"\x89"), "unknown format"),
    "zeros": (content(bytes(5000)), "unknown format"),
    "JPEG of 8 bit": (content(jpeg()), "bits allocated 8, expected 16"),
    "JPEG that is cut off": (content(jpeg()[:-100]), r"JPEG without its end marker \(FFD9\)"),
    "GIF": (content(b"GIF89a" + bytes(100)), "GIF, a format that is not supported"),
    "DICOM without its preamble": (lambda f: content(usual(f).read_bytes()[132:])(f), "unknown format"),
    "zip": (content(b"PK\x03\x04" + bytes(300)), "unknown format"),
    # DICOM: its structure.
    "preamble alone": (content(bytes(128) + b"DICM"), "without|cannot be read"),
    "noise behind the preamble": (
        content(bytes(128) + b"DICM" + np.random.default_rng(0).bytes(4000)),
        "cannot be read|without",
    ),
    "truncated in the header": (shortened(usual, 0.1), "cannot be parsed|without"),
    "truncated in the pixels": (shortened(usual, 0.8), "PixelData of .* bytes, expected 2,048"),
    "transfer syntax that does not exist": (
        altered(lambda d: setattr(d.file_meta, "TransferSyntaxUID", "1.2.3.4")),
        "transfer syntax 1.2.3.4 is not supported",
    ),
    "bytes in the other order than said": (
        patched(usual, b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"),
        "cannot be parsed|without",
    ),
    "element longer than the file": (
        patched(usual, b"CS\x0c\x00MONOCHROME1", b"CS\xfe\xffMONOCHROME1"),
        "without|cannot be read",
    ),
    "value representation that does not exist": (
        patched(usual, b"\x28\x00\x10\x00US", b"\x28\x00\x10\x00Q!"),
        "Rows is no valid value|without",
    ),
    "sequence in a sequence, ten thousand deep": (nested(10_000), "data set cannot be parsed"),
    "deflated to a thousand times its size": (deflated, "deflated data set has more than 268,435,456 bytes"),
    # DICOM: what its header says.
    "no rows": (changed(Rows=None), "without Rows"),
    "zero rows": (changed(Rows=0), "0 x 32 pixels, expected some"),
    "no columns": (without("Columns"), "without Columns"),
    "no bits": (without("BitsAllocated", "BitsStored"), "without BitsAllocated, BitsStored"),
    "no photometric interpretation": (without("PhotometricInterpretation"), "without PhotometricInterpretation"),
    "no pixels": (without("PixelData"), "without PixelData"),
    "empty pixels": (changed(PixelData=b""), "PixelData of 0 bytes"),
    "half the pixels": (changed(PixelData=bytes(SIDE * SIDE)), "PixelData of 1,024 bytes, expected 2,048"),
    "more rows than pixels": (changed(Rows=33), "rows 33, expected 32"),
    "larger than memory": (changed(Rows=65535, Columns=65535), "65535"),
    "wrong modality": (changed(Modality="CT"), "modality CT, expected MG"),
    "no modality": (without("Modality"), "modality none, expected MG"),
    "wrong depth": (changed(BitsStored=12, HighBit=11), "bits stored 12, expected 14"),
    "impossible depth": (changed(BitsStored=0), "BitsStored 0"),
    "more bits stored than allocated": (changed(BitsStored=17), "BitsStored 17 with BitsAllocated 16"),
    "odd bits allocated": (changed(BitsAllocated=15), "BitsAllocated 15, expected 1, 8, 16 or 32"),
    "bits allocated that the pixels do not have": (
        changed(BitsAllocated=32),
        "PixelData of 2,048 bytes, expected 4,096",
    ),
    "interpretation that does not exist": (changed(PhotometricInterpretation="GREYISH"), "GREYISH"),
    "palette": (changed(PhotometricInterpretation="PALETTE COLOR"), "RedPaletteColorLookupTableDescriptor"),
    "colour in its header": (
        changed(SamplesPerPixel=3, PlanarConfiguration=0),
        "SamplesPerPixel 3 with MONOCHROME1, expected 1",
    ),
    "no frames in its header": (changed(NumberOfFrames=-1), "-1 frames"),
    "a thousand million frames": (changed(NumberOfFrames=10**9), "1,000,000,000 frames"),
    "frames that it does not have": (changed(NumberOfFrames=3), "PixelData of 2,048 bytes, expected 6,144"),
    "frames that are no number": (
        patched(changed(NumberOfFrames=77), b"IS\x02\x0077", b"IS\x02\x00x7"),
        "NumberOfFrames is no",
    ),
    "rescaled by nothing": (changed(RescaleSlope="0", RescaleIntercept="1"), "RescaleSlope 0"),
    "rescaled beyond all numbers": (changed(RescaleSlope="1e39", RescaleIntercept="0"), "infinite|NaN|finite"),
    "rescaled by no number": (
        patched(changed(RescaleSlope="1.25", RescaleIntercept="0"), b"DS\x04\x001.25", b"DS\x04\x00John"),
        "RescaleSlope is no",
    ),
    "modality table without a descriptor": (
        altered(lambda d: setattr(d, "ModalityLUTSequence", Sequence([pydicom.Dataset()]))),
        "ModalityLUTSequence lacks",
    ),
    "constant": (altered(lambda d: setattr(d, "PixelData", np.full((SIDE, SIDE), 7, "<u2").tobytes())), "same value 7"),
    "beyond the stored bits": (
        altered(lambda d: setattr(d, "PixelData", np.full((SIDE, SIDE), 40000, "<u2").tobytes())),
        "14 bit|same value",
    ),
    # DICOM: its pixels.
    "JPEG that is none": (encapsulated(JPEGLosslessSV1, b"no JPEG"), "stream of frame 1 has no readable header"),
    "JPEG of another size": (
        encapsulated(JPEGLosslessSV1, cv2.imencode(".jpg", np.zeros((8, 8), np.uint8))[1].tobytes()),
        "stream of frame 1 has 8 x 8 pixels, Rows and Columns say 32 x 32",
    ),
    "JPEG without items": (
        patched(encapsulated(JPEGLosslessSV1, b"no JPEG!"), b"\xfe\xff\x00\xe0\x08\0\0\0no JPEG!", b""),
        "0 frames in PixelData, NumberOfFrames says 1",
    ),
    "truncated JPEG": (encapsulated(JPEGLosslessSV1, jpeg()[:-200]), "is cut off"),
    "truncated JPEG 2000": (compressed(JPEG2000Lossless, 0.97), "is cut off"),
    "JPEG-LS that is none": (
        encapsulated(JPEGLSLossless, b"\xff\xd8\xff\xf7" + bytes(40) + b"\xff\xd9"),
        "stream of frame 1 has 0 x 0 pixels",
    ),
    "truncated RLE": (compressed(RLELossless, 0.5), "cannot be decoded"),
    "RLE of a million segments": (encapsulated(RLELossless, struct.pack("<I", 10**6) + bytes(60)), "cannot be decoded"),
    # PNG.
    "truncated PNG": (shortened(raster("png"), 0.6), "PNG chunk IDAT of .* bytes reaches beyond the file"),
    "PNG with a byte too many": (patched(raster("png"), b"IDAT", b"IDAT\xff"), "PNG without a chunk at byte"),
    "PNG with a wrong checksum": (with_wrong_checksum, "image data of the PNG is damaged"),
    "PNG without pixels": (content(b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b"")), "PNG without chunk IHDR"),
    "PNG of no width": (png(SIDE, 0, b""), "32 x 0 pixels, expected some"),
    "PNG of a depth that does not exist": (png(SIDE, SIDE, bytes(5000), depth=7), "PNG of colour type 0 with 7 bits"),
    "huge PNG": (png(10**6, 10**6, bytes(1000)), "are more than the 134217728"),
    # TIFF.
    "truncated TIFF": (shortened(raster("tif"), 0.6), "TIFF directory at byte .* lies beyond the end"),
    "TIFF whose directory lies beyond the file": (
        content(b"II*\0" + struct.pack("<I", 2**31)),
        "TIFF directory at byte 2147483648 lies beyond the end",
    ),
    "TIFF whose directories go round": (tiff((256, 4, 1, 8), next_ifd=8), "directories go round"),
    "TIFF without rows": (tiff_of(0, SIDE), "0 x 32 pixels, expected some"),
    "huge TIFF": (tiff_of(10**6, 10**6, size=2**31), "are more than the 134217728"),
    "TIFF whose pixels lie beyond the file": (tiff_of(SIDE, SIDE, offset=10**6), "strip 1 reaches beyond the end"),
    "TIFF of a compression that does not exist": (
        tiff_of(SIDE, SIDE, compression=4711),
        r"compression 4711 \(unknown\) is not supported",
    ),
    "BigTIFF that is cut off": (content(b"II+\0\x08\0\0\0" + struct.pack("<Q", 16)), "TIFF directory at byte 16"),
    # NumPy.
    "truncated npy": (shortened(array(usual_image(1)), 0.6), r"\.npy file with 1,177 bytes of values, expected 2,048"),
    "pickled npy": (array(np.array([{}], dtype=object)), "array of Python objects|shape"),
    "npy of a future version": (
        npy(HEADER.format("<u2", (SIDE, SIDE)), version=(9, 0)),
        r"version 9\.0, expected 1\.0 or 2\.0",
    ),
    "npy whose header is code": (npy("__import__('os').system('true')"), NPY_HEADER),
    "npy whose header is a list": (npy("[1, 2]"), NPY_HEADER),
    "npy of a million million pixels": (npy(HEADER.format("<u2", (10**6, 10**6))), "it is cut off"),
    "npy of negative shape": (npy(HEADER.format("<u2", (-SIDE, -SIDE))), "shape"),
    "npy of a type that does not exist": (npy(HEADER.format("<x9", (SIDE, SIDE))), NPY_HEADER),
    "npy of nested brackets": (npy("(" * 100), NPY_HEADER),
    "npy of ten million frames": (npy(HEADER.format("|u1", (10**7, 1, 1)), data=bytes(10**7)), "10,000,000 frames"),
    "NaN": (array(with_value(np.nan)), "NaN"),
    "infinite": (array(with_value(np.inf)), "infinite|NaN"),
    "complex": (array(np.ones((SIDE, SIDE), np.complex64)), "complex64"),
    "truth values": (array(np.ones((SIDE, SIDE), bool)), "array of bool"),
    "letters": (array(np.full((SIDE, SIDE), "a")), "array of <U1"),
    "dates": (array(np.zeros((SIDE, SIDE), "M8[s]")), "array of datetime64"),
    "records": (array(np.zeros((SIDE, SIDE), [("a", "u2")])), "array of"),
    "line": (array(np.arange(32.0)), r"shape \[32\]"),
    "five dimensions": (array(np.zeros((1, 1, SIDE, SIDE, 1))), "shape"),
    "no frames": (array(np.zeros((0, SIDE, SIDE))), "shape"),
    "wrong size": (array(np.ones((SIDE, 33), np.uint16)), "columns 33, expected 32"),
    "colour": (array(np.zeros((1, SIDE, SIDE, 3), np.uint8)), "samples per pixel 3, expected 1"),
}
