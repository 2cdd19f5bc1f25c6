"""`fisherlens export` of real collections: mixed images, and what the bundle then accepts, on the whole way."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForProcessing, ExplicitVRLittleEndian, generate_uid

from fisherlens.edge.bundle import open_bundle
from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.commands.main import main
from fisherlens.export import command
from fisherlens.export.calibration import images as calibration_images

from ..bundles import run

COUNT = 40
FEW = ("--alpha", "0.2", "--coverage", "0.8", "--check", "fisher_trace")
"""What so few images can promise."""
SIZES = ((16, 16), (32, 48), (64, 16))
"""All whole multiples of 16: averaging over areas keeps their mean."""


def meant(seed: int, size: tuple[int, ...] = (16, 16), bits: int = 12) -> np.ndarray:
    """An image where 0 is black."""
    rng = np.random.default_rng(seed)
    return (rng.uniform(0.1, 0.8) * (2**bits - 1) * rng.uniform(0.5, 1.0, size)).astype(np.uint16)


def write_dicom(path: Path, pixels: np.ndarray, photometric: str = "MONOCHROME2", bits: int = 12, **more: Any) -> Path:
    """Write an image that means these pixels: MONOCHROME1 is stored turned round."""
    stored = (2**bits - 1 - pixels if photometric == "MONOCHROME1" else pixels).astype("u1" if bits == 8 else "<u2")
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = DigitalXRayImageStorageForProcessing, generate_uid()
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = stored.itemsize * 8, bits, bits - 1
    dataset.PixelRepresentation, dataset.PhotometricInterpretation = 0, photometric
    dataset.Modality, dataset.PresentationIntentType, dataset.PixelIntensityRelationship = "DX", "FOR PROCESSING", "LIN"
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = stored.tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def collect(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of COUNT images, and the targets beside it: write(path without suffix, number) -> path."""

    def make(write: Callable[[Path, int], Path], count: int = COUNT) -> Path:
        folder = tmp_path / "collection"
        folder.mkdir()
        names = [write(folder / f"{number:03}", number).name for number in range(count)]
        lines = [f"{name},{np.random.default_rng(number).normal()}" for number, name in enumerate(names)]
        (tmp_path / "targets.csv").write_text("file,brightness\n" + "\n".join(lines) + "\n")
        return folder

    return make


def exported(folder: Path, *options: object, network: str = "brightness") -> tuple[Path, str]:
    """A bundle of the folder, and what the command printed."""
    bundle = folder.parent / "bundle.onnx"
    said = run(
        "export", f"tests.networks:{network}", "--head", "gaussian", "--images", folder, "-o", bundle,
        "--targets", folder.parent / "targets.csv", *FEW, *options,
    )  # fmt: skip
    return bundle, said


def refused(folder: Path, *options: object, code: int = 1) -> str:
    """What the command says of a folder that it does not take."""
    output = folder.parent / "bundle.onnx"
    said = run(
        "export", "tests.networks:brightness", "--head", "gaussian", "--images", folder, "-o", output, *options,
        expect=code,
    )  # fmt: skip
    assert not output.exists()
    return " ".join(said.split())


def row(said: str, name: str) -> str:
    """The line that the command prints of an attribute, behind its name, words apart by one blank."""
    (line,) = (line for line in said.splitlines() if line.startswith(f"  {name} "))
    return " ".join(line.split()).removeprefix(f"{name} ")


def scored(bundle: Path, *paths: Path) -> list[dict[str, Any]]:
    """Verdicts in the order of the paths, without what tells the files apart."""
    lines = CliRunner().invoke(main, ["score", str(bundle), *map(str, paths), "--json"]).output.splitlines()
    records = [json.loads(line) for line in lines]
    return [{key: record[key] for key in ("outcome", "reasons", "results", "checks")} for record in records]


def value(verdict: dict[str, Any]) -> float:
    (result,) = verdict["results"]
    return result["value"]


def accepted_by(bundle: Path) -> Input:
    return open_bundle(bundle).manifest.input


