"""Palettes (PS3.3 C.7.6.3.1.5, C.7.9.2): from indices to red, green and blue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageRefused
from ..frame import Pixels
from .attributes import Attributes

_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2
_MOST = 2**16
"""Entries of a table; the descriptor says 0 for so many."""


def through_palette(indices: Pixels, attributes: Attributes, is_little_endian: bool) -> Pixels:
    """Look indices up: uint8 or uint16 [rows, columns, 3]. Those beyond the table have the colour of its end.

    Raises ImageRefused for a palette that lacks something, or contradicts itself.
    """
    entries, first, bits = palette_of(attributes)
    places = np.clip(indices.astype(np.int64) - first, 0, entries - 1)
    tables = [_table(attributes, colour, entries, bits, is_little_endian) for colour in ("Red", "Green", "Blue")]
    return np.stack(tables, axis=-1)[places]


def palette_of(attributes: Attributes) -> tuple[int, int, int]:
    """Read the descriptors: entries, the index of the first of them, bits of an entry."""
    found = {}
    for colour in ("Red", "Green", "Blue"):
        keyword = f"{colour}PaletteColorLookupTableDescriptor"
        found[keyword] = attributes.numbers(keyword)
        if len(found[keyword]) != 3 or found[keyword][2] not in (8, 16):
            raise ImageRefused(f"{keyword}, expected three values, the last of them 8 or 16")
    if len(set(found.values())) > 1:
        raise ImageRefused(f"{', '.join(found)} differ, expected the same of the three")
    entries, first, bits = (int(value) for value in next(iter(found.values())))
    return entries % _MOST or _MOST, first, bits


def _table(attributes: Attributes, colour: str, entries: int, bits: int, is_little_endian: bool) -> Pixels:
    plain, segmented = f"{colour}PaletteColorLookupTableData", f"Segmented{colour}PaletteColorLookupTableData"
    word = np.dtype("<u2" if is_little_endian else ">u2")
    if plain in attributes.elements:
        keyword, data = plain, attributes.data(plain)
        padded = entries + entries % 2
        narrow = bits == 8 and entries <= len(data) <= padded and (entries > 1 or len(data) == 1)
        if not narrow and len(data) != 2 * entries:
            expected = f"{padded:,} or {2 * entries:,}" if bits == 8 else f"{2 * entries:,}"
            raise ImageRefused(f"{keyword} of {len(data):,} bytes, expected {expected}")
        if narrow and not is_little_endian and len(data) == padded:
            data = np.frombuffer(data, "u2").byteswap().tobytes()  # two entries a word (PS3.3 C.7.6.3.1.6)
        table = np.frombuffer(data, "u1" if narrow else word)[:entries]
    elif segmented in attributes.elements:
        keyword, data = segmented, attributes.data(segmented)
        table = _expanded(np.frombuffer(data[: len(data) // 2 * 2], "u1" if bits == 8 else word), bits, segmented)
    else:
        raise ImageRefused(f"PhotometricInterpretation PALETTE COLOR without {plain}")
    if len(table) != entries or table.max(initial=0) >= 2**bits:
        raise ImageRefused(
            f"{keyword} of {len(table):,} entries up to {table.max()}, expected {entries:,} of {bits} bits"
        )
    return table.astype(f"u{bits // 8}")


def _expanded(words: NDArray[np.integer], bits: int, keyword: str) -> NDArray[np.integer]:
    """Expand segments: entries as they are, entries on a line to a last one, and other segments again."""
    values, made = words.tolist(), list[int]()
    long = 1 if bits == 16 else 2  # words of half an offset

    def expand(at: int, segments: int, is_repeated: bool) -> None:
        while at + 1 < len(values) and segments and len(made) <= _MOST:
            kind, count = values[at : at + 2]
            if kind == _DISCRETE:
                made.extend(values[at + 2 : at + 2 + count])
                at += 2 + count
            elif kind == _LINEAR and made and at + 2 < len(values) and count:
                start, end = made[-1], values[at + 2]
                made.extend(round(start + (end - start) * step / count) for step in range(1, count + 1))
                at += 3
            elif kind == _INDIRECT and not is_repeated and at + 2 + 2 * long <= len(values):
                parts = values[at + 2 : at + 2 + 2 * long]
                expand(sum(part << bits * place for place, part in enumerate(parts)) // (bits // 8), count, True)
                at += 2 + 2 * long
            else:
                raise ImageRefused(f"{keyword} has no valid segment at {at}")
            segments -= 1

    expand(0, len(values), False)
    return np.array(made, np.int64)
