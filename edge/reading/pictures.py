"""What the readers of pictures share: sizes that are possible, alpha that is opaque, libraries that fail.

All of them give pixels as they are stored: no colour management, no gamma, and no turning by an orientation that a
camera noted (TIFF tag 274, EXIF), since rows are as the detector wrote them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ..errors import ImageRefused
from .frame import MAX_PIXELS, Pixels

MAX_SAMPLES = 4 * MAX_PIXELS
"""Most samples of a frame that are decoded, all its channels together."""

_IMAGECODECS = logging.getLogger("imagecodecs")
_IMAGECODECS.propagate = False  # what goes wrong is said in the verdict
_HARMLESS = "Interlace handling should be turned on"
"""Of each interlaced PNG: libpng turns it on itself."""


def require_size(rows: int, columns: int, samples: int = 1) -> None:
    """Refuse a frame without pixels, or with more than are decoded, before anything is allocated.

    Raises ImageRefused.
    """
    if rows < 1 or columns < 1:
        raise ImageRefused(f"{rows} x {columns} pixels, expected some")
    if samples < 1:
        raise ImageRefused(f"pixels of {samples} samples, expected some")
    if rows * columns > MAX_PIXELS:
        raise ImageRefused(f"{rows} x {columns} pixels are more than the {MAX_PIXELS} that a frame may have")
    if rows * columns * samples > MAX_SAMPLES:
        raise ImageRefused(
            f"{rows} x {columns} pixels of {samples} samples are more than the {MAX_SAMPLES} that a frame may have"
        )


def without_alpha(pixels: Pixels, channel: int, opaque: float) -> Pixels:
    """Drop the channel of opacity from pixels [rows, columns, samples]; where one sample is left, its axis goes too.

    Raises ImageRefused where a pixel is not opaque: nothing says what is seen through it.
    """
    alpha = pixels[..., channel]
    if not (alpha == opaque).all():
        share = float(np.mean(alpha != opaque))
        raise ImageRefused(f"has transparent pixels ({share:.2%} of them), expected an image that is opaque throughout")
    rest = np.delete(pixels, channel, axis=2)
    return rest[..., 0] if rest.shape[2] == 1 else rest


def within_bits(pixels: Pixels, bits: int) -> bool:
    """Say whether whole numbers are as small as so many bits can be: decoders of damaged data give others."""
    return bits >= 8 * pixels.itemsize or int(pixels.max()) < 2**bits


@contextmanager
def decoding(refusal: str) -> Iterator[None]:
    """Turn whatever a library raises, or warns of, into a refusal in our words; what is too large for the memory stays
    a MemoryError."""
    notes = _Notes()
    _IMAGECODECS.addHandler(notes)
    try:
        yield
    except (ImageRefused, MemoryError):
        raise
    except Exception as error:  # each decoder raises kinds of its own
        raise ImageRefused(refusal) from error
    finally:
        _IMAGECODECS.removeHandler(notes)
    if notes.taken:
        raise ImageRefused(refusal)


class _Notes(logging.Handler):
    """Warnings of this thread, which would go to standard error: a decoder that warns has made pixels up."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.taken = 0
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        self.taken += record.thread == self._thread and _HARMLESS not in record.getMessage()