def mixed(path: Path, number: int) -> Path:
    """DICOM of three sizes and both ends white, in turn."""
    kind = ("MONOCHROME1", "MONOCHROME2")[number % 2]
    spacing = [0.1 + 0.01 * number] * 2
    return write_dicom(
        path.with_suffix(".dcm"), meant(number, SIZES[number % 3]), kind, ImagerPixelSpacing=spacing
    )  # fmt: skip


def test_a_mixed_collection_gives_a_bundle_that_measures_all_of_it_by_what_the_pixels_mean(
    collect: Callable[..., Path], tmp_path: Path
) -> None:
    folder = collect(mixed)
    bundle, said = exported(folder, "--resize", 16, 16)
    assert accepted_by(bundle) == Input(
        modality="DX", bits_stored=12, photometric_interpretation="MONOCHROME2", resize=(16, 16), scale=1 / 4095,
        presentation_intent_type="FOR PROCESSING", pixel_intensity_relationship="LIN",
    )  # fmt: skip
    assert row(said, "modality") == "DX all 40 images"
    assert row(said, "size") == "not demanded mixed: 16 x 16 in 14, 32 x 48 in 13, 64 x 16 in 13"
    assert row(said, "pixel spacing") == "not demanded 0.1 to 0.49 mm in 40"
    assert "MONOCHROME1 in 20, MONOCHROME2 in 20; 20 are turned round" in row(said, "photometric interpretation")
    for number in range(12):
        pixels = meant(number, SIZES[number % 3])
        versions = [
            write_dicom(tmp_path / f"{kind}.dcm", pixels, kind) for kind in ("MONOCHROME1", "MONOCHROME2")
        ]  # fmt: skip
        white, black = scored(bundle, *versions)
        assert white == black
        assert value(black) == pytest.approx(2 * pixels.mean() / 4095 + 0.5, rel=1e-5)


def test_a_bundle_of_monochrome1_turns_the_other_kind_round(collect: Callable[..., Path], tmp_path: Path) -> None:
    bundle, _ = exported(
        collect(lambda path, number: write_dicom(path.with_suffix(".dcm"), meant(number), "MONOCHROME1"))
    )
    assert accepted_by(bundle).photometric_interpretation == "MONOCHROME1"
    paths = [write_dicom(tmp_path / f"{kind}.dcm", meant(3), kind) for kind in ("MONOCHROME1", "MONOCHROME2")]
    white, black = scored(bundle, *paths)
    assert white == black
    assert value(white) == pytest.approx(2 * (4095 - meant(3)).mean() / 4095 + 0.5, rel=1e-5)


def write_png(path: Path, number: int) -> Path:
    path = path.with_suffix(".png")
    cv2.imwrite(str(path), meant(number, bits=16))
    return path


def test_a_bundle_of_png_turns_monochrome1_round(collect: Callable[..., Path], tmp_path: Path) -> None:
    folder = collect(write_png)
    bundle, _ = exported(folder)
    expected = accepted_by(bundle)
    assert (expected.photometric_interpretation, expected.bits_stored, expected.rows) == ("MONOCHROME2", 16, 16)
    for number in range(4):
        pixels = meant(number, bits=16)
        versions = [
            write_dicom(tmp_path / f"{kind}.dcm", pixels, kind, bits=16) for kind in ("MONOCHROME1", "MONOCHROME2")
        ]
        white, black, png = scored(bundle, *versions, folder / f"{number:03}.png")
        assert white == black == png
        assert value(png) == pytest.approx(2 * pixels.mean() / 65535 + 0.5, rel=1e-5)


def test_what_images_were_made_for_is_demanded_where_all_state_the_same(
    collect: Callable[..., Path], tmp_path: Path
) -> None:
    bundle, _ = exported(collect(lambda path, number: write_dicom(path.with_suffix(".dcm"), meant(number))))
    others = [
        write_dicom(tmp_path / "shown.dcm", meant(1), PresentationIntentType="FOR PRESENTATION"),
        write_dicom(tmp_path / "log.dcm", meant(1), PixelIntensityRelationship="LOG"),
        write_dicom(tmp_path / "same.dcm", meant(1)),
    ]
    shown, log, same = scored(bundle, *others)
    assert (shown["outcome"], log["outcome"]) == ("refused", "refused")
    assert "presentation intent type FOR PRESENTATION, expected FOR PROCESSING" in shown["reasons"][0]
    assert "pixel intensity relationship LOG, expected LIN" in log["reasons"][0]
    assert same["outcome"] != "refused"


