"""The shipped form bundle: its claims in small; the whole study is `python -m fisherlens.models.form.evaluate`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from fisherlens.edge.bundle import Bundle, open_bundle
from fisherlens.edge.bundle.golden import read_golden, worst_difference
from fisherlens.models.form import BUNDLE
from fisherlens.models.form.cases import CASES
from fisherlens.models.form.evaluate import study
from fisherlens.models.form.linear import REGULARISATION, LinearInverse

from ..bundles import run


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(BUNDLE)


def test_the_bundle_agrees_with_its_golden_vectors(bundle: Bundle) -> None:
    assert worst_difference(bundle, read_golden(bundle)) < bundle.manifest.parity.tolerance


def test_usual_measurements_are_evaluated_better_than_by_the_linear_inverse(bundle: Bundle) -> None:
    """On 60: what holds on many, within three standard errors."""
    count = 60
    found = study(bundle, LinearInverse(REGULARISATION), CASES["usual"], count, "usual")
    assert np.median(found.network) < 0.7 * np.median(found.linear)
    assert found.covered.mean() == pytest.approx(0.95, abs=3 * found.covered.std() / np.sqrt(count))
    assert found.flagged.mean() <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / count)


def test_measurements_of_another_kind_are_flagged(bundle: Bundle) -> None:
    inverse = LinearInverse(REGULARISATION)
    for name in ("instrument out of calibration, 1 µm", "surface: low orders, 8 to 15 um"):
        assert study(bundle, inverse, CASES[name], 4, name).flagged.mean() >= 0.75
    for name in ("misaligned, five times", "surface: turning marks"):
        assert study(bundle, inverse, CASES[name], 12, name).flagged.mean() >= 0.5


def test_the_demo_scores_usual_and_unusual_measurements(tmp_path: Path) -> None:
    said = run("demo", "form", "--output", tmp_path)
    assert "0 refused" in said
    page = (tmp_path / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page)  # self-contained
    assert page.count("<img") == 9
    assert len(list((tmp_path / "measurements").iterdir())) == 9
