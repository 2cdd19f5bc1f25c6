"""Monte-Carlo dropout with stored masks."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import nn

from fisherlens.export.errors import NetworkError
from fisherlens.export.fisher.fisher_graph import fisher_graph
from fisherlens.export.heads import Gaussian
from fisherlens.export.network.dropout import with_masks
from fisherlens.export.network.normalise import normalised
from fisherlens.export.network.source import from_modules

from ..instruments import evaluated

SHAPE = (1, 1, 16, 16)
IMAGE = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0))


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(), nn.Dropout2d(0.3), nn.Flatten(), nn.Dropout(0.5), nn.Linear(392, 4)
    )


def test_mean_and_scatter_are_those_of_dropout_at_inference() -> None:
    """torch's own dropout, 20,000 times, against 200 stored masks."""
    torch.manual_seed(1)
    network = module()
    members = with_masks(network, 200, SHAPE, "network")
    with torch.no_grad():
        stored = torch.cat([member(IMAGE) for member in members])[:, :2]
        drawn = torch.cat([network.train()(IMAGE.expand(2000, -1, -1, -1)) for _ in range(10)])[:, :2]
    standard_error = drawn.std(dim=0) / 200**0.5
    assert ((stored.mean(dim=0) - drawn.mean(dim=0)).abs() < 4 * standard_error).all()
    np.testing.assert_allclose(stored.std(dim=0), drawn.std(dim=0), rtol=0.2)


def test_masks_make_an_ensemble_whose_scatter_is_the_epistemic_part() -> None:
    members = with_masks(module(), 8, SHAPE, "network")
    (outputs,) = evaluated(members, IMAGE, Gaussian())
    with torch.no_grad():
        means = torch.cat([member(IMAGE) for member in members])[:, :2].numpy()
    np.testing.assert_allclose(outputs["value"], means.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(outputs["u_epistemic"], means.std(axis=0), rtol=1e-4)


def test_members_with_masks_share_their_weights_in_the_file() -> None:
    networks = from_modules(with_masks(module(), 8, SHAPE, "network"), SHAPE, "network")
    graph = fisher_graph([normalised(network, SHAPE) for network in networks], Gaussian(), probes=1)
    model = graph.model(graph.outputs)
    weights = [v for v in model.graph.initializers.values() if v.shape == ir.Shape([4, 392])]
    assert len(weights) == 1


def test_a_network_without_dropout_is_refused() -> None:
    with pytest.raises(NetworkError, match="no dropout layer"):
        with_masks(nn.Conv2d(1, 2, 3), 4, SHAPE, "network")