def test_formats_may_be_mixed_and_what_some_do_not_state_is_not_demanded(collect: Callable[..., Path]) -> None:
    def write(path: Path, number: int) -> Path:
        if number % 3 == 0:
            return write_png(path, number)
        if number % 3 == 1:
            np.save(path.with_suffix(".npy"), meant(number, bits=16))
            return path.with_suffix(".npy")
        return write_dicom(path.with_suffix(".dcm"), meant(number, bits=16), bits=16)

    bundle, said = exported(collect(write))
    assert accepted_by(bundle) == Input(
        rows=16, columns=16, bits_stored=16, photometric_interpretation="MONOCHROME2", scale=1 / 65535
    )
    assert row(said, "modality") == "not demanded mixed: not stated in 27, DX in 13"


def test_options_say_what_is_demanded_and_stand_in_the_manifest(collect: Callable[..., Path], tmp_path: Path) -> None:
    bundle, said = exported(
        collect(mixed), "--crop", 16, 16, "--modality", "dx", "--pixel-spacing", 0.05, 0.5, "--photometric",
        "monochrome1", "--bits", 12, "--presentation-intent", "any", "--pixel-intensity-relationship", "LIN",
    )  # fmt: skip
    described = json.loads(run("inspect", bundle, "--json"))["manifest"]["input"]
    assert {key: value for key, value in described.items() if value is not None} == {
        "modality": "DX", "pixel_spacing": [0.05, 0.5], "photometric_interpretation": "MONOCHROME1",
        "bits_stored": 12, "pixel_intensity_relationship": "LIN", "crop": [16, 16], "samples_per_pixel": 1,
        "offset": 0.0, "scale": 1 / 4095,
    }  # fmt: skip
    assert row(said, "pixel spacing") == "0.05 to 0.5 mm option; 0.1 to 0.49 mm in 40"
    assert row(said, "presentation intent type") == "not demanded option; FOR PROCESSING in all 40 images"
    other = write_dicom(
        tmp_path / "other.dcm", meant(1, (20, 30)), PresentationIntentType="FOR PRESENTATION",
        ImagerPixelSpacing=[0.2, 0.2],
    )  # fmt: skip
    wide = write_dicom(tmp_path / "wide.dcm", meant(1, (20, 30)), ImagerPixelSpacing=[0.6, 0.6])
    verdict, too_wide = scored(bundle, other, wide)
    assert value(verdict) == pytest.approx(2 * (4095 - meant(1, (20, 30))[2:18, 7:23]).mean() / 4095 + 0.5, rel=1e-5)
    assert too_wide["reasons"] == ["pixel spacing 0.6 mm, expected 0.05 to 0.5 mm"]


def test_a_bundle_may_demand_nothing_that_its_images_have_in_common(collect: Callable[..., Path]) -> None:
    bundle, _ = exported(
        collect(lambda path, number: write_dicom(path.with_suffix(".dcm"), meant(number))), "--resize", 16, 16,
        "--any-size", "--modality", "any", "--bits", "any", "--presentation-intent", "any",
        "--pixel-intensity-relationship", "ANY",
    )  # fmt: skip
    assert accepted_by(bundle) == Input(photometric_interpretation="MONOCHROME2", resize=(16, 16), scale=1 / 4095)


def test_a_bundle_of_colour_images_says_so(collect: Callable[..., Path], tmp_path: Path) -> None:
    def write(path: Path, number: int) -> Path:
        path = path.with_suffix(".png")
        cv2.imwrite(str(path), meant(number, (16, 16, 3), bits=8)[..., ::-1].astype(np.uint8))
        return path

    folder = collect(write)
    bundle, _ = exported(folder, network="colour")
    expected = accepted_by(bundle)
    assert (expected.photometric_interpretation, expected.samples_per_pixel, expected.bits_stored) == ("RGB", 3, 8)
    pixels = meant(2, (16, 16, 3), bits=8)
    grey = write_dicom(tmp_path / "grey.dcm", pixels[..., 0], bits=8)
    rgb = write_dicom(tmp_path / "rgb.dcm", pixels, "RGB", bits=8)
    png, dicom, refusal = scored(bundle, folder / "002.png", rgb, grey)
    assert png == dicom
    red, green, blue = pixels.mean(axis=(0, 1)) / 255
    assert value(png) == pytest.approx(2 * (red + 2 * green + 4 * blue) + 0.5, rel=1e-5)
    assert "samples per pixel 1, expected 3" in refusal["reasons"][0]


