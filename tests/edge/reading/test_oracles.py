"""The small public files, and small ones of other writers, against readers that are not ours; all of them, and what
differs and why, with `python -m tests.edge.reading.oracles`."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from .oracles.answers import Oracle
from .oracles.comparison import Row, compare
from .oracles.dicom import dicom_oracles
from .oracles.files import dicom_files
from .oracles.rasters import png_oracles, tiff_oracles

SMALL = [path for path in dicom_files() if path.stat().st_size < 50_000]
WORDS = (np.arange(600).reshape(20, 30) * 109).astype(np.uint16)
COLOURS = np.stack([WORDS, WORDS.T.reshape(20, 30), WORDS[::-1]], axis=-1)


def test_no_small_public_file_differs_without_a_reason() -> None:
    oracles = dicom_oracles()
    rows = [row for path in SMALL for row in compare(path, path.name, oracles)]
    assert [row for row in rows if not row.explained] == []
    assert sum(row.outcome == "equal" for row in rows) > 40


def saved(**options: Any) -> Callable[[np.ndarray], bytes]:
    def save(pixels: np.ndarray) -> bytes:
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, **options)
        return buffer.getvalue()

    return save


def written(**options: Any) -> Callable[[np.ndarray], bytes]:
    def write(pixels: np.ndarray) -> bytes:
        buffer = BytesIO()
        tifffile.imwrite(buffer, pixels, **options)
        return buffer.getvalue()

    return write


PICTURES = {
    "Pillow's PNG": saved(format="PNG"),
    "Pillow's TIFF": saved(format="TIFF"),
    "Pillow's TIFF, LZW": saved(format="TIFF", compression="tiff_lzw"),
    "tifffile's": written(),
    "tifffile's, big endian": written(byteorder=">"),
    "tifffile's, tiles": written(tile=(16, 16)),
    "tifffile's, Deflate with predictor": written(compression="zlib", predictor=True),
    "tifffile's, white is zero": written(photometric="miniswhite"),
    "tifffile's BigTIFF": written(bigtiff=True, rowsperstrip=7),
}
PIXELS: dict[str, np.ndarray] = {
    "8 bit": (WORDS >> 8).astype(np.uint8),
    "16 bit": WORDS,
    "colour": (COLOURS >> 8).astype(np.uint8),
}


@pytest.mark.parametrize(
    ("name", "kind"), [pair for pair in product(PICTURES, PIXELS) if pair != ("tifffile's, white is zero", "colour")]
)
def test_pictures_of_other_writers_are_as_others_read_them(tmp_path: Path, name: str, kind: str) -> None:
    pixels = PIXELS[kind]
    oracles: list[Oracle] = png_oracles() if "PNG" in name else tiff_oracles()
    path = tmp_path / ("image.png" if "PNG" in name else "image.tif")
    path.write_bytes(PICTURES[name](pixels))
    rows: list[Row] = compare(path, path.name, oracles)
    assert [row.outcome for row in rows] == ["equal"]
