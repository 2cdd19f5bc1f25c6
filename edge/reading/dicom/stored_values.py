"""From what a decoder gives to the values that are meant: bits that are not stored masked, colours as RGB."""

from __future__ import annotations

import numpy as np

from ..frame import Pixels
from .attributes import Attributes
from .image_pixel import PALETTE, ImagePixel
from .palette import through_palette


def meant(decoded: Pixels, stored: ImagePixel, attributes: Attributes, is_little_endian: bool) -> Pixels:
    """Make a frame's values [rows, columns] or [rows, columns, 3] of its decoded pixels. Raises ImageRefused for a
    palette that cannot be used."""
    if stored.is_float:
        return decoded
    values = _masked(decoded, stored)
    if stored.photometric_interpretation != PALETTE:
        return values
    return through_palette(values, attributes, is_little_endian)


def _masked(decoded: Pixels, stored: ImagePixel) -> Pixels:
    """Shift the stored bits down to bit 0, cut off what lies above them (overlays, a copy of the sign, anything:
    PS3.5 8.1.1), and extend the sign where there is one."""
    native = decoded.dtype.newbyteorder("=")
    values = np.array(decoded, native) if decoded.dtype != native or not decoded.flags.writeable else decoded
    size = 8 * values.dtype.itemsize
    unsigned = values.view(f"u{values.dtype.itemsize}")
    down = stored.high_bit + 1 - stored.bits_stored
    if down:
        np.right_shift(unsigned, down, out=unsigned)
    if not stored.pixel_representation:
        if stored.bits_stored < size:
            np.bitwise_and(unsigned, (1 << stored.bits_stored) - 1, out=unsigned)
        return unsigned
    signed = values.view(f"i{values.dtype.itemsize}")
    above = size - stored.bits_stored
    if above:
        np.left_shift(signed, above, out=signed)
        np.right_shift(signed, above, out=signed)
    return signed