def of_bits(path: Path, number: int) -> Path:
    bits = (12, 14)[number % 2]
    return write_dicom(path.with_suffix(".dcm"), meant(number, bits=bits), bits=bits)


def test_images_of_several_bits_need_a_scale(collect: Callable[..., Path], tmp_path: Path) -> None:
    folder = collect(of_bits)
    said = refused(folder)
    assert f"12 bit in 20 ({folder / '000.dcm'}), 14 bit in 20 ({folder / '001.dcm'})" in said
    assert "--scale" in said
    assert "--bits" in said
    bundle, said = exported(folder, "--scale", 0.001)
    assert accepted_by(bundle).bits_stored is None
    assert row(said, "bits stored") == "not demanded mixed: 12 bit in 20, 14 bit in 20"
    for number in range(2):
        pixels = meant(number, bits=(12, 14)[number])
        turned = write_dicom(tmp_path / "turned.dcm", pixels, "MONOCHROME1", (12, 14)[number])
        ours, theirs = scored(bundle, folder / f"{number:03}.dcm", turned)
        assert ours == theirs
        assert value(ours) == pytest.approx(2 * pixels.mean() * 0.001 + 0.5, rel=1e-5)


def test_images_of_several_sizes_need_resize_or_crop(collect: Callable[..., Path]) -> None:
    folder = collect(mixed, 6)
    said = refused(folder)
    assert f"16 x 16 in 2 ({folder / '000.dcm'}), 32 x 48 in 2 ({folder / '001.dcm'})" in said
    assert "--resize" in said
    assert "--crop" in said
    said = refused(folder, "--crop", 20, 16)
    assert f"{folder / '000.dcm'}: 16 x 16 pixels, expected at least 20 x 16" in said
    assert "2 of 6 images do not fit" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--modality", "MG"), "000.dcm: modality DX, expected MG (6 of 6 images do not fit)"),
        (("--bits", "14"), "000.dcm: bits stored 12, expected 14"),
        (("--presentation-intent", "FOR PRESENTATION"), "FOR PROCESSING, expected FOR PRESENTATION"),
        (("--pixel-intensity-relationship", "LOG"), "pixel intensity relationship LIN, expected LOG"),
        (("--pixel-spacing", "0.11", "0.14"), "000.dcm: pixel spacing 0.1 mm, expected 0.11 to 0.14 mm (2 of 6"),
        (("--photometric", "RGB"), "--photometric RGB with images of samples per pixel 1, expected 3"),
    ],
)
def test_images_that_are_not_what_an_option_demands_are_named(
    collect: Callable[..., Path], options: tuple[str, ...], words: str
) -> None:
    assert words in refused(collect(mixed, 6), "--resize", 16, 16, *options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--pixel-spacing", "0.2", "0.1"), "0.2 to 0.1 mm, expected LOW above 0 and HIGH not below LOW"),
        (("--pixel-spacing", "0", "0.1"), "expected LOW above 0"),
        (("--pixel-spacing", "0.1", "inf"), "0.1 to inf mm, expected"),
        (("--pixel-spacing", "nan", "1"), "nan to 1 mm, expected"),
        (("--bits", "0"), "'0', expected 1 to 32, or any"),
        (("--bits", "33"), "'33', expected 1 to 32, or any"),
        (("--bits", "twelve"), "'twelve', expected 1 to 32, or any"),
        (("--photometric", "YBR_FULL"), "'YBR_FULL' is not one of"),
        (("--modality", "MG-1"), "'MG-1', expected a DICOM code"),
        (("--modality", ""), "'', expected a DICOM code"),
        (("--presentation-intent", "FOR-PROCESSING"), "'FOR-PROCESSING', expected a DICOM code"),
        (("--pixel-intensity-relationship", "LINEARANDSOMEMORE"), "expected a DICOM code of up to 16"),
    ],
)
def test_wrong_options_are_said_in_words(collect: Callable[..., Path], options: tuple[str, ...], words: str) -> None:
    assert words in refused(collect(mixed, 1), *options, code=2)


