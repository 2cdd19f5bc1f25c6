"""Decoding: an image's file becomes the graph's image, a frame at a time, or it is said why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from .bundle.manifest import Input
from .errors import refusal_of
from .preprocess import check_header, preprocess
from .reading import ImageFile, open_image

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Arrived:
    """An image that is to be scored. digest: of its bytes, empty where they cannot be read. name: how its source
    calls it. path: where its bytes lie."""

    digest: str
    name: str
    path: Path


class Decoded(msgspec.Struct, frozen=True):
    """One frame of a file. frames: how many the file has, at least 1. image: float32 [1, C, H, W], or None
    and the `refusal` in words. name: what the file calls itself, of DICOM its SOP Instance UID; empty for others.
    lossy: whether it says that it was compressed with loss."""

    frames: int
    image: Image | None
    refusal: str
    name: str = ""
    lossy: bool | None = None


Decode = Callable[[Path, int, Input], Decoded]
"""Decodes frame `index`, from 0, of the file at a path, for the input that a bundle expects. It raises nothing."""


def decode(path: Path, index: int, expected: Input, open_file: Callable[[Path], ImageFile] = open_image) -> Decoded:
    """Decode frame `index`, from 0, of a file and preprocess it; whatever the file does, there is an answer."""
    frames, name, lossy = 1, "", None
    try:
        file = open_file(path)
        name, lossy = file.sop_instance_uid or "", file.header.lossy_image_compression
        if file.alike:
            check_header(file.header, expected)  # before a pixel is decoded: a file is refused as a whole, once
        frames = file.header.frames
        image = preprocess(file.frame(index), expected)
    except Exception as error:
        return Decoded(frames, None, refusal_of(error), name, lossy)
    return Decoded(frames, image, "", name, lossy)


def decoder(open_file: Callable[[Path], ImageFile] = open_image) -> Decode:
    """Make a function that decodes in this process, opens a file once for all of its frames, and calls an image
    only by the name that it arrived with."""
    opened = lru_cache(maxsize=1)(open_file)

    def decode_opened(path: Path, index: int, expected: Input) -> Decoded:
        return msgspec.structs.replace(decode(path, index, expected, opened), name="")

    return decode_opened
