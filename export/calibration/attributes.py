"""Attributes of the calibration images: their values, counted over the files, and what is demanded of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from fisherlens.edge.reading import Header

from .images import Folder

_SHOWN = 4
"""Values of an attribute that are listed; of sizes there may be as many as images."""

T = TypeVar("T")


@dataclass(frozen=True)
class Attribute(Generic[T]):
    """One attribute of a frame, and what is demanded of it. value: None where nothing is. text: the value in words.
    origin: where it comes from, in words."""

    name: str
    value: T
    text: str
    origin: str


@dataclass(frozen=True)
class Seen(Generic[T]):
    """The values of an attribute, most frequent first, each with the files that have it; None: not stated."""

    files: dict[T | None, list[Path]]
    worded: Callable[[T], str]

    @classmethod
    def of(cls, folder: Folder, value: Callable[[Header], T | None], worded: Callable[[T], str] = str) -> Seen[T]:
        """Sort the files by what `value` gives for their headers. worded: a value in words."""
        files: dict[T | None, list[Path]] = {}
        for path, header in zip(folder.paths, folder.headers, strict=True):
            files.setdefault(value(header), []).append(path)
        return cls(dict(sorted(files.items(), key=lambda item: -len(item[1]))), worded)

    @property
    def common(self) -> T | None:
        """Give the value that all files state, None where there is none."""
        return next(iter(self.files)) if len(self.files) == 1 else None

    def counted(self) -> str:
        """Say how many have which value: "12 bit in all 8 images", "12 bit in 5, not stated in 3"."""
        if len(self.files) > 1:
            return self._listed(lambda paths: f" in {len(paths)}")
        (paths,) = self.files.values()
        return "no image states it" if self.common is None else f"{self.word(self.common)} in all {len(paths)} images"

    def named(self) -> str:
        """Say how many have which value, and the first of them by name."""
        return self._listed(lambda paths: f" in {len(paths)} ({paths[0]})")

    def _listed(self, where: Callable[[list[Path]], str]) -> str:
        shown = [self.word(value) + where(paths) for value, paths in list(self.files.items())[:_SHOWN]]
        others = len(self.files) - len(shown)
        return ", ".join(shown) + (f" and {others} others" if others else "")

    def word(self, value: T | None) -> str:
        """Say a value in words."""
        return "not stated" if value is None else self.worded(value)


def attribute(name: str, seen: Seen[T], told: T | None, nothing: bool = False) -> Attribute[T | None]:
    """Demand what an option told, nothing where it says so, and else what all images state and agree in."""
    if told is not None:
        return Attribute(name, told, seen.word(told), f"option; {seen.counted()}")
    if nothing:
        return Attribute(name, None, "not demanded", f"option; {seen.counted()}")
    if seen.common is not None:
        return Attribute(name, seen.common, seen.word(seen.common), f"all {len(seen.files[seen.common])} images")
    mixed = "mixed: " if len(seen.files) > 1 else ""
    return Attribute(name, None, "not demanded", f"{mixed}{seen.counted()}")
