"""Encapsulated pixel data (PS3.5 A.4): which fragments hold which frame."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.encaps import parse_basic_offsets, parse_fragments

from ...errors import ImageRefused

_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")
"""What a stream of the JPEG family begins with; JPEG 2000 also within a file of its own (T.800 I.5.1)."""
_ITEM = 8
"""Bytes of an item's tag and length, in front of its value."""


@dataclass(frozen=True)
class Capsules:
    """Places of the fragments that hold each frame: offsets of their items, from the beginning of the file."""

    frames: tuple[tuple[int, ...], ...]

    def stream(self, file: BinaryIO, index: int) -> bytes:
        """Read the compressed stream of frame `index`, from 0."""
        parts = []
        for offset in self.frames[index]:
            file.seek(offset + _ITEM // 2)
            length = int.from_bytes(file.read(_ITEM // 2), "little")
            parts.append(file.read(length))
            if len(parts[-1]) < length:
                raise ImageRefused(f"the compressed stream of frame {index + 1} is cut off: the file ends in it")
        return b"".join(parts)


def capsules_of(file: BinaryIO, frames: int, in_jpeg_family: bool) -> Capsules:
    """Find the fragments of every frame in pixel data that the file stands at the value of.

    Frames begin where the offset table says, else where a stream does; of run lengths each is one fragment.
    Raises ImageRefused where there are more or fewer frames than `frames`.
    """
    table = parse_basic_offsets(file)
    base = file.tell()
    _, fragments = parse_fragments(file)
    starts = [offset for offset in fragments if _begins(file, offset)] if in_jpeg_family else fragments
    if len(starts) != frames and (len(starts) > frames or not table or not fragments):
        raise ImageRefused(f"{len(starts)} frames in PixelData, NumberOfFrames says {frames}")
    if table:
        starts = [base + offset for offset in table]
        _check_table(starts, fragments, frames)
    groups: list[list[int]] = [[] for _ in starts]
    for offset in fragments:
        groups[max(bisect_right(starts, offset) - 1, 0)].append(offset)
    return Capsules(tuple(map(tuple, groups)))


def _check_table(starts: list[int], fragments: list[int], frames: int) -> None:
    if len(starts) != frames:
        raise ImageRefused(f"{len(starts)} frames in the offset table of PixelData, NumberOfFrames says {frames}")
    if sorted(set(starts)) != starts or not set(starts) <= set(fragments) or starts[0] != fragments[0]:
        raise ImageRefused("the offset table of PixelData points to where no frame begins")


def _begins(file: BinaryIO, offset: int) -> bool:
    file.seek(offset + _ITEM)
    return file.read(12).startswith(_STARTS)
