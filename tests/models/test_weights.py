"""Members' weights from a bundle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fisherlens.edge.bundle import open_bundle
from fisherlens.models.mammography import BUNDLE
from fisherlens.models.mammography.input import image_reader
from fisherlens.models.mammography.network import ThresholdNetwork
from fisherlens.models.mammography.population import usual
from fisherlens.models.weights import members_of


def test_the_members_of_a_bundle_give_in_torch_what_it_gives_in_onnx_runtime() -> None:
    image = image_reader(usual(0, "weights").field())()
    members = members_of(BUNDLE, ThresholdNetwork)
    with torch.no_grad():
        means = torch.stack([member(torch.from_numpy(image))[0, :5] for member in members]).mean(dim=0)
    given = open_bundle(BUNDLE).run(image, explain=False)["value"]
    np.testing.assert_allclose(np.exp(means.numpy()), given, rtol=1e-3)
    assert len(members) == 5


def test_members_with_batch_normalisation_are_not_had_back_from_a_bundle() -> None:
    with pytest.raises(ValueError, match="batch normalisation is folded"):
        members_of(BUNDLE, lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)))
