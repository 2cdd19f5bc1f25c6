"""The Fashion-MNIST networks: their data, and what is found of their maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fisherlens.models.fashion import dataset, explanations
from fisherlens.models.fashion.networks import NETWORKS


def test_a_missing_data_set_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dataset, "FOLDER", tmp_path)
    with pytest.raises(dataset.DatasetMissing, match="apt-get install dataset-fashion-mnist"):
        dataset.evaluation()


def test_deletion_goes_from_the_image_to_the_baseline() -> None:
    torch.manual_seed(0)
    layers = [torch.nn.Flatten(), torch.nn.Linear(784, 10)]
    network = torch.nn.Sequential(*layers).eval()
    image, baseline = torch.rand(1, 28, 28), torch.zeros(1, 28, 28)
    found = explanations.probabilities(network, image, baseline, np.random.default_rng(0).permutation(784))
    for row, end in ((0, image), (-1, baseline)):
        torch.testing.assert_close(found[row], network(end[None]).softmax(dim=1)[0].detach())


def test_an_order_by_importance_deletes_sooner_than_its_reverse() -> None:
    """Of a linear network the pixels that speak for a class are known."""
    weights = torch.linspace(-1, 1, 784)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 2, bias=False))
    network[1].weight.data = torch.stack([weights, -weights]) / 20
    image, baseline, best_first = torch.full((1, 28, 28), 0.5), torch.zeros(1, 28, 28), np.arange(784)[::-1]
    image.flatten()[weights > 0] = 1.0
    sooner, later = (
        explanations.deletion_insertion(network, image, baseline, order) for order in (best_first, best_first[::-1])
    )
    assert sooner[0] < later[0]
    assert sooner[1] > later[1]


def test_agreement_counts_the_largest_cells() -> None:
    values = np.arange(100.0).reshape(10, 10)
    assert explanations.agreement(values, values) == 1.0
    assert explanations.agreement(values, -values) == 0.0


def test_the_compact_map_of_a_network_keeps_its_largest_cells() -> None:
    torch.manual_seed(0)
    explain = explanations.explainer(NETWORKS["small"]().eval(), "fisher")
    found = explain(torch.rand(1, 28, 28))
    assert explanations.agreement(np.sqrt(found["full"]), found["compact"]) >= 0.95
