"""The evidence on detection: its measures against scikit-learn's, and a small run of the whole study."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from fisherlens.models.fashion import dataset, study, train
from fisherlens.models.fashion.attacks import ATTACKS, Attack, attacked
from fisherlens.models.fashion.detection import Auroc, detected

from ..conftest import install_alone

PACKAGES = ("pytorch-ood==0.4.0", "torchvision==0.28.0")


@pytest.fixture(scope="session")
def pytorch_ood(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The rivals' library."""
    install_alone(tmp_path_factory.mktemp("pytorch_ood"), *PACKAGES)


@pytest.fixture(scope="session")
def fashion() -> None:
    if not dataset.FOLDER.is_dir():
        pytest.skip("Debian package dataset-fashion-mnist is not installed")


def test_the_area_is_scikit_learns_and_its_interval_covers() -> None:
    """Against the closed form for two normal distributions, in 300 repetitions."""
    rng = np.random.default_rng(0)
    usual, unusual = rng.integers(0, 20, 80).astype(float), rng.integers(5, 25, 60).astype(float)
    labels = np.repeat([0, 1], [80, 60])
    assert Auroc.of(usual, unusual).value == pytest.approx(roc_auc_score(labels, np.concatenate([usual, unusual])))
    truth = norm.cdf(1 / np.sqrt(2))
    areas = [Auroc.of(rng.normal(size=80), rng.normal(1, size=60)) for _ in range(300)]
    assert np.mean([area.low <= truth <= area.high for area in areas]) > 0.9


def test_at_most_alpha_of_usual_scores_are_detected() -> None:
    rng = np.random.default_rng(0)
    rates = [detected(rng.normal(size=199), rng.normal(size=50), 0.05).value for _ in range(200)]
    assert np.mean(rates) == pytest.approx(0.05, abs=0.01)


def test_a_missing_data_set_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dataset, "FOLDER", tmp_path)
    with pytest.raises(dataset.DatasetMissing, match="apt-get install dataset-fashion-mnist"):
        dataset.evaluation()


def test_the_margin_attack_reaches_higher_confidence_than_the_plain_one() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(784, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
    )
    images = torch.rand(20, 1, 28, 28)
    classes = network(images).argmax(dim=1)
    plain, margin = (attacked(network, images, classes, ATTACKS[name]) for name in ("PGD, 0.1", "margin PGD, 0.1"))
    confidence = [float(network(found).softmax(dim=1).max(dim=1).values.mean().detach()) for found in (plain, margin)]
    assert confidence[1] > confidence[0]
    assert float((margin - images[: len(margin)]).abs().max()) <= 0.1 + 1e-6


def test_a_small_study_runs_to_its_tables_and_curves(
    fashion: None, pytorch_ood: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, classes = dataset.calibration()
    monkeypatch.setattr(dataset, "calibration", lambda: (images[:800], classes[:800]))
    monkeypatch.setattr(train, "EPOCHS", {"small": 1})
    monkeypatch.setattr(study, "BUDGETS", (0.1,))
    few = {name: ATTACKS[name] for name in ("FGSM, 0.1", "PGD, 0.1")}
    for name in [name for name in ATTACKS if name not in few]:
        monkeypatch.setitem(ATTACKS, name, Attack(ATTACKS["FGSM, 0.1"].make, 0.1))  # the others take minutes
    training, labels = dataset.training()
    for label, count in (("small", 10), ("small-left-out", 8)):
        known = labels < count
        train._once(tmp_path / f"{label}.pt", "small", training[known][:4000], labels[known][:4000], count, 0)
    arguments = ["--weights", tmp_path, "--out", tmp_path / "out", "--network", "small", "--images", 30, "--usual", 200]
    result = CliRunner().invoke(study.main, [str(a) for a in (*arguments, "--adaptive-images", 2)])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "small.json").read_text())
    assert set(found["auroc"]) == set(found["counts"]) >= {"PGD, 0.1", "inversion", "left-out classes"}
    assert found["false_alarms"]["combined, in the bundle"]["low"] <= 0.01
    page = (tmp_path / "out" / "small.md").read_text()
    assert "Fisher profile and trace, combined" in page
    assert "not flagged at 1 %" in page
    assert (tmp_path / "out" / "small.png").stat().st_size > 10_000
