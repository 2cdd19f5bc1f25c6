"""The study of networks whose results are values: what counts as right, attacks, rivals, and the whole of it on a tiny
network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fisherlens.edge.bundle.manifest import Input, Measurand
from fisherlens.export.heads import Gaussian
from fisherlens.models.form.network import FormNetwork
from fisherlens.models.mammography import BUNDLE
from fisherlens.models.mammography.network import ThresholdNetwork
from fisherlens.models.mammography.subject import subject as mammography_subject
from fisherlens.models.study import alterations, bundles, simulated
from fisherlens.models.study.attacks import Attack, attacked
from fisherlens.models.study.regression import GaussianEnsemble, Regression, normalised_error
from fisherlens.models.study.rivals import RIVALS, meaningful
from fisherlens.models.study.rivals.passes import forward_pass
from fisherlens.models.study.sets import Numbers
from fisherlens.models.study.sources import Sources
from fisherlens.models.study.study import study
from fisherlens.models.study.subject import Part, Sets, Subject, SubjectMissing
from fisherlens.models.study.value_attacks import fgsm, minimal_step, pgd, pgd_l2

TASK = Regression((Measurand(name="width", unit="mm"), Measurand(name="height", unit="mm")))


def tiny(seed: int) -> nn.Sequential:
    """A random network that gives means and log variances of two values."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4),
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def members() -> list[nn.Sequential]:
    found = [tiny(seed) for seed in range(2)]
    with torch.no_grad():
        for member in found:
            list(member.parameters())[-1][2:] = -6.0
    return found


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(280, 1, 10, 10, generator=torch.Generator().manual_seed(1))


def part(members: list[nn.Sequential], images: Tensor) -> Part:
    """Known values that are where the stated uncertainty has them."""
    with torch.no_grad():
        value, uncertainty = GaussianEnsemble(members)(images).unbind(dim=1)
    return Part(images, value + uncertainty * torch.randn(value.shape, generator=torch.Generator().manual_seed(2)))


def test_the_ensemble_has_mean_and_variance_of_the_mixture(members: list[nn.Sequential], images: Tensor) -> None:
    """Against many draws from it."""
    outputs = [member(images[:1]).detach()[0].numpy() for member in members]
    rng = np.random.default_rng(0)
    draws = np.concatenate([rng.normal(out[:2], np.exp(out[2:] / 2), (200_000, 2)) for out in outputs])
    value, uncertainty = GaussianEnsemble(members).forward(images[:1])[0].detach().numpy()
    np.testing.assert_allclose(value, draws.mean(axis=0), atol=5e-4)
    np.testing.assert_allclose(uncertainty, draws.std(axis=0), rtol=1e-2)


def test_the_normalised_error_is_of_what_is_known_alone() -> None:
    outputs = torch.tensor([[[1.0, 5.0], [0.5, 0.1]]])
    assert float(normalised_error(outputs, torch.tensor([[3.0, torch.nan]]))) == pytest.approx(2.0)
    assert float(normalised_error(outputs, torch.tensor([[2.0, 5.2]]))) == pytest.approx(1.0)


def test_logarithmic_networks_are_right_about_values_themselves() -> None:
    outputs = torch.tensor([[[np.log(2.0)], [0.1]]]).float()
    task = Regression((Measurand(name="width", unit="mm"),), logarithmic=True)
    assert task.right(outputs, torch.tensor([[2.0 * np.exp(0.19)]])).all()
    assert not task.right(outputs, torch.tensor([[2.0 * np.exp(0.21)]])).any()


@pytest.mark.parametrize(
    ("attack", "norm", "budget"),
    [
        (fgsm(0.2), torch.inf, 0.2),
        (pgd(0.2, 4), torch.inf, 0.2),
        (minimal_step((0.02, 0.2), 3), torch.inf, 0.2),
        (pgd_l2(1.0, 4), 2, 1.0),
    ],
)
def test_attacks_make_values_wrong_within_their_budget(
    members: list[nn.Sequential], images: Tensor, attack: Attack, norm: float, budget: float
) -> None:
    usual = part(members, images[:30])
    network = GaussianEnsemble(members).eval().requires_grad_(False)
    right = usual.taken(TASK.right(network(usual.images), usual.known))
    found = attacked(network, right.images, right.known, attack, TASK.wrong)
    assert len(found) > 0
    distances = (found[:, None] - right.images[None]).flatten(2).norm(norm, dim=2).min(dim=1)
    assert float(distances.values.max()) <= budget + 1e-5
    assert not TASK.right(network(found), right.known[distances.indices]).any()


@pytest.mark.parametrize("make", [FormNetwork, ThresholdNetwork])
def test_rivals_read_networks_that_are_no_chain(make: type[nn.Module]) -> None:
    """What the last layer reads, averaged over the image, gives through its weights the average of the result."""
    torch.manual_seed(0)
    network = make().eval()
    shape = (1, 9, 64, 64) if make is FormNetwork else (1, 1, 64, 64)
    with torch.no_grad():
        seen = forward_pass(network, torch.rand(shape))
    assert len(seen.stage_means) == len(seen.stages) > 1
    given = seen.features @ seen.weight.T + seen.bias
    assert given.shape[1] == seen.logits.shape[1]
    if make is ThresholdNetwork:
        torch.testing.assert_close(given, seen.logits)


def test_a_small_study_of_values_runs_to_its_tables(
    pytorch_ood: None, members: list[nn.Sequential], images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Subject(
        name="tiny values",
        title="a tiny network of values",
        members=members,
        task=TASK,
        head=Gaussian(),
        input=Input(rows=10, columns=10),
        calibration=part(members, images[:220]),
        evaluation=part(members, images[220:]),
        reported=Sets({"FGSM, 0.2": fgsm(0.2)}, {"noise": lambda images: alterations.noisy(images, 0.3)}),
        choosing=Sets({"FGSM, 0.3": fgsm(0.3)}, {"zoom": lambda images: alterations.zoomed(images, 2.0)}),
    )
    for title in ("Mahalanobis, last layer", "nearest neighbours"):
        monkeypatch.delitem(RIVALS, title)
    for title in set(bundles.ROWS) - {bundles.DEFAULT_ROW}:
        monkeypatch.delitem(bundles.ROWS, title)
    found = study(subject, Numbers(60, 25, 20), 2, tmp_path)
    assert {score.title for score in found} == {*meaningful(TASK), *bundles.rows_of(subject)}
    assert "maximum softmax" not in meaningful(TASK)
    assert all(np.isfinite(v).all() for score in found for v in score.scores.values())
    assert "have a right value" in (tmp_path / "tiny values.md").read_text()


def test_simulated_images_are_made_once_and_kept(tmp_path: Path) -> None:
    made = [(np.full((1, 2, 3, 3), number, np.float32), np.array([number, np.nan])) for number in range(4)]
    first = simulated.part(Sources(tmp_path / "kept", Path(), 4), "usual", 4, iter(made))
    again = simulated.part(Sources(tmp_path / "kept", Path(), 4), "usual", 4, iter(()))
    torch.testing.assert_close(first.images, again.images)
    assert first.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert first.known[:, 0].tolist() == [0, 1, 2, 3]
    assert first.known[:, 1].isnan().all()


def test_a_simulation_without_a_folder_says_what_to_give() -> None:
    with pytest.raises(SubjectMissing, match="--data"):
        mammography_subject(Sources(None, BUNDLE, 4))
