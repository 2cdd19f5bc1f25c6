"""The directories of a TIFF (TIFF 6.0 section 2, BigTIFF), read strictly: what is damaged is refused, never replaced
by a default, as the libraries do that decode the pixels."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ..errors import ImageRefused
from .frame import MAX_FRAMES

TAGS = {
    254: "NewSubfileType", 255: "SubfileType", 256: "ImageWidth", 257: "ImageLength", 258: "BitsPerSample",
    259: "Compression", 262: "PhotometricInterpretation", 266: "FillOrder", 270: "ImageDescription",
    273: "StripOffsets", 277: "SamplesPerPixel", 278: "RowsPerStrip", 279: "StripByteCounts",
    284: "PlanarConfiguration", 317: "Predictor", 320: "ColorMap", 322: "TileWidth", 323: "TileLength",
    324: "TileOffsets", 325: "TileByteCounts", 338: "ExtraSamples", 339: "SampleFormat", 347: "JPEGTables",
    530: "YCbCrSubSampling", 32997: "ImageDepth", 32998: "TileDepth", 33629: "UIC2tag",
}  # fmt: skip
"""Tags that say where pixels are and what they mean; all others are left alone."""
DESCRIPTION, SECOND_DESCRIPTION = 270, -270
"""A description may stand twice, tifffile's behind the user's."""
TAGS[SECOND_DESCRIPTION] = TAGS[DESCRIPTION]
_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_SIZES = {**{kind: struct.calcsize(code) for kind, code in _NUMBERS.items()}, 2: 1, 5: 8, 7: 1, 10: 8, 11: 4, 12: 8}
"""Bytes of a value by type (TIFF 6.0 page 15, BigTIFF)."""
_TEXT = (2, 7)
_MOST_TAGS = 4096


@dataclass(frozen=True)
class _Entry:
    """position: of the values in the file."""

    kind: int
    count: int
    position: int


@dataclass(frozen=True)
class Form:
    """The form that the first bytes state: order of bytes, "<" or ">", and whether offsets are of 64 bits."""

    order: str
    big: bool

    @property
    def offset(self) -> str:
        """Format of an offset for `struct`."""
        return self.order + ("Q" if self.big else "I")

    @property
    def count(self) -> str:
        """Format of the number of entries for `struct`."""
        return self.order + ("Q" if self.big else "H")


@dataclass(frozen=True)
class Directory:
    """One directory: its position and its number in the chain, and where the values of its tags lie."""

    file: BinaryIO
    form: Form
    ordinal: int
    position: int
    entries: dict[int, _Entry]

    def __contains__(self, tag: int) -> bool:
        return tag in self.entries

    def count(self, tag: int) -> int:
        """The number of a tag's values, 0 where it is absent."""
        return self.entries[tag].count if tag in self.entries else 0

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The whole numbers of a tag, none where it is absent. Raises ImageRefused for other values."""
        if tag not in self.entries:
            return ()
        entry = self.entries[tag]
        if entry.kind not in _NUMBERS:
            raise ImageRefused(f"TIFF tag {TAGS[tag]} of type {entry.kind}, expected whole numbers")
        data = self._data(tag, entry)
        return struct.unpack(f"{self.form.order}{entry.count}{_NUMBERS[entry.kind]}", data)

    def number(self, tag: int, default: int | None = None) -> int:
        """The one value of a tag, or what its absence means. Raises ImageRefused where that is nothing, and for
        several values that differ."""
        values = self.numbers(tag)
        if not values and default is not None:
            return default
        if not values:
            raise ImageRefused(f"TIFF without tag {TAGS[tag]} ({tag})")
        if len(set(values)) > 1:
            raise ImageRefused(f"TIFF tag {TAGS[tag]} has values {_few(values)}, expected the same for all samples")
        return values[0]

    def data(self, tag: int) -> bytes:
        """The bytes of a tag, none where it is absent."""
        return self._data(tag, self.entries[tag]) if tag in self.entries else b""

    def descriptions(self) -> bytes:
        """The descriptions, a line each."""
        return b"\n".join(self.data(tag).rstrip(b"\0") for tag in (DESCRIPTION, SECOND_DESCRIPTION))

    def _data(self, tag: int, entry: _Entry) -> bytes:
        size = entry.count * _SIZES[entry.kind]
        self.file.seek(entry.position)
        data = self.file.read(size)
        if len(data) < size:
            raise ImageRefused(f"TIFF tag {TAGS[tag]} lies beyond the end of the file, which is damaged or cut off")
        return data


def _few(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values[:8])) + (", …" if len(values) > 8 else "")


def read_directory(file: BinaryIO, form: Form, position: int, ordinal: int) -> tuple[Directory, int]:
    """Read a directory and the position of the next one, 0 for none. Raises ImageRefused."""
    file.seek(min(position, file.seek(0, 2)))
    (count,) = struct.unpack(form.count, _read(file, struct.calcsize(form.count), position))
    if not 0 < count <= _MOST_TAGS:
        raise ImageRefused(f"TIFF directory at byte {position} of {count} tags, expected 1 to {_MOST_TAGS:,}")
    entry = struct.Struct(form.order + ("HHQ" if form.big else "HHI"))
    inline = 8 if form.big else 4
    start = file.tell()
    data = _read(file, count * (entry.size + inline), position)
    (following,) = struct.unpack(form.offset, _read(file, struct.calcsize(form.offset), position))
    entries: dict[int, _Entry] = {}
    for at in range(0, len(data), entry.size + inline):
        tag, kind, values = entry.unpack_from(data, at)
        if tag not in TAGS:
            continue
        if tag == DESCRIPTION and tag in entries:
            tag = SECOND_DESCRIPTION
        if kind not in _SIZES or not values or tag in entries:
            why = "twice" if tag in entries else f"of type {kind} with {values} values"
            raise ImageRefused(f"TIFF tag {TAGS[tag]} {why}: the file is damaged")
        if values * _SIZES[kind] <= inline:
            entries[tag] = _Entry(kind, values, start + at + entry.size)
        else:
            entries[tag] = _Entry(kind, values, struct.unpack_from(form.offset, data, at + entry.size)[0])
    directory = Directory(file, form, ordinal, position, entries)
    _require_inside(directory)
    return directory, following


def _require_inside(directory: Directory) -> None:
    end = directory.file.seek(0, 2)
    for tag, entry in directory.entries.items():
        if entry.position + entry.count * _SIZES[entry.kind] > end:
            raise ImageRefused(f"TIFF tag {TAGS[tag]} lies beyond the end of the file, which is damaged or cut off")


def _read(file: BinaryIO, size: int, position: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise ImageRefused(f"TIFF directory at byte {position} lies beyond the end of the file: damaged or cut off")
    return data


def read_form(file: BinaryIO) -> tuple[Form, int]:
    """Read the first bytes of a TIFF: their form, and the position of the first directory. Raises ImageRefused."""
    file.seek(0)
    start = file.read(16).ljust(16, b"\0")
    form = Form("<" if start.startswith(b"II") else ">", start[2:4] in (b"+\0", b"\0+"))
    if form.big and start[4:8] != struct.pack(form.order + "HH", 8, 0):
        raise ImageRefused("BigTIFF with offsets of other than 8 bytes: the file is damaged")
    return form, struct.unpack_from(form.offset, start, 8 if form.big else 4)[0]


def directories(file: BinaryIO) -> Iterator[Directory]:
    """Walk through the chain of directories, those of sub-images (pyramids) left out.

    Raises ImageRefused where the chain is damaged, goes round, or is longer than a file may have frames.
    """
    form, position = read_form(file)
    seen: set[int] = set()
    while position:
        if position in seen:
            raise ImageRefused(f"TIFF whose directories go round: the one at byte {position} follows itself")
        if len(seen) >= 2 * MAX_FRAMES:
            raise ImageRefused(
                f"TIFF of more than {2 * MAX_FRAMES:,} directories, expected at most {MAX_FRAMES:,} frames"
            )
        seen.add(position)
        directory, position = read_directory(file, form, position, len(seen) - 1)
        yield directory
    if not seen:
        raise ImageRefused("TIFF without a directory: the file was not written to its end")
