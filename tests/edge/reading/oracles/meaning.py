"""From words as another reader gives them to what they mean: closed forms of PS3.3 and PS3.5, none of them ours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

Words = NDArray[np.generic]

_FROM_YBR = np.array([[1, 0, 1.402], [1, -0.114 * 1.772 / 0.587, -0.299 * 1.402 / 0.587], [1, 1.772, 0]])
"""From Y, Cb, Cr to R, G, B (PS3.3 C.7.6.3.1.2, inverted)."""


def kept_bits(words: Words, bits_stored: int, high_bit: int, signed: bool) -> NDArray[np.int64]:
    """Cut the stored bits out of words, and extend their sign where there is one (PS3.5 8.1.1)."""
    values = (words.astype(np.int64) >> (high_bit + 1 - bits_stored)) & ((1 << bits_stored) - 1)
    return values - ((values >> (bits_stored - 1)) << bits_stored) if signed else values


def from_ybr(pixels: Words) -> NDArray[np.int64]:
    """Turn 8-bit Y, Cb, Cr [..., 3] into R, G, B."""
    colours = (pixels.astype(np.float64) - [0, 128, 128]) @ _FROM_YBR.T
    return colours.round().clip(0, 255).astype(np.int64)


def through_palette(indices: Words, elements: Dataset) -> NDArray[np.int64]:
    """Look indices up in a palette (PS3.3 C.7.6.3.1.5, C.7.9.2)."""
    return np.stack([_channel(indices, elements, colour) for colour in ("Red", "Green", "Blue")], axis=-1)


def _channel(indices: Words, elements: Dataset, colour: str) -> NDArray[np.int64]:
    entries, first, bits = (int(value) for value in elements[f"{colour}PaletteColorLookupTableDescriptor"].value)
    entries = entries or 2**16
    segmented = f"Segmented{colour}PaletteColorLookupTableData"
    order = "<" if elements.original_encoding[1] is not False else ">"
    if segmented in elements:
        table = _expanded(elements[segmented].value, bits, order)
    else:
        data = elements[f"{colour}PaletteColorLookupTableData"].value
        wide = len(data) >= 2 * entries
        table = np.frombuffer(data, f"{order}u2" if wide else "u1").astype(np.int64)
        if wide and bits == 8 and table.max() > 255:  # two entries a word
            table = np.frombuffer(data, "u1").astype(np.int64)
    return table[np.clip(indices.astype(np.int64) - first, 0, entries - 1)]


def _expanded(data: bytes, bits: int, order: str) -> NDArray[np.int64]:
    """Expand segments: discrete, linear, and indirect ones, which repeat others (PS3.3 C.7.9.2.1)."""
    words = np.frombuffer(data, "u1" if bits == 8 else f"{order}u2").astype(np.int64).tolist()
    table: list[float] = []

    def expand(at: int, segments: int) -> None:
        while at < len(words) and segments:
            kind, count = words[at], words[at + 1]
            if kind == 0:
                table.extend(words[at + 2 : at + 2 + count])
                at += 2 + count
            elif kind == 1:
                table.extend(np.linspace(table[-1], words[at + 2], count + 1)[1:].tolist())
                at += 3
            else:
                low, high = words[at + 2 : at + 4] if bits == 16 else (words[at + 2] | words[at + 3] << 8, 0)
                expand((low | high << 16) // (2 if bits == 16 else 1), count)
                at += 4 if bits == 16 else 6
            segments -= 1

    expand(0, 2**32)
    return np.round(table).astype(np.int64)