def test_any_size_needs_a_size_for_the_network(collect: Callable[..., Path]) -> None:
    assert "Give --resize ROWS COLUMNS" in refused(collect(mixed, 1), "--any-size")


def test_grey_and_colour_in_one_collection_are_named(collect: Callable[..., Path]) -> None:
    def write(path: Path, number: int) -> Path:
        np.save(path.with_suffix(".npy"), meant(number, (16, 16, 3) if number == 2 else (16, 16))[None])
        return path.with_suffix(".npy")

    folder = collect(write, 4)
    said = refused(folder)
    assert f"1 in 3 ({folder / '000.npy'}), 3 in 1 ({folder / '002.npy'})" in said
    assert "all grey or all colour" in said


def test_an_image_without_a_spacing_is_refused_where_one_is_demanded(collect: Callable[..., Path]) -> None:
    folder = collect(lambda path, number: write_dicom(path.with_suffix(".dcm"), meant(number)), 3)
    said = refused(folder, "--pixel-spacing", 0.1, 0.2)
    assert f"{folder / '000.dcm'}: pixel spacing unknown" in said


def test_a_file_of_several_frames_is_refused_with_the_reason(collect: Callable[..., Path]) -> None:
    folder = collect(mixed, 3)
    pixels = np.stack([meant(1), meant(2)])
    np.save(folder / "stack.npy", pixels)
    said = refused(folder)
    assert f"{folder / 'stack.npy'}: 2 frames, expected one: frames of one file resemble each other" in said


def write_npy(path: Path, number: int) -> Path:
    np.save(path.with_suffix(".npy"), meant(number))
    return path.with_suffix(".npy")


def test_arrays_are_taken_to_be_black_at_zero_and_that_is_said(collect: Callable[..., Path]) -> None:
    said = run(
        "export", "nowhere.onnx", "--head", "gaussian", "--images", collect(write_npy, 3), "-o", "x.onnx", expect=1
    )
    assert row(said, "photometric interpretation") == (
        "MONOCHROME2 no image states it; taken, where --photometric says no other"
    )


def at_a_terminal(folder: Path, answer: bytes) -> str:
    """What the command prints at a terminal where somebody answers; the network is none, so that it ends soon."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "fisherlens.edge.commands.main", "export", "nowhere.onnx", "--head", "gaussian",
         "--images", folder, "-o", folder.parent / "x.onnx"],
        stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    os.write(ours, answer)
    said, _ = process.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    return said


def test_what_arrays_mean_is_asked_at_a_terminal(collect: Callable[..., Path]) -> None:
    folder = collect(write_npy, 3)
    said = at_a_terminal(folder, b"RGB2\nmonochrome1\n")
    assert "No image says what its numbers mean" in said
    assert "'RGB2' is not one of" in said
    assert row(said, "photometric interpretation") == "MONOCHROME1 as told; no image states it"
    assert row(at_a_terminal(folder, b"\n"), "photometric interpretation").startswith("MONOCHROME2 as told")


def test_nothing_is_asked_at_a_terminal_where_images_say_it(collect: Callable[..., Path]) -> None:
    said = at_a_terminal(collect(lambda path, number: write_dicom(path.with_suffix(".dcm"), meant(number)), 2), b"")
    assert "No image says" not in said
    assert "nowhere.onnx: no such file" in said


def test_a_header_is_read_once_and_progress_is_shown_where_that_takes_long(
    collect: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, opened = collect(mixed, 6), []

    def counting(path: Path) -> Any:
        opened.append(path)
        return open_image(path)

    open_image = calibration_images.open_image
    monkeypatch.setattr(calibration_images, "open_image", counting)
    assert "read headers" not in refused(folder)
    assert sorted(opened) == sorted(folder.iterdir())
    monkeypatch.setattr(command, "_SHOWN_AFTER", 0.0)
    assert "read headers" in refused(folder)
