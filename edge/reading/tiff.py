"""TIFF and BigTIFF: every image of full resolution is a frame, as are the planes of ImageJ's, tifffile's and
MetaMorph's stacks that have one directory.

Thumbnails, masks and the lower levels of pyramids are none. Channels and time points of a stack are frames in the
order in which they lie. No other file is opened, whatever an OME-TIFF refers to.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import ImageRefused
from .frame import MAX_FRAMES, Frame, ImageFile, Pixels
from .pictures import without_alpha
from .tiff_directory import Directory, directories, read_directory, read_form
from .tiff_page import PALETTE, Page, header_of, page_of, palette_of
from .tiff_samples import contiguous, samples_of

_REDUCED, _MASK = 1, 4
"""Bits of NewSubfileType."""


def open_tiff(path: Path) -> ImageFile:
    """Open a TIFF: its directories are read, its pixels when they are asked for.

    The header is the first frame's. Raises ImageRefused.
    """
    with path.open("rb") as file:
        found = [directory for directory in directories(file) if _is_frame(directory)]
        if not found:
            raise ImageRefused("TIFF of thumbnails and masks alone (tag NewSubfileType), expected an image")
        frames = [
            (directory.position, directory.ordinal, plane)
            for directory in found
            for plane in range(_stacked(directory, given=len(found) if directory is found[0] else 0))
        ]
        header = replace(header_of(page_of(found[0])), frames=len(frames))
    return ImageFile(header, lambda index: _frame(path, len(frames), *frames[index]))


def _is_frame(directory: Directory) -> bool:
    """Say whether a directory's image is one of full resolution. Old readers know another tag for it."""
    return not directory.number(254, 0) & (_REDUCED | _MASK) and directory.number(255, 1) != 2


def _stacked(directory: Directory, given: int) -> int:
    """How many planes lie one after the other where a directory has the first. given: images with directories of
    their own, of the file's first one."""
    text = directory.descriptions()
    alone = given == 1 or b'"truncated": true' in text or directory.count(33629) > 0
    if not alone and not text.startswith(b"ImageJ="):
        return 1
    promised = _promised(directory)
    if alone and promised > 1:
        _require_planes(directory, promised)
        return promised
    if promised > given > 1:
        raise ImageRefused(f"TIFF whose description promises {promised} images, and has {given} of them")
    return 1


def _promised(directory: Directory) -> int:
    """How many planes a stack's description promises: MetaMorph's, ImageJ's, tifffile's."""
    if directory.count(33629):
        return directory.count(33629)
    text = directory.descriptions()
    if text.startswith(b"ImageJ="):
        images = re.search(rb"^images=(\d{1,9})\s*$", text, re.MULTILINE)
        return int(images[1]) if images else 1
    values = _shaped(text)
    page = page_of(directory) if values else None
    size = page.rows * page.columns * page.samples if page else 0
    return values // size if size and values % size == 0 else 1


def _shaped(text: bytes) -> int:
    """The number of values of tifffile's stack, 0 where it is none."""
    sides = re.search(rb'^(?:\{"shape": \[|shape=\()([\d, ]{1,99})[\])]', text, re.MULTILINE)
    return math.prod(map(int, re.findall(rb"\d+", sides[1]))) if sides else 0


def _require_planes(directory: Directory, promised: int) -> None:
    if promised > MAX_FRAMES:  # before there is a list of them
        raise ImageRefused(f"{promised:,} frames, expected at most {MAX_FRAMES:,} in a file")
    page = page_of(directory)
    start, end = contiguous(page), directory.file.seek(0, 2)
    if start is None or start + promised * page.bytes > end:
        raise ImageRefused(
            f"TIFF whose description promises {promised} images one after the other, and does not have them all"
        )


def _frame(path: Path, frames: int, position: int, ordinal: int, plane: int) -> Frame:
    with path.open("rb") as file:
        form, _ = read_form(file)
        directory, _ = read_directory(file, form, position, ordinal)
        page = page_of(directory)
        return Frame(replace(header_of(page), frames=frames), _finished(samples_of(page, plane), page))


def _finished(planes: Pixels, page: Page) -> Pixels:
    """Of samples [planes, rows, columns, samples] make pixels [rows, columns] or [rows, columns, samples]."""
    pixels = planes[0] if len(planes) == 1 else np.ascontiguousarray(planes[..., 0].transpose(1, 2, 0))
    if page.dtype == np.float16:
        pixels = pixels.astype(np.float32)
    if page.alpha is not None:
        opaque = 1.0 if page.dtype.kind == "f" else 2 ** (page.bits - (page.dtype.kind == "i")) - 1
        return without_alpha(pixels, page.alpha, opaque)
    if page.meaning == PALETTE:
        return palette_of(page)[pixels[..., 0]]
    return pixels[..., 0] if page.samples == 1 else pixels
