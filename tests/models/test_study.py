"""The study of all networks: its measures against other libraries', and the whole of it on a tiny network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from fisherlens.edge.bundle.manifest import Input
from fisherlens.export.calibration.images import FITTING
from fisherlens.export.heads import Softmax
from fisherlens.models.study import alterations, bundles
from fisherlens.models.study.__main__ import main
from fisherlens.models.study.attacks import fgsm, minimal_step
from fisherlens.models.study.classification import Classification, Ensemble
from fisherlens.models.study.detection import Auroc, detected
from fisherlens.models.study.report import front
from fisherlens.models.study.rivals import RIVALS
from fisherlens.models.study.sets import COUNTED, Numbers
from fisherlens.models.study.study import study
from fisherlens.models.study.subject import Part, Sets, Subject
from fisherlens.models.study.subjects import SUBJECTS


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny networks are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def tiny(seed: int, images: Tensor) -> nn.Sequential:
    """A random network that gives each of two classes to half of the images."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2),
    ).eval()  # fmt: skip
    with torch.no_grad():
        network[-1].bias -= network(images).median(dim=0).values
    return network


def tiny_subject() -> Subject:
    torch.manual_seed(0)
    images = torch.rand(280, 1, 10, 10) * torch.rand(280, 1, 1, 1)
    members = [tiny(seed, images) for seed in range(2)]
    classes = Ensemble(members)(images).argmax(dim=1)
    return Subject(
        name="tiny",
        title="a tiny network",
        members=members,
        task=Classification(("dark", "bright")),
        head=Softmax(),
        input=Input(rows=10, columns=10),
        calibration=Part(images[:220], classes[:220]),
        evaluation=Part(images[220:], classes[220:]),
        reported=Sets(
            {"FGSM, 0.2": fgsm(0.2), "minimal step": minimal_step((0.05, 0.4), 3)},
            {"noise": lambda images: alterations.noisy(images, 0.3), "inversion": lambda images: 1 - images},
        ),
        choosing=Sets({"FGSM, 0.3": fgsm(0.3)}, {"zoom": lambda images: alterations.zoomed(images, 2.0)}),
    )


def many_classes() -> Subject:
    """The tiny subject with 60 classes, each of what is like one image: some have fitted no image, and are a kind."""
    found = tiny_subject()
    everything = torch.cat([found.calibration.images, found.evaluation.images])
    features = tiny(0, everything)[:-1]
    with torch.no_grad():
        middle, deviation = features(everything).mean(dim=0), features(everything).std(dim=0).clamp_min(1e-6)
        towards = 100 * nn.functional.normalize((features(everything[:60]) - middle) / deviation, dim=1) / deviation
        last = nn.Linear(6, 60)
        last.weight.copy_(towards)
        last.bias.copy_(-towards @ middle)
    network = nn.Sequential(*features.children(), last).eval()
    predicted = network(everything).argmax(dim=1)
    calibration = Part(everything[:220], predicted[:220])
    evaluation = Part(everything[220:], predicted[220:])
    unseen = evaluation.taken(~torch.isin(evaluation.known, calibration.taken(FITTING).known))
    return replace(
        found, name="many", members=[network], task=Classification(tuple(map(str, range(60)))),
        calibration=calibration, evaluation=evaluation, kinds={"classes that no image has fitted": unseen},
    )  # fmt: skip


FEW = ("maximum softmax", "mutual information", "Mahalanobis, all layers", "Gram matrices")
"""Rivals, of each kind one: exporting all of them takes a minute."""


def test_a_small_study_runs_to_its_tables_and_picture(
    pytorch_ood: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = tiny_subject()
    for title in [title for title in RIVALS if title not in FEW]:
        monkeypatch.delitem(RIVALS, title)
    found = study(subject, Numbers(60, 25, 20), 3, tmp_path)
    assert {score.title for score in found} == {*RIVALS, *bundles.rows_of(subject)}
    assert all(score.cost > 0.5 and all(np.isfinite(v).all() for v in score.scores.values()) for score in found)
    page = (tmp_path / "tiny.md").read_text()
    reported, chosen = {*subject.reported.attacks, *subject.reported.unusual}, {"FGSM, 0.3", "zoom"}
    assert all(name in page for name in (*reported, *RIVALS))
    assert not any(name in page for name in chosen)
    assert all(name in (tmp_path / "tiny-choosing.md").read_text() for name in chosen)
    assert (tmp_path / "tiny.png").stat().st_size > 20_000
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.np?")}
    study(subject, Numbers(60, 25, 20), 3, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.np?")} == made


def test_a_study_of_many_classes_tells_how_often_those_are_flagged_that_no_image_has_fitted(
    pytorch_ood: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And every rival scores them, those too that know a range or a mean of each class."""
    subject = many_classes()
    for title in [title for title in bundles.ROWS if title != bundles.DEFAULT_ROW]:
        monkeypatch.delitem(bundles.ROWS, title)
    for title in [title for title in RIVALS if title not in ("Mahalanobis, last layer", "Gram matrices", "ViM")]:
        monkeypatch.delitem(RIVALS, title)
    found = study(subject, Numbers(60, 25, 20), 3, tmp_path)
    ((name, part),) = subject.kinds.items()
    assert len(part) > 5
    assert all(np.isfinite(score.scores[name]).all() and len(score.scores[name]) == len(part) for score in found)
    *_, section = (tmp_path / "many.md").read_text().split("## ")
    assert section.startswith("Usual images of one kind")
    rows = {line.split(" | ")[0]: line for line in section.splitlines() if line.startswith("| ")}
    for score in found:
        share = 100 * detected(score.scores[COUNTED], score.scores[name], 0.01).value
        shown = [row for title, row in rows.items() if score.title in title]
        assert f" | {share:.1f} (" in shown[0]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_what_is_missing_is_said_with_what_to_do(subject: str, tmp_path: Path) -> None:
    asked = [subject, "--weights", str(tmp_path / "none"), "--out", str(tmp_path), "--data", str(tmp_path)]
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 1
    assert any(cure in result.output for cure in ("--data", "apt-get install", "Train: python -m fisherlens.models."))


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


def test_the_front_holds_what_nothing_cheaper_reaches() -> None:
    assert front([(1.0, 10.0), (1.0, 20.0), (3.0, 15.0), (2.0, 30.0), (5.0, 30.0)]) == [(1.0, 20.0), (2.0, 30.0)]
