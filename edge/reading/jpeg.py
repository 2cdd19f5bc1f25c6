"""JPEG files (ITU-T T.81) outside of DICOM: 8 and 12 bit, progressive or not, and lossless up to 16 bit."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..errors import ImageRefused
from .frame import Frame, Header, ImageFile, Pixels
from .pictures import decoding, require_size, within_bits

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_PROCESSES = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive", 0xC3: "lossless"}
"""Frame headers (table B.1) of the processes that are decoded."""
_OTHER = {
    0xC5: "hierarchical", 0xC6: "hierarchical", 0xC7: "hierarchical",
    0xC9: "extended, arithmetic coding", 0xCA: "progressive, arithmetic coding", 0xCB: "lossless, arithmetic coding",
    0xCD: "hierarchical", 0xCE: "hierarchical", 0xCF: "hierarchical", 0xF7: "JPEG-LS",
}  # fmt: skip
_ALONE = {0x01, *range(0xD0, 0xD8)}
"""Markers without a length: TEM and restarts."""
_MARKER = re.compile(rb"\xff+([^\xff])", re.DOTALL)
_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""What ends the coded data of a scan: a marker that is no restart."""
_MORE = bytes([0x55, 0xA7]) * 32
"""Coded data that is nobody's."""
_MOST_SCANS = 500
"""Scans of a progressive image: each costs the time of all pixels."""
_THUMBNAILS = (0x010001, 0x010002)
"""Kinds of pictures (CIPA DC-007 5.2.3.3) that are small ones of the first."""


@dataclass(frozen=True)
class Stream:
    """A JPEG stream's frame header. process: its marker. pictures: that the file says it has, without thumbnails.
    scan_ends: where the coded data of each scan ends. rest: bytes behind its end."""

    process: int
    bits: int
    rows: int
    columns: int
    components: int
    pictures: int
    scan_ends: tuple[int, ...]
    rest: bytes

    @property
    def lossless(self) -> bool:
        """Say whether its process loses nothing."""
        return _PROCESSES[self.process] == "lossless"


def open_jpeg(path: Path) -> ImageFile:
    """Open a JPEG; its pixels are decoded when they are asked for. YCbCr becomes RGB.

    Raises ImageRefused.
    """
    stream = read_stream(path.read_bytes())
    require_size(stream.rows, stream.columns, stream.components)
    if stream.components not in (1, 3):
        raise ImageRefused(f"JPEG of {stream.components} components (CMYK), expected 1 (grey) or 3 (colour)")
    pictures = max(stream.pictures, 2 if stream.rest.lstrip(b"\0").startswith(b"\xff\xd8\xff") else 1)
    if pictures > 1:
        raise ImageRefused(f"a JPEG of {pictures} pictures or more, expected one in a file")
    container = 8 if stream.bits <= 8 else 16
    header = Header(
        rows=stream.rows,
        columns=stream.columns,
        samples_per_pixel=stream.components,
        bits_allocated=container,
        bits_stored=stream.bits if stream.bits != container else None,
        photometric_interpretation="MONOCHROME2" if stream.components == 1 else "RGB",
        lossy_image_compression=not stream.lossless,
    )
    return ImageFile(header, lambda index: Frame(header, _pixels(path, header)))


def _pixels(path: Path, header: Header) -> Pixels:
    import imagecodecs

    data = path.read_bytes()
    with decoding("the JPEG data is damaged"):
        pixels: Pixels = imagecodecs.jpeg8_decode(data)
        require_complete(pixels, imagecodecs.jpeg8_decode, data, read_stream(data))
    bits = header.bits_stored or header.bits_allocated or 0
    shape = (header.rows, header.columns, *([header.samples_per_pixel] if header.samples_per_pixel > 1 else []))
    if pixels.shape != shape or pixels.itemsize * 8 != header.bits_allocated or not within_bits(pixels, bits):
        raise ImageRefused("the JPEG data is damaged")
    return pixels


def require_complete(pixels: Pixels, decode: Callable[[bytes], Pixels], data: bytes, stream: Stream) -> None:
    """Decode a stream once more, with other data behind each scan's: where that is seen in the pixels, the scan ends
    early, and the decoder has made up what is missing.

    Raises ImageRefused, and what `decode` raises.
    """
    starts = (0, *stream.scan_ends)
    more = _MORE.join([*(data[start:end] for start, end in pairwise(starts)), data[starts[-1] :]])
    if not np.array_equal(pixels, decode(more)):
        raise ImageRefused("JPEG whose coded data ends early: the file was cut off, or is damaged")


def read_stream(data: bytes) -> Stream:
    """Read a JPEG stream's frame header and walk to its end, which decoders do without: they fill what is missing.

    Raises ImageRefused for a stream that does not reach its end, or of a process that is not decoded.
    """
    header, pictures, scans = None, 1, []
    for marker, segment, position in _segments(data):
        if marker in _OTHER:
            raise ImageRefused(f"JPEG process {_OTHER[marker]} (marker FF{marker:02X}), expected {_expected()}")
        if marker in _PROCESSES:
            if header is not None or len(segment) < 6:
                raise ImageRefused("JPEG with more or less than one frame header: the file is damaged")
            header = (marker, *struct.unpack(">BHHB", segment[:6]))
        elif marker == 0xE2 and segment.startswith(b"MPF\0"):
            pictures = _pictures(segment[4:])
        elif marker == _SCAN:
            scans.append(position)
        elif marker == _END:
            if header is None or not scans:
                raise ImageRefused("JPEG without a frame or a scan: the file is damaged")
            process, bits, rows, columns, components = header
            rest = data[position : position + 64]
            return Stream(process, bits, rows, columns, components, pictures, tuple(scans), rest)
        if len(scans) > _MOST_SCANS:
            raise ImageRefused(f"JPEG of more than {_MOST_SCANS} scans: the file is made to take long")
    raise ImageRefused("JPEG without its end marker (FFD9): the file is cut off")


def _expected() -> str:
    return ", ".join(dict.fromkeys(_PROCESSES.values()))


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Each marker with its segment, and the position behind it, and behind the coded data of a scan."""
    position = 2
    while match := _MARKER.match(data, position):
        marker, position = match[1][0], match.end()
        if marker in _ALONE:
            continue
        if marker in (_START, 0x00):
            raise ImageRefused("JPEG whose markers are not in order: the file is damaged")
        if marker == _END:
            yield marker, b"", position
            return
        length = int.from_bytes(data[position : position + 2], "big")
        end = position + length
        if length < 2 or end > len(data):
            raise ImageRefused(f"JPEG segment FF{marker:02X} reaches beyond the file, which is cut off")
        segment, position = data[position + 2 : end], end
        if marker == _SCAN:
            found = _IN_SCAN.search(data, end)
            position = found.start() if found else len(data)
        yield marker, segment, position


def _pictures(index: bytes) -> int:
    """How many pictures a multi-picture file has (CIPA DC-007 5.2.3), thumbnails of the first left out."""
    order = "<" if index.startswith(b"II") else ">"
    try:
        (start,) = struct.unpack_from(order + "I", index, 4)
        (count,) = struct.unpack_from(order + "H", index, start)
        entries = [struct.unpack_from(order + "HHII", index, start + 2 + 12 * number) for number in range(count)]
        size, at = next((size, value) for tag, _, size, value in entries if tag == 0xB002)
        kinds = [struct.unpack_from(order + "I", index, at + 16 * number)[0] for number in range(size // 16)]
    except (struct.error, StopIteration):
        return 1
    return sum(kind & 0xFFFFFF not in _THUMBNAILS for kind in kinds)
