"""Whether maps show what a result rests on, by networks of which it is known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from torch import nn

from fisherlens.models.fashion.networks import NETWORKS
from fisherlens.models.study import explanations
from fisherlens.models.study.explanations import STEPS, Explain, explainer, mean_probability, traced


def linear(weights: torch.Tensor) -> nn.Module:
    """Two classes, whose logits are plus and minus the sum of the pixels times the weights [H, W]."""
    layer = nn.Linear(weights.numel(), 2, bias=False)
    layer.weight.data = torch.stack([weights.flatten(), -weights.flatten()])
    return nn.Sequential(nn.Flatten(), layer).eval()


def explain_small(*seeds: int) -> Explain:
    """Explain by the Fisher map of small networks with weights of those seeds."""
    members = []
    for seed in seeds:
        torch.manual_seed(seed)
        members.append(NETWORKS["small"]().eval())
    return explainer(traced(members, torch.zeros(1, 1, 28, 28)), "fisher")


@pytest.mark.parametrize("cell", [1, 2])
def test_deletion_goes_from_the_image_to_the_baseline_in_equal_steps(cell: int) -> None:
    """Where the network's log odds are the mean of the image, they fall from two to zero by the share of its pixels."""
    predict = mean_probability([linear(torch.full((28, 28), 1 / 784))])
    image, baseline = torch.ones(1, 28, 28), torch.zeros(1, 28, 28)
    order = np.random.default_rng(0).permutation((28 // cell) ** 2)
    found = explanations.probabilities(predict, image, baseline, order, cell)
    torch.testing.assert_close(torch.log(found[:, 0] / found[:, 1]), torch.linspace(2, 0, STEPS + 1))


def test_cells_of_pixels_change_together() -> None:
    """An image of 5 x 5 in cells of 2 has cells of 2 x 1, 1 x 2 and 1 x 1 at its borders."""
    seen: list[torch.Tensor] = []

    def predict(images: torch.Tensor) -> torch.Tensor:
        seen.append(images)
        return torch.zeros(len(images), 2)

    explanations.probabilities(predict, torch.zeros(1, 5, 5), torch.ones(1, 5, 5), np.arange(9)[::-1], 2)
    counts = [int(image.sum()) for image in seen[0]]
    assert sorted(set(counts)) == list(np.cumsum([0, 1, 2, 2, 2, 4, 4, 2, 4, 4]))


def test_no_order_deletes_sooner_than_that_by_contribution() -> None:
    """Of a linear network contributions are known, weight times difference; all orders of four cells are tried."""
    weights = torch.tensor([[0.3, -0.5], [1.0, 0.1]]).repeat_interleave(14, 0).repeat_interleave(14, 1) / 200
    predict = mean_probability([linear(weights)])
    image, baseline = torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(0)) + 0.2, torch.zeros(1, 28, 28)
    contributions = explanations.pooled((weights * (image - baseline)[0]).numpy(), 14)
    assert contributions.sum() > 0
    best = np.argsort(contributions, axis=None)[::-1]
    areas = {
        order: explanations.deletion_insertion(predict, image, baseline, np.array(order), 14)
        for order in permutations(range(4))
    }
    deletion, insertion = areas[tuple(best.tolist())]
    assert deletion == min(found for found, _ in areas.values())
    assert insertion == max(found for _, found in areas.values())


def test_integrated_gradients_of_a_linear_ensemble_are_its_contributions() -> None:
    """Of one softmax, d log p / dx = 2 (1 - p) w with p along the path: in proportion to w times the difference."""
    weights = torch.randn(28, 28, generator=torch.Generator().manual_seed(0)) / 100
    image = torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(1))
    found = explainer(traced([linear(weights), linear(weights)], image[None]), "integrated_gradients")(image)
    expected = (weights * (image - found.baseline)[0]).numpy()
    assert np.corrcoef(found.values.ravel(), expected.ravel())[0, 1] ** 2 == pytest.approx(1.0, abs=1e-6)


def test_cells_are_means_over_their_pixels_on_the_image() -> None:
    values = np.arange(35.0).reshape(5, 7)
    found = explanations.pooled(values, 3)
    blocks = [[values[r : r + 3, c : c + 3].mean() for c in (0, 3, 6)] for r in (0, 3)]
    np.testing.assert_allclose(found, blocks)
    np.testing.assert_array_equal(explanations.pooled(values, 1), values)


def test_agreement_counts_the_largest_cells() -> None:
    values = np.arange(100.0).reshape(10, 10)
    assert explanations.agreement(values, values) == 1.0
    assert explanations.agreement(values, -values) == 0.0


def test_the_compact_map_of_an_ensemble_keeps_its_largest_cells() -> None:
    found = explain_small(0, 1)(torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(0)))
    assert explanations.agreement(np.sqrt(found.cells), found.compact) >= 0.95


def test_randomisation_tells_the_same_weights_from_others() -> None:
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    predict = mean_probability([NETWORKS["small"]().eval()])
    same, other = (
        explanations.measured(explain_small(0), explain_small(seed), predict, images, "fisher")[:, 2] for seed in (0, 1)
    )
    np.testing.assert_allclose(same, 1.0)
    assert (np.abs(other) < 0.5).all()


def test_a_map_without_any_contrast_is_correlated_with_nothing() -> None:
    assert explanations.rank_correlation(np.zeros((3, 3)), np.arange(9.0).reshape(3, 3)) == 0.0
