"""Whatever is given, each file gets its record, in words, and the others are still scored."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pydicom
import pytest

from fisherlens.edge import Runtime
from fisherlens.edge.verdict import json_schema
from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.dicom import write_dicom

from ..bundles import run, usual_image


def changed(**changes: object) -> Callable[[Path], Path]:
    """A usual DICOM image with other headers."""

    def make(folder: Path) -> Path:
        path = usual(folder)
        dataset = pydicom.dcmread(path)
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)
        return path

    return make


def usual(folder: Path) -> Path:
    path = folder / "bad"
    write_dicom(path, usual_image(1000), Exposure(), "usual")
    return path


def shortened(make: Callable[[Path], Path], share: float) -> Callable[[Path], Path]:
    def shorten(folder: Path) -> Path:
        path = make(folder)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        return path

    return shorten


def raster(suffix: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / f"bad.{suffix}"
        noise = np.random.default_rng(0).integers(0, 4096, (32, 32)).astype(np.uint16)
        cv2.imwrite(str(path), noise)
        return path

    return make


def array(values: np.ndarray) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        np.save(folder / "bad.npy", values)
        return folder / "bad.npy"

    return make


def content(data: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "bad").write_bytes(data)
        return folder / "bad"

    return make


def dangling(folder: Path) -> Path:
    (folder / "bad").symlink_to(folder / "gone")
    return folder / "bad"


def huge_png(folder: Path) -> Path:
    """A valid PNG header that asks for 10^12 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 10**6, 10**6, 16, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return content(b"\x89PNG\r\n\x1a\n" + data)(folder)


NAN = np.full((32, 32), 0.5, np.float32)
NAN[3, 4] = np.nan

BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "bad", "no such file"),
    "empty": (content(b""), "empty"),
    "folder": (lambda folder: folder, "is a folder"),
    "dangling link": (dangling, "link to something that does not exist"),
    "text": (content(b"hello, world"), "unknown format"),
    "truncated in the header": (shortened(usual, 0.1), "header cannot be read|without"),
    "truncated in the pixels": (shortened(usual, 0.8), "cannot be decoded"),
    "truncated PNG": (shortened(raster("png"), 0.6), "cannot be decoded"),
    "truncated TIFF": (shortened(raster("tif"), 0.6), "cannot be decoded"),
    "truncated npy": (shortened(array(usual_image(1)), 0.6), "not a readable .npy"),
    "pickled npy": (array(np.array([{}], dtype=object)), "not a readable .npy"),
    "NaN": (array(NAN), "NaN"),
    "constant": (array(np.full((32, 32), 7, np.uint16)), "same value 7"),
    "complex": (array(np.ones((32, 32), np.complex64)), "complex64"),
    "line": (array(np.arange(32.0)), r"shape \[32\]"),
    "no frames": (array(np.zeros((0, 32, 32))), "shape"),
    "wrong modality": (changed(Modality="CT"), "modality CT, expected MG"),
    "wrong size": (array(np.ones((32, 33), np.uint16)), "columns 33, expected 32"),
    "wrong depth": (changed(BitsStored=12, HighBit=11), "bits stored 12, expected 14"),
    "beyond the stored bits": (array(usual_image(1) + np.uint16(2**15)), "14 bit"),
    "colour": (array(np.zeros((1, 32, 32, 3), np.uint8)), "samples per pixel 3, expected 1"),
    "impossible depth": (changed(BitsStored=0), "BitsStored 0"),
    "larger than memory": (changed(Rows=65535, Columns=65535), "65535"),
    "huge PNG": (huge_png, "larger than 134217728 pixels"),
    "no image": (changed(Rows=None), "without Rows"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_in_words_and_the_others_are_scored(
    case: str, tmp_path: Path, dicom_bundle: Path
) -> None:
    make, words = BAD[case]
    good = tmp_path / "good.npy"
    np.save(good, usual_image(2000))
    (tmp_path / "work").mkdir()
    lines = run("score", dicom_bundle, make(tmp_path / "work"), good, "--json", expect=11).splitlines()
    bad, scored = (json.loads(line) for line in lines)
    assert bad["outcome"] == "refused"
    assert re.search(words, bad["reasons"][0]), bad["reasons"]
    assert scored["outcome"] != "refused"
    for record in (bad, scored):
        jsonschema.validate(record, json_schema())


def test_each_frame_has_its_own_verdict(tmp_path: Path, dicom_bundle: Path) -> None:
    frames = np.stack([usual_image(3000), np.full((32, 32), 9, np.uint16), usual_image(3001)])
    np.save(tmp_path / "frames.npy", frames)
    verdicts = list(Runtime.open(dicom_bundle).score_file(tmp_path / "frames.npy"))
    assert [verdict.frame for verdict in verdicts] == [1, 2, 3]
    assert [verdict.outcome == "refused" for verdict in verdicts] == [False, True, False]


def test_an_unforeseen_error_refuses_one_frame_and_loses_no_other(
    tmp_path: Path, dicom_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime.open(dicom_bundle)
    calls = []

    def fails_once(image: np.ndarray, explain: bool) -> dict[str, np.ndarray]:
        calls.append(image)
        if len(calls) == 1:
            raise RuntimeError("device lost")
        return original(image, explain)

    original = runtime.bundle.run
    monkeypatch.setattr(type(runtime.bundle), "run", lambda self, image, explain: fails_once(image, explain))
    np.save(tmp_path / "two.npy", np.stack([usual_image(1), usual_image(2)]))
    first, second = runtime.score_file(tmp_path / "two.npy")
    assert first.outcome == "refused"
    assert "device lost" in first.reasons[0]
    assert second.outcome != "refused"


def test_an_array_is_scored_or_refused_like_a_file(dicom_bundle: Path) -> None:
    runtime = Runtime.open(dicom_bundle)
    assert runtime.score(usual_image(5)).results
    refused = runtime.score(np.zeros((3, 3, 3, 3)))
    assert refused.outcome == "refused"
    assert "shape" in refused.reasons[0]
