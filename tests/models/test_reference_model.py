"""The shipped bundle: its claims in small; the whole study is `python -m
fisherlens.models.mammography.evaluate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fisherlens.edge import Runtime
from fisherlens.edge.bundle.golden import read_golden, worst_difference
from fisherlens.models.mammography import BUNDLE
from fisherlens.models.mammography.dicom import write_dicom
from fisherlens.models.mammography.evaluate import detected, foreign, study, unusual_fields
from fisherlens.models.mammography.population import AIR_KERMA_UGY, usual

RADIOGRAPHS = Path(__file__).parents[3] / "shared" / "data" / "radiographs"


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return Runtime.open(BUNDLE)


def test_the_bundle_is_small_and_agrees_with_its_golden_vectors(runtime: Runtime) -> None:
    assert BUNDLE.stat().st_size < 8e6
    assert worst_difference(runtime.bundle, read_golden(runtime.bundle)) < 1e-3


def test_usual_images_are_measured_as_stated(runtime: Runtime) -> None:
    """On 100 images: at most three standard errors from what holds on many."""
    count = 100
    result = study(runtime.bundle, count, stream="suite")
    alpha = runtime.bundle.manifest.alpha
    assert result.flagged.mean() <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / count)
    assert np.abs(result.covered.mean(axis=0) - 0.95).max() <= 0.02 + 3 * np.sqrt(0.95 * 0.05 / count)
    assert (np.median(np.abs(result.error), axis=0) < 0.10).all()


def test_the_usual_range_of_dose_is_fourfold() -> None:
    assert AIR_KERMA_UGY[1] / AIR_KERMA_UGY[0] == pytest.approx(4.0)


@pytest.mark.parametrize("kind", ["degraded detector", "no phantom", "adversarial perturbation"])
def test_unusual_images_are_flagged(runtime: Runtime, kind: str) -> None:
    assert detected(runtime.bundle, unusual_fields(BUNDLE)[kind], 3, kind) >= 2 / 3


def test_a_dicom_file_measures_like_the_field_it_was_made_of(runtime: Runtime, tmp_path: Path) -> None:
    taken = usual(0, "suite-dicom")
    write_dicom(tmp_path / "usual.dcm", taken.image(), taken.exposure, "usual", taken.detector.pixel_spacing)
    (verdict,) = runtime.score_file(tmp_path / "usual.dcm", explain="always")
    values = np.array([result.value for result in verdict.results])
    assert (np.abs(values / taken.thresholds - 1) < 0.25).all()
    assert verdict.map is not None
    assert (verdict.map.rows * verdict.map.cell, verdict.map.columns * verdict.map.cell) >= (1024, 1024)
    assert len(verdict.map.codes) == verdict.map.rows * verdict.map.columns <= 2048


def test_less_dose_needs_thicker_gold(runtime: Runtime) -> None:
    taken = usual(1, "suite-dose")
    curves = []
    for dose in AIR_KERMA_UGY:
        image = replace(usual(1, "suite-dose"), exposure=replace(taken.exposure, air_kerma=dose)).image()
        curves.append([result.value for result in runtime.score(image).results])
    assert (np.array(curves[0]) > 1.5 * np.array(curves[1])).all()


@pytest.mark.skipif(not RADIOGRAPHS.is_dir(), reason="the radiographs are not beside the repository")
def test_real_radiographs_are_refused_and_flagged_where_only_their_header_fits(runtime: Runtime) -> None:
    outcomes = list(foreign(runtime, RADIOGRAPHS))
    assert len(outcomes) == 6
    for name, outcome in outcomes:
        expected = "flagged fisher_" if name.endswith("disguised") else "refused modality CR, expected MG"
        assert outcome.startswith(expected), (name, outcome)
