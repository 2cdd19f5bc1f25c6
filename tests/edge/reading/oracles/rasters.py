"""What tifffile, libtiff and Pillow make of a TIFF, and Pillow, libpng and OpenCV of a PNG.

They are asked for what the file stores; where they hand out something else (indices, opacity, planes first), it is
brought into our form by closed forms: colours of the palette, opacity dropped where it is whole."""

from __future__ import annotations

from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import PIL
import tifffile
from PIL import Image, ImageSequence

from .answers import Frames, NoAnswer, Oracle
from .meaning import Words

Image.MAX_IMAGE_PIXELS = None


def tiff_oracles() -> list[Oracle]:
    """List the oracles of TIFF, the strongest first."""
    return [
        Oracle(f"tifffile {tifffile.__version__}", by_tifffile, is_apart=True),
        Oracle(f"Pillow {PIL.__version__}", by_pillow, is_apart=True),
        Oracle(f"libtiff (imagecodecs {imagecodecs.__version__})", by_libtiff, is_apart=True),
    ]


def png_oracles() -> list[Oracle]:
    """List the oracles of PNG, the strongest first: Pillow cuts colours to 8 bit."""
    return [
        Oracle(f"Pillow {PIL.__version__}", by_pillow),
        Oracle(f"libpng (imagecodecs {imagecodecs.__version__})", by_libpng),
        Oracle(f"OpenCV {cv2.__version__}", by_opencv),
    ]


def by_tifffile(path: Path) -> Frames:
    """Read the pages of full resolution; of stacks with one page, its series."""
    with tifffile.TiffFile(path) as file:
        pages = [page.aspage() for page in file.pages]
        pages = [page for page in pages if not page.is_reduced and not page.is_mask]
        if not pages:
            raise NoAnswer("no page of full resolution")
        series = file.series[0]
        planes = int(np.prod(series.shape)) // int(np.prod(pages[0].shape))
        if len(pages) == 1 and planes > 1:
            return list(series.asarray().reshape(planes, *pages[0].shape))
        return [_of_page(page, page.asarray()) for page in pages]


def by_libtiff(path: Path) -> Frames:
    """Let libtiff decode every directory."""
    with tifffile.TiffFile(path) as file:
        pages = [page.aspage() for page in file.pages]
    kept = [index for index, page in enumerate(pages) if not page.is_reduced and not page.is_mask]
    data = path.read_bytes()
    return [_of_page(pages[index], imagecodecs.tiff_decode(data, index=index)) for index in kept]


def by_pillow(path: Path) -> Frames:
    """Let Pillow decode every frame."""
    with Image.open(path) as image:
        return [_of_pillow(frame) for frame in ImageSequence.Iterator(image)]


def by_libpng(path: Path) -> Frames:
    """Let libpng decode, palettes as colours."""
    return [_opaque(np.asarray(imagecodecs.png_decode(path.read_bytes())))]


def by_opencv(path: Path) -> Frames:
    """Let OpenCV decode, blue first."""
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise NoAnswer("it does not read the file")
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    return [_opaque(pixels)]


def _of_page(page: tifffile.TiffPage, pixels: Words) -> Words:
    if page.planarconfig == 2 and page.samplesperpixel > 1 and pixels.shape[0] == page.samplesperpixel:
        pixels = np.moveaxis(pixels, 0, -1)
    if page.photometric == 3 and pixels.ndim == 2 and page.colormap is not None:
        colours = page.colormap[:, pixels.astype(np.int64)]
        high, low = page.colormap >> 8, page.colormap & 255
        eight = (low == 0).all() or (low == high).all()
        return np.moveaxis(colours >> 8 if eight else colours, 0, -1)
    base = 3 if page.photometric in (2, 6) else 1
    if len(page.extrasamples) == 1 and page.extrasamples[0] in (1, 2) and pixels.shape[-1] == base + 1:
        return _opaque(pixels, page.bitspersample)
    if page.sampleformat == 3:
        return pixels.astype(np.float64)
    return pixels


def _of_pillow(image: Image.Image) -> Words:
    if image.mode not in ("P", "PA") and "transparency" in image.info:
        raise NoAnswer("it has a transparent colour")
    if image.mode == "1":
        return np.asarray(image.convert("L")) if image.format == "PNG" else np.asarray(image).astype(np.uint8)
    if image.mode in ("P", "PA", "RGBX"):
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    if image.mode in ("CMYK", "LAB", "HSV", "YCbCr"):
        raise NoAnswer(f"its mode is {image.mode}")
    return _opaque(np.asarray(image))


def _opaque(pixels: Words, bits: int | None = None) -> Words:
    if pixels.ndim < 3 or pixels.shape[-1] not in (2, 4):
        return pixels
    top = 1.0 if pixels.dtype.kind == "f" else 2 ** (bits or 8 * pixels.dtype.itemsize) - 1
    if (pixels[..., -1] != top).any():
        raise NoAnswer("it is transparent")
    return pixels[..., 0] if pixels.shape[-1] == 2 else pixels[..., :3]
