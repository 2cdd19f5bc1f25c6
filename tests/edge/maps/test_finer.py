"""Maps between the cells: shifted runs, interleaved; and values for every pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator
from torch import Tensor, nn

from fisherlens.edge import Runtime
from fisherlens.edge.bundle import Bundle, open_bundle
from fisherlens.edge.bundle.manifest import Input, Measurand
from fisherlens.edge.maps.finer import finer_map, finest
from fisherlens.edge.maps.picture import map_picture, upsampled
from fisherlens.edge.preprocess import preprocess
from fisherlens.edge.reading import Frame
from fisherlens.export.calibration.targets import Targets
from fisherlens.export.checks.judgement import Procedure
from fisherlens.export.heads import Gaussian
from fisherlens.export.network.source import from_modules
from fisherlens.export.pipeline import Request, export

from ...bundles import run, usual_image

SIDE = 40


class Energy(nn.Module):
    """Mean square of the image, of unit variance: the derivative in a pixel is in proportion to the pixel,
    so that every map of it is known."""

    def __init__(self) -> None:
        super().__init__()
        self.scaled = nn.Conv2d(1, 1, 1, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        mean = (self.scaled(image) ** 2).mean(dim=(1, 2, 3))[:, None]
        return torch.cat([mean, torch.zeros_like(mean)], dim=1)


@dataclass(frozen=True)
class Case:
    """Where the field lies in the frame, and how many of its pixels a cell is wide."""

    given: Input
    map_bytes: int
    spacing: int


CASES = {
    "coded compactly": Case(Input(crop=(32, 32)), 64, 4),
    "downsampled": Case(Input(crop=(32, 32), resize=(16, 16)), 2048, 2),
    "both": Case(Input(crop=(32, 32), resize=(16, 16)), 64, 4),
}


def frame(seed: int) -> Frame:
    rng = np.random.default_rng(seed)
    pixels = cv2.GaussianBlur(rng.random((SIDE, SIDE), dtype=np.float32), (0, 0), 1.5)
    return Frame.of(pixels - pixels.min() + np.float32(0.1))


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Bundle]:
    case = CASES[request.param]
    path = tmp_path_factory.mktemp("finer") / "energy.onnx"
    frames = [frame(seed) for seed in range(220)]
    images: list[Callable[[], np.ndarray]] = [lambda f=f: preprocess(f, case.given) for f in frames]  # type: ignore[misc]
    values = np.array([[np.mean(image() ** 2)] for image in images])
    wanted = Request(
        name="energy",
        version="1",
        head=Gaussian(),
        input=case.given,
        procedure=Procedure(("fisher_trace",)),
        map_kind="gradient",
        map_bytes=case.map_bytes,
    )
    networks = from_modules([Energy().eval()], images[0]().shape, "energy")
    export(networks, images, Targets((Measurand(name="energy", unit="1"),), values), wanted, path)
    return case, open_bundle(path)


def test_one_phase_is_the_bundles_own_map(case: tuple[Case, Bundle]) -> None:
    _, bundle = case
    (result,) = [Runtime(bundle).score(frame(7), explain="always").map]
    assert result is not None
    expected = result.low + map_picture(result) / 255.0 * (result.high - result.low)
    np.testing.assert_allclose(finer_map(bundle, frame(7), 1), expected, rtol=1e-6)


def test_all_phases_give_the_map_of_a_window_round_every_pixel(case: tuple[Case, Bundle]) -> None:
    """The map of a cell is the root mean square derivative over it: here of the pixels themselves, averaged
    as the field is downsampled, over a window that is centred between two pixels."""
    known, bundle = case
    assert finest(bundle, frame(7).header) == known.spacing
    fine = finer_map(bundle, frame(7), known.spacing)
    assert fine.shape == (32, 32)
    given = known.given.resize or (32, 32)
    shrink = 32 // given[0]
    squares = np.asarray(frame(7).pixels, dtype=np.float64)
    expected = np.empty((32, 32))
    for row in range(32):
        for column in range(32):
            phase = [round(at % known.spacing + 0.5 - known.spacing / 2) for at in (row, column)]
            top, left = (
                4 + at // known.spacing * known.spacing + p for at, p in zip((row, column), phase, strict=True)
            )
            window = squares[top : top + known.spacing, left : left + known.spacing]
            cells = window.reshape(known.spacing // shrink, shrink, -1, shrink).mean(axis=(1, 3))
            expected[row, column] = np.sqrt(np.mean(cells**2))
    ratio = fine / expected
    np.testing.assert_allclose(ratio, np.median(ratio), rtol=0.02)


def test_too_many_phases_are_refused(case: tuple[Case, Bundle]) -> None:
    known, bundle = case
    for phases in (0, known.spacing + 1):
        with pytest.raises(ValueError, match=f"expected 1 to {known.spacing}"):
            finer_map(bundle, frame(7), phases)


def test_upsampling_interpolates_between_the_cells_centres(case: tuple[Case, Bundle]) -> None:
    _, bundle = case
    result = Runtime(bundle).score(frame(7), explain="always").map
    assert result is not None
    height, width = bundle.image_shape[2:]
    values = result.low + map_picture(result) / 255.0 * (result.high - result.low)
    centres = (np.arange(result.rows) + 0.5) * result.cell
    pixels = np.clip(np.arange(height) + 0.5, centres[0], centres[-1])
    expected = RegularGridInterpolator((centres, centres), values)(
        np.stack(np.meshgrid(pixels, pixels, indexing="ij"), 2)
    )
    np.testing.assert_allclose(upsampled(result, (height, width)), expected, rtol=1e-5)


def test_score_writes_finer_maps_and_values(ensemble_bundle: Path, tmp_path: Path) -> None:
    image = tmp_path / "usual.png"
    cv2.imwrite(str(image), usual_image(5000))
    maps = tmp_path / "maps"
    runtime = Runtime.open(ensemble_bundle)
    accepted = runtime.score(usual_image(5000)).outcome == "accepted"
    always = ("--explain", "always", "--map-dir", maps)
    run("score", ensemble_bundle, image, *always, "--map-values", expect=0 if accepted else 10)
    assert np.load(maps / "usual.png.map.npy").shape == (32, 32)
    too_many = runtime.bundle.manifest.map.cell + 1
    assert "no finer map" in run("score", ensemble_bundle, image, *always, "--map-phases", too_many, expect=1)
