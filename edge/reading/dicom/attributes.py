"""What a data set says of one frame, read strictly: every refusal names the attribute."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from ...errors import ImageRefused

T = TypeVar("T")
_MACROS = {
    "PixelSpacing": "PixelMeasuresSequence",
    "ImagerPixelSpacing": "FramePixelDataPropertiesSequence",
    "PixelIntensityRelationship": "FramePixelDataPropertiesSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
}
"""The functional group that an attribute stands in (PS3.3 C.7.6.16.2.1, C.8.19.6.4, C.7.6.16.2.9)."""
_HARMLESS = re.compile(r"(?=.*\d)[0-9+\-.,eE\\ ]{1,40}")
"""Values that may be quoted: others may be a patient's."""


class Attributes:
    """The attributes that hold for frame `index`, from 0: of its own functional groups, else of those that all frames
    share, else of the data set itself (PS3.3 C.7.6.16.1.1)."""

    def __init__(self, elements: Dataset, index: int) -> None:
        self.elements = elements
        own = _items(elements, "PerFrameFunctionalGroupsSequence")
        if own and index >= len(own):
            raise ImageRefused(f"PerFrameFunctionalGroupsSequence has {len(own)} items, none for frame {index + 1}")
        self._groups = [*own[index : index + 1], *_items(elements, "SharedFunctionalGroupsSequence")[:1]]

    @property
    def alike(self) -> bool:
        """Say whether the attributes of functional groups, where there are any, are the same for all frames."""
        own = _items(self.elements, "PerFrameFunctionalGroupsSequence")
        return not any(macro in group for group in own for macro in _MACROS.values())

    def text(self, keyword: str) -> str | None:
        """Give a text without the blanks that pad it; None where it is absent or empty."""
        value = _one(keyword, self._values(keyword))
        return None if value is None else str(value).strip(" \0") or None

    def number(self, keyword: str) -> float | None:
        """Give a finite number; None where it is absent or empty."""
        return _one(keyword, self.numbers(keyword))

    def whole(self, keyword: str) -> int | None:
        """Give a whole number; None where it is absent or empty."""
        number = _one(keyword, self.numbers(keyword, "a whole one as 1"))
        if number is not None and not number.is_integer():
            raise ImageRefused(f"{keyword} {number:g}, expected a whole number")
        return None if number is None else int(number)

    def numbers(self, keyword: str, expected: str = "one as 1.5") -> tuple[float, ...]:
        """Give finite numbers, none where the attribute is absent or empty. expected: what a refusal says."""
        try:
            numbers = tuple(float(value) for value in self._values(keyword))
        except (TypeError, ValueError):
            raise ImageRefused(f"{self._quoted(keyword)} is no number, expected {expected}") from None
        if not all(map(math.isfinite, numbers)):
            raise ImageRefused(f"{keyword} is no finite number")
        return numbers

    def data(self, keyword: str) -> bytes:
        """Give the bytes of a table."""
        try:
            value = self.elements[keyword].value
        except Exception:  # pydicom raises many kinds on values that are not of their representation
            raise ImageRefused(f"{keyword} is no valid value") from None
        if not isinstance(value, bytes):
            raise ImageRefused(f"{keyword} is no valid value")
        return value

    def _values(self, keyword: str) -> list[Any]:
        holder = self._holder(keyword)
        if holder is None:
            return []
        try:
            value = holder[keyword].value
        except Exception:  # pydicom raises many kinds on values that are not of their representation
            raise ImageRefused(f"{self._quoted(keyword)} is no valid value") from None
        if value is None or value == "" or value == b"":
            return []
        return list(value) if isinstance(value, MultiValue | list | tuple) else [value]

    def _holder(self, keyword: str) -> Dataset | None:
        for group in self._groups:
            for item in _items(group, _MACROS[keyword])[:1] if keyword in _MACROS else []:
                if keyword in item:
                    return item
        return self.elements if keyword in self.elements else None

    def _quoted(self, keyword: str) -> str:
        """The keyword, with the value where that is harmless."""
        holder = self._holder(keyword)
        element = holder.get_item(keyword) if holder is not None else None
        value = getattr(element, "value", None)
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        return f"{keyword} {text.strip(' ' + chr(0))}" if _HARMLESS.fullmatch(text.rstrip("\0")) else keyword


def _one(keyword: str, values: Sequence[T]) -> T | None:
    if len(values) > 1:
        raise ImageRefused(f"{keyword} has {len(values)} values, expected one")
    return values[0] if values else None


def _items(elements: Dataset, keyword: str) -> list[Dataset]:
    try:
        return list(elements[keyword].value) if keyword in elements else []
    except Exception:  # pydicom raises many kinds on damaged sequences
        raise ImageRefused(f"{keyword} is no valid sequence") from None
