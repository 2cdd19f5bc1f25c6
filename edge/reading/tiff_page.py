"""What the tags of a TIFF say of an image, and that it can be decoded: everything else is refused by tag and value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageRefused
from .frame import Header
from .pictures import require_size
from .tiff_directory import Directory

NONE, LZW, JPEG, WEBP, JPEG_2000 = 1, 5, 7, 50001, 34712
COMPRESSIONS = {
    1: "none", 5: "LZW", 7: "JPEG", 8: "Deflate", 32946: "Deflate", 32773: "PackBits", 34712: "JPEG 2000",
    34925: "LZMA", 50000: "Zstandard", 50001: "WebP",
}  # fmt: skip
_OTHER_COMPRESSIONS = {
    2: "CCITT, of fax machines", 3: "CCITT, of fax machines", 4: "CCITT, of fax machines", 6: "JPEG of the old kind",
    9: "JBIG", 10: "JBIG", 22610: "JPEG XR", 32766: "NeXT", 32809: "ThunderScan", 33003: "JPEG 2000 of Aperio",
    33005: "JPEG 2000 of Aperio", 33007: "JPEG of Alioth", 34661: "JBIG", 34676: "LogLuv", 34677: "LogLuv",
    34713: "Nikon", 34887: "LERC", 34892: "lossy JPEG of DNG", 34933: "PNG", 34934: "JPEG XR", 50002: "JPEG XL",
    52546: "JPEG XL", 65000: "EER", 65001: "EER", 65002: "EER",
}  # fmt: skip
LOSSY = (JPEG, WEBP, JPEG_2000)
_PREDICTED = (5, 8, 32946, 34925, 50000)
"""Compressions that have a predictor (TIFF 6.0 section 14, and libtiff)."""
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, PALETTE, _YCBCR = 0, 1, 2, 3, 6
_OTHER_MEANINGS = {
    4: "a transparency mask", 5: "separated colours, CMYK", 8: "CIE L*a*b*", 9: "ICC L*a*b*", 10: "ITU L*a*b*",
    32803: "the colour filter array of a camera", 32844: "CIE Log2(L)", 32845: "CIE Log2(L)(u',v')",
    34892: "linear raw of a camera", 51177: "depth", 52527: "a semantic mask",
}  # fmt: skip
_FORMATS = {1: "u", 2: "i", 3: "f"}
_OTHER_FORMATS = {4: "undefined", 5: "complex whole numbers", 6: "complex numbers"}
_OPACITY = (1, 2)
"""Values of ExtraSamples."""


@dataclass(frozen=True)
class Page:
    """An image as its directory describes it, as far as it can be decoded. samples: with opacity and other extra ones.
    alpha: the sample that is opacity. chunk: rows and columns of a strip or tile. planes: samples that lie apart."""

    directory: Directory
    rows: int
    columns: int
    samples: int
    alpha: int | None
    bits: int
    dtype: np.dtype[Any]
    meaning: int
    compression: int
    predictor: int
    planes: int
    tiled: bool
    chunk: tuple[int, int]

    @property
    def bytes(self) -> int:
        """Size of the decoded image."""
        return self.rows * self.columns * self.samples * self.dtype.itemsize


def page_of(directory: Directory) -> Page:
    """Read what the tags say of an image. Raises ImageRefused for what cannot be decoded, by tag and value."""
    rows, columns = directory.number(257), directory.number(256)
    samples, compression = directory.number(277, 1), directory.number(259, 1)
    meaning, bits, predictor = directory.number(262), directory.number(258, 1), directory.number(317, 1)
    require_size(rows, columns, samples)
    _require_meaning(meaning, samples, compression)
    _require_compression(compression)
    if directory.number(32997, 1) != 1:
        raise ImageRefused(f"TIFF tag ImageDepth {directory.number(32997)}, expected 1: a plane in each image")
    dtype = _dtype(directory.number(339, 1), bits)
    _require_predictor(predictor, compression, bits, dtype)
    planes = directory.number(284, 1)
    if planes not in (1, 2):
        raise ImageRefused(f"TIFF tag PlanarConfiguration {planes}, expected 1 or 2")
    alpha = _alpha(directory, samples, 3 if meaning in (_RGB, _YCBCR) else 1)
    tiled = 322 in directory
    page = Page(
        directory, rows, columns, samples, alpha, bits, dtype, meaning, compression, predictor,
        samples if planes == 2 else 1, tiled, _chunk(directory, rows, columns, tiled),
    )  # fmt: skip
    _require_coded(page)
    return page


def _require_meaning(meaning: int, samples: int, compression: int) -> None:
    if meaning not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, PALETTE, _YCBCR):
        said = _OTHER_MEANINGS.get(meaning, "which the format does not have")
        raise ImageRefused(f"TIFF tag PhotometricInterpretation {meaning} ({said}), expected grey, RGB or a palette")
    if meaning == _YCBCR and compression != JPEG:
        raise ImageRefused("TIFF tag PhotometricInterpretation 6 (YCbCr) without JPEG compression, expected RGB")
    least, most = {_RGB: (3, 65535), _YCBCR: (3, 3), PALETTE: (1, 1)}.get(meaning, (1, 65535))
    if not least <= samples <= most:
        raise ImageRefused(
            f"TIFF tag SamplesPerPixel {samples} with PhotometricInterpretation {meaning}, expected {least}"
        )


def _require_compression(compression: int) -> None:
    if compression not in COMPRESSIONS:
        said = _OTHER_COMPRESSIONS.get(compression, "unknown")
        known = ", ".join(dict.fromkeys(COMPRESSIONS.values()))
        raise ImageRefused(f"TIFF compression {compression} ({said}) is not supported, expected {known}")


def _require_predictor(predictor: int, compression: int, bits: int, dtype: np.dtype[Any]) -> None:
    whole = dtype.kind in "iu" and bits == 8 * dtype.itemsize
    if predictor == 1 or (predictor == 2 and whole) or (predictor == 3 and dtype.kind == "f"):
        if predictor == 1 or compression in _PREDICTED:
            return
        raise ImageRefused(f"TIFF tag Predictor {predictor} with compression {COMPRESSIONS[compression]}, expected 1")
    raise ImageRefused(f"TIFF tag Predictor {predictor} with samples of {bits} bits, expected 1")


def _dtype(sample_format: int, bits: int) -> np.dtype[Any]:
    """The type of decoded samples: the container of so many bits."""
    if sample_format not in _FORMATS:
        said = _OTHER_FORMATS.get(sample_format, "which the format does not have")
        raise ImageRefused(f"TIFF tag SampleFormat {sample_format} ({said}), expected 1, 2 or 3: numbers")
    kind = _FORMATS[sample_format]
    allowed = {"u": (*range(1, 33), 64), "i": (8, 16, 32, 64), "f": (16, 32, 64)}[kind]
    if bits not in allowed:
        raise ImageRefused(f"TIFF tag BitsPerSample {bits} with SampleFormat {sample_format}, which is not supported")
    return np.dtype(f"{kind}{next(size for size in (1, 2, 4, 8) if 8 * size >= bits)}")


def _alpha(directory: Directory, samples: int, base: int) -> int | None:
    """Which sample is opacity, by tag ExtraSamples; other extra samples are samples like the first."""
    extra = directory.numbers(338)
    opacity = [base + index for index, value in enumerate(extra) if value in _OPACITY]
    if len(opacity) > 1 or (opacity and base + len(extra) != samples) or any(value > 2 for value in extra):
        said = ", ".join(map(str, extra[:8]))
        raise ImageRefused(f"TIFF tag ExtraSamples {said} with SamplesPerPixel {samples}, expected one opacity at most")
    return opacity[0] if opacity else None


def _chunk(directory: Directory, rows: int, columns: int, tiled: bool) -> tuple[int, int]:
    """Rows and columns of a tile, or of a strip."""
    if not tiled:
        chunk = (min(directory.number(278, rows), rows), columns)
    elif directory.number(32998, 1) != 1:
        raise ImageRefused(f"TIFF tag TileDepth {directory.number(32998)}, expected 1")
    else:
        chunk = (directory.number(323), directory.number(322))
    require_size(*chunk, directory.number(277, 1))
    return chunk


def _require_coded(page: Page) -> None:
    """Refuse samples that a compression of pictures does not have."""
    bits = {JPEG: (8, 12), JPEG_2000: tuple(range(1, 17)), WEBP: (8,)}.get(page.compression)
    if bits and (page.bits not in bits or page.dtype.kind == "f"):
        name = COMPRESSIONS[page.compression]
        raise ImageRefused(f"TIFF compression {name} with tag BitsPerSample {page.bits}, which it does not have")


def header_of(page: Page) -> Header:
    """Say of an image what its frame's header says. Raises ImageRefused for a palette that does not fit."""
    whole = page.dtype.kind != "f"
    container = 8 * page.dtype.itemsize
    header = Header(
        rows=page.rows,
        columns=page.columns,
        samples_per_pixel=page.samples - (page.alpha is not None),
        bits_allocated=container if whole else None,
        bits_stored=page.bits if whole and page.bits != container else None,
        signed=page.dtype.kind == "i",
        photometric_interpretation={_WHITE_IS_ZERO: "MONOCHROME1", _BLACK_IS_ZERO: "MONOCHROME2"}.get(
            page.meaning, "RGB"
        ),
        lossy_image_compression=True if page.compression in LOSSY else None,
    )
    if page.meaning != PALETTE:
        return header
    return replace(header, samples_per_pixel=3, bits_allocated=8 * palette_of(page).itemsize, bits_stored=None)


def palette_of(page: Page) -> NDArray[Any]:
    """Give the colours [colours, red green blue], of 8 bits where each is: their high bytes, or twice the same.

    Raises ImageRefused.
    """
    values = np.array(page.directory.numbers(320), np.uint16)
    if page.dtype.kind != "u" or page.bits > 16 or values.size != 3 * 2**page.bits:
        raise ImageRefused(
            f"TIFF tag ColorMap of {values.size} values with BitsPerSample {page.bits}, expected {3 * 2**page.bits}"
        )
    high, low = values >> 8, values & 255
    eight = (low == 0).all() or (low == high).all()
    return (high.astype(np.uint8) if eight else values).reshape(3, -1).T
