"""What changes between two sets of records, against closed forms."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from scipy.stats import beta

from fisherlens.deploy.rollout.dataset import Identity, occupied, write_part
from fisherlens.deploy.rollout.differences import Comparer
from fisherlens.deploy.rollout.errors import RolloutRefused
from fisherlens.deploy.rollout.records import Acquired
from fisherlens.edge.verdict import BundleReference, CheckResult, CompactMap, Result, Verdict

from ...bundles import run

U = 0.2
IMAGES = 40


def verdict(number: int, bundle: str, value: float, p_value: float) -> Verdict:
    """Flagged where the p-value is at most 5 %, with a map then."""
    flagged = p_value <= 0.05
    result = Result(
        name="a", unit="mm", value=value, u_aleatoric=0.0, u_epistemic=0.0, u_input=0.0, u=U / 2, coverage_factor=2.0,
        coverage_probability=0.95, U=U, low=value - U, high=value + U, text="",
    )  # fmt: skip
    compact = CompactMap(
        kind="fisher", quantity="", cell=1, rows=2, columns=2, low=0, high=1, codes=bytes([0, 80, 160, 255])
    )
    return Verdict(
        schema=3, outcome="flagged" if flagged else "accepted", reasons=["unusual"] if flagged else [],
        source=f"1.2.{number}", frame=1, input_digest=f"sha256:{number:064x}",
        bundle=BundleReference(name=bundle, version="1", digest=bundle), software="",
        created="2026-01-01T00:00:00+00:00",
        results=[result], result_images=[], probabilities=[], entropy=None, mutual_information=None, class_image=None,
        checks=[CheckResult(name="c", statistic=1.0, p_value=p_value, alpha=0.05, flagged=flagged)],
        map=compact if flagged else None,
    )  # fmt: skip


def written(folder: Path, bundle: str, values: np.ndarray, p_values: np.ndarray) -> Path:
    identity = Identity(bundle=BundleReference(name=bundle, version="1", digest=bundle), software="s", alpha=0.05)
    rows = [
        (
            verdict(number, bundle, float(value), float(p)),
            Acquired(location=f"/{number}", acquired=datetime(2026, 1 + number % 3, 1), device=f"device {number % 2}"),
        )
        for number, (value, p) in enumerate(zip(values, p_values, strict=True))
    ]
    with occupied(folder, identity):
        write_part(folder, "part-0", [[row] for row in rows])
    return folder


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path, np.ndarray, np.ndarray]:
    """Two sets with their shifts and second p-values. B has one image more."""
    rng = np.random.default_rng(0)
    values, shifts = rng.normal(1.0, 0.1, IMAGES), rng.normal(0.05, 0.1, IMAGES)
    p_a, p_b = np.linspace(0.01, 1.0, IMAGES), rng.permutation(np.linspace(0.01, 1.0, IMAGES))
    a = written(tmp_path / "a", "old", values, p_a)
    b = written(tmp_path / "b", "new", np.append(values + shifts, 1.0), np.append(p_b, 0.5))
    return a, b, shifts, p_b


def test_shifts_and_normalised_errors_are_those_of_numpy(sides: tuple[Path, Path, np.ndarray, np.ndarray]) -> None:
    a, b, shifts, _ = sides
    found = Comparer(a, b).compare(3)
    (shift,) = found.shifts
    en = shifts / np.hypot(U, U)
    assert (found.images, found.only) == (IMAGES, (0, 1))
    assert shift.mean == pytest.approx(shifts.mean())
    assert shift.deviation == pytest.approx(shifts.std())
    assert shift.en == pytest.approx(np.quantile(np.abs(en), [0.5, 0.95, 0.99, 1.0]).tolist())
    assert shift.beyond == pytest.approx((np.abs(en) > 1).mean())
    assert sum(shift.histogram) == IMAGES
    expected, _ = np.histogram(np.clip(en, -2, 1.999), bins=20, range=(-2, 2))
    assert shift.histogram == expected.tolist()


def test_flips_alarms_and_p_values_are_counted(sides: tuple[Path, Path, np.ndarray, np.ndarray]) -> None:
    a, b, _, p_b = sides
    found = Comparer(a, b).compare(50)
    p_a = np.linspace(0.01, 1.0, IMAGES)
    flagged_a, flagged_b = p_a <= 0.05, p_b <= 0.05
    assert found.flips == int((flagged_a != flagged_b).sum()) == len(found.examples)
    assert found.outcomes["accepted"]["flagged"] == int((~flagged_a & flagged_b).sum())
    alarms = found.alarms[1]
    assert (alarms.flagged, alarms.measured) == (int(flagged_b.sum()), IMAGES)
    k, n = alarms.flagged, alarms.measured
    assert alarms.low == pytest.approx(beta(k, n - k + 1).ppf(0.025))
    assert alarms.high == pytest.approx(beta(k + 1, n - k).ppf(0.975))
    (use_a,) = (use for use in found.checks if use.side == "a")
    assert use_a.p_values == np.histogram(np.minimum(p_a, 0.9999), bins=20, range=(0, 1))[0].tolist()
    assert {(period.month, period.device) for period in found.periods} == {
        (f"2026-0{month}", f"device {device}") for month in (1, 2, 3) for device in (0, 1)
    }
    assert sum(period.images for period in found.periods) == IMAGES


def test_the_command_reports_and_its_exit_code_tells(
    sides: tuple[Path, Path, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    a, b, *_ = sides
    out = tmp_path / "report"
    said = run("compare", a, b, "--out", out, "--max-flips", "0.5", "--max-en", "5")
    assert "met" in said
    page = (out / "compare.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)[^"]*"', page)
    assert "no map was kept" in page
    assert page.count("map of") >= 1
    result = json.loads((out / "compare.json").read_text())
    assert result["limits"]["share of flips"]["met"]
    assert result["comparison"]["images"] == IMAGES
    assert "not met" in run("compare", a, b, "--out", out, "--max-flips", "0.001", expect=1)
    assert "not met" in run("compare", a, b, "--out", out, "--max-en", "0.01", expect=1)
    assert "0 verdicts flip, largest |E_n| 0" in run("compare", a, a, "--out", out, "--max-en", "0")


def test_what_cannot_be_compared_is_refused(sides: tuple[Path, Path, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    a, *_ = sides
    assert "expected a folder that rescore made" in run("compare", a, tmp_path, "--out", tmp_path / "r", expect=2)
    strange = tmp_path / "strange"
    identity = Identity(bundle=BundleReference(name="n", version="1", digest="n"), software="s", alpha=0.05)
    with occupied(strange, identity):
        pass
    with pytest.raises(RolloutRefused, match="no records yet"):
        Comparer(a, strange)
    with occupied(strange, identity):
        row = msgspec.structs.replace(verdict(0, "n", 1.0, 0.5), input_digest="sha256:" + "f" * 64)
        write_part(strange, "part-0", [[(row, Acquired(location="/"))]])
    with pytest.raises(RolloutRefused, match="no image is in both"):
        Comparer(a, strange)
