"""A map's legend, drawn beside its picture: what the colours stand for, and what the picture is not."""

from __future__ import annotations

import textwrap
import unicodedata

import cv2
import numpy as np
from numpy.typing import NDArray

from ..verdict import CompactMap
from .picture import laid_over

_LEAST_HEIGHT, _LONGEST_SIDE = 512, 1024
"""Smaller pictures are enlarged up to these sides, so that the legend has room for its words."""
_WIDTH = 0.36
"""Of the legend, in heights of the picture."""
_LINES = 34
"""Lines of text that fit into the picture's height."""
_FONT, _WHITE, _GREY = cv2.FONT_HERSHEY_SIMPLEX, (255, 255, 255), (190, 190, 190)
_BRIGHT, _DARK = 235, 40
"""Greys of an image under the map."""
_LETTERS_A_LINE = 21
_BAR = 0.55
"""Height of the colour scale, in heights of the picture."""
NOTICE = "NOT FOR DIAGNOSIS"


def enlargement(shape: tuple[int, ...]) -> int:
    """Give the whole number by which a picture of so many rows and columns is enlarged before the legend is drawn."""
    return max(1, min(-(-_LEAST_HEIGHT // shape[0]), _LONGEST_SIDE // max(shape[:2])))


def with_legend(picture: NDArray[np.uint8], compact: CompactMap) -> NDArray[np.uint8]:
    """Draw the legend to the right of a map's picture, uint8 [rows, columns, 3] with blue first: kind, quantity and the
    colour scale with its lowest and highest value. The picture is in the upper left corner, enlarged by `enlargement`;
    below one that is still too low for the words it is black."""
    times = enlargement(picture.shape)
    enlarged = cv2.resize(picture, None, fx=times, fy=times, interpolation=cv2.INTER_NEAREST)
    below = max(0, _LEAST_HEIGHT - enlarged.shape[0])
    padded = np.pad(enlarged, ((0, below), (0, 0), (0, 0)))
    return np.hstack([padded, _legend(padded.shape[0], compact)])


def _legend(height: int, compact: CompactMap) -> NDArray[np.uint8]:
    line = height / _LINES
    made = np.zeros((height, round(height * _WIDTH), 3), np.uint8)
    row = _written(made, [*_wrapped(f"{compact.kind} map"), ""], 1.5 * line, line, _WHITE)
    row = _written(made, _wrapped(compact.quantity), row, line, _GREY)
    bottom = _scale(made, compact, max(row, 8 * line), line)
    _written(made, [NOTICE], max(bottom + 2 * line, height - 1.5 * line), line, _WHITE)
    return made


def _scale(made: NDArray[np.uint8], compact: CompactMap, top: float, line: float) -> float:
    """Draw the colours from the highest value down to the lowest as they look over a bright and over a dark image, and
    the values beside them; gives where it ends."""
    first, last = round(top), round(min(top + _BAR * made.shape[0], made.shape[0] - 4 * line))
    left, middle, right = round(line), round(2.5 * line), round(4 * line)
    codes = np.linspace(255, 0, last - first).round().astype(np.uint8)[:, None]
    for start, end, under in ((left, middle, _BRIGHT), (middle, right, _DARK)):
        made[first:last, start:end] = laid_over(np.full((last - first, 1, 3), under, np.uint8), codes)
    cv2.rectangle(made, (left - 1, first - 1), (right, last), _GREY, 1)
    for share in (1.0, 0.5, 0.0):
        row = last + (first - last) * share
        cv2.line(made, (right, round(row)), (right + round(line / 2), round(row)), _GREY, 1)
        value = compact.low + share * (compact.high - compact.low)
        _write(made, f"{value:.3g}", right + line, row + line / 3, line, _WHITE)
    return float(last)


def _written(made: NDArray[np.uint8], lines: list[str], row: float, line: float, colour: tuple[int, int, int]) -> float:
    """Write lines of text from a row down; gives the row below them."""
    for text in lines:
        _write(made, text, line, row, line, colour)
        row += 1.3 * line
    return row


def _write(
    made: NDArray[np.uint8], text: str, column: float, row: float, line: float, colour: tuple[int, int, int]
) -> None:
    at = round(column), round(row)
    cv2.putText(made, text, at, _FONT, line / 33.0, colour, max(1, round(line / 22)), cv2.LINE_AA)


def _wrapped(text: str) -> list[str]:
    """Break a text into lines, in the letters that the font has."""
    plain = unicodedata.normalize("NFKD", text.replace("\u00b5", "u").replace("\u03bc", "u"))
    letters = plain.encode("ascii", "ignore").decode()
    return textwrap.wrap(letters, _LETTERS_A_LINE, max_lines=5, placeholder=" ...")
