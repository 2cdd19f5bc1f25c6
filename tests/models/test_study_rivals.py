"""Rivals of the study against scikit-learn, autograd and their own library."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.covariance import EmpiricalCovariance
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn

from fisherlens.export.graph.model import session
from fisherlens.export.network.source import from_modules
from fisherlens.models.study.classification import Classification
from fisherlens.models.study.rivals import RIVALS, RivalNetwork, Usual, fitted, meaningful, scored
from fisherlens.models.study.rivals.gradients import fisher_rao_product, gradient_norm
from fisherlens.models.study.rivals.library import detectors
from fisherlens.models.study.rivals.outputs import mutual_information
from fisherlens.models.study.rivals.passes import forward_pass, forward_passes

RIVALS_OF_CLASSES = meaningful(Classification(("one", "two", "three")))


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3),
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def members() -> list[nn.Sequential]:
    return [network(0), network(1)]


@pytest.fixture(scope="module")
def usual(members: list[nn.Sequential]) -> Usual:
    images = torch.rand(120, 1, 10, 10, generator=torch.Generator().manual_seed(0))
    return Usual.of(members, images, torch.arange(120) % 3)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(7, 1, 10, 10, generator=torch.Generator().manual_seed(1)) ** 2


def within_classes(features: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, EmpiricalCovariance]:
    """Means of the classes, and scikit-learn's covariance about them."""
    means = np.stack([features[classes == k].mean(axis=0) for k in range(3)])
    return means, EmpiricalCovariance(assume_centered=True).fit(features - means[classes])


def test_mahalanobis_distances_are_scikit_learns(
    pytorch_ood: None, members: list[nn.Sequential], usual: Usual, images: Tensor
) -> None:
    """Sums over layers and members; the library's covariance is the sum over images, not the mean."""
    passes, classes = forward_passes(members, images), usual.classes.numpy()
    expected = np.zeros(len(images))
    for of_usual, of_images in zip(usual.passes, passes, strict=True):
        for fitting, seen in zip(of_usual.layer_means, of_images.layer_means, strict=True):
            means, covariance = within_classes(fitting.double().numpy(), classes)
            nearest = np.min([covariance.mahalanobis(seen.double().numpy() - mean) for mean in means], axis=0)
            expected += 0.5 * nearest / len(classes)
    score = RIVALS["Mahalanobis, all layers"].fit(usual, "layer_means")
    np.testing.assert_allclose(score(passes).numpy(), expected, rtol=2e-2)


def test_mahalanobis_arithmetic_is_its_librarys(
    pytorch_ood: None, members: list[nn.Sequential], usual: Usual, images: Tensor
) -> None:
    passes = forward_passes(members, images)
    features = [torch.cat([seen.features for seen in of], dim=1) for of in (usual.passes, passes)]
    expected = detectors().Mahalanobis(None).fit_features(features[0], usual.classes).predict_features(features[1])
    score = RIVALS["Mahalanobis, last layer"].fit(usual, "joint")
    torch.testing.assert_close(score(passes), expected)


def test_nearest_neighbours_are_scikit_learns(
    pytorch_ood: None, members: list[nn.Sequential], usual: Usual, images: Tensor
) -> None:
    passes = forward_passes(members, images)
    bank, seen = (
        torch.nn.functional.normalize(torch.cat([one.features for one in of], dim=1)).numpy()
        for of in (usual.passes, passes)
    )
    distances, _ = NearestNeighbors().fit(bank).kneighbors(seen, 5)
    score = RIVALS["nearest neighbours"].fit(usual, 5)
    np.testing.assert_allclose(score(passes).numpy(), distances[:, -1], atol=1e-3)


def test_gradnorm_is_its_librarys_reverse_pass(pytorch_ood: None, members: list[nn.Sequential], images: Tensor) -> None:
    (member,) = members[:1]
    weight = f"{len(list(member.children())) - 1}.weight"
    reverse = detectors().GradNorm(member, param_filter=lambda name: name == weight)
    torch.testing.assert_close(gradient_norm(forward_passes([member], images)), reverse(images).detach())


def test_the_fisher_rao_product_is_the_trace_by_autograd(members: list[nn.Sequential], images: Tensor) -> None:
    """Trace of the last layer's information: the expected squared length of the log-likelihood's gradient."""
    (member,) = members[:1]
    last = list(member[-1].parameters())
    traces = []
    for image in images:
        log_p = member(image[None]).log_softmax(dim=1)[0]
        gradients = [torch.autograd.grad(term, last, retain_graph=True) for term in log_p]
        squares = torch.stack([torch.cat([part.flatten() for part in of]).square().sum() for of in gradients])
        traces.append((log_p.exp() * squares).sum().detach())
    torch.testing.assert_close(fisher_rao_product(forward_passes([member], images)), torch.stack(traces))


def test_mutual_information_is_zero_for_equal_members_and_log_two_for_opposed_ones() -> None:
    seen = forward_pass(network(0), torch.rand(1, 1, 10, 10))
    assert float(mutual_information([seen, seen]).detach().abs().max()) < 1e-6
    sure = [type(seen)(**{**vars(seen), "logits": torch.tensor([row])}) for row in ([50.0, 0.0], [0.0, 50.0])]
    assert float(mutual_information(sure)) == pytest.approx(np.log(2))


def test_the_gram_matrices_score_is_its_librarys_own_way(
    pytorch_ood: None, members: list[nn.Sequential], usual: Usual, images: Tensor
) -> None:
    (member,) = members[:1]
    alone = Usual.of([member], usual.images, usual.classes)
    torch.manual_seed(0)
    parts = [member[:3], member[3:6]]
    library = detectors().Gram(member[6:], parts, 3, num_poles_list=[1, 2, 3])
    library.fit([(alone.images, alone.classes)])
    score = RIVALS["Gram matrices"].fit(alone, 3)
    passes = [forward_pass(member, images)]
    torch.testing.assert_close(score(passes), library(images))


def test_a_class_that_no_usual_image_shows_has_the_gram_matrices_of_all(
    pytorch_ood: None, members: list[nn.Sequential], usual: Usual, images: Tensor
) -> None:
    """Of three classes the last does not occur: its range is the library's of all images as one class, that of another
    the library's of this one's images. So few are fitted that the library holds none out."""
    (member,) = members[:1]
    few = Usual.of([member], usual.images[:9], torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 1]))
    score = RIVALS["Gram matrices"].fit(few, 3)
    (seen,) = forward_passes([member], images)
    stages = forward_pass(member, images).stages
    for predicted, chosen in ((2, slice(0, 9)), (0, slice(0, 5))):
        head = nn.Sequential(member[6:], nn.Linear(3, 1))
        alone = detectors().Gram(head, [member[:3], member[3:6]], 1, num_poles_list=[1, 2, 3])
        alone.fit([(few.images[chosen], torch.zeros_like(few.classes[chosen]))])
        towards = nn.functional.one_hot(torch.full((len(images),), predicted), 3).float()
        expected = alone.predict_structured(torch.zeros(len(images), 1), list(stages))
        torch.testing.assert_close(score([replace(seen, stages=stages, logits=towards)]), expected)


def test_every_rival_scores_alike_as_a_graph_that_can_be_timed(
    pytorch_ood: None, members: list[nn.Sequential], usual: Usual, images: Tensor
) -> None:
    scores = fitted(usual, [], RIVALS_OF_CLASSES)
    found = scored(members, [], scores, images)
    assert {title for title, _ in found} == set(RIVALS_OF_CLASSES)
    for title in RIVALS_OF_CLASSES:
        key = next(key for key in scores if key[0] == title)
        (exported,) = from_modules(RivalNetwork(members, scores[key]).eval(), (1, 1, 10, 10), title)
        opened = session(exported.model)
        (by_graph,) = opened.run(None, {opened.get_inputs()[0].name: images[:1].numpy()})
        np.testing.assert_allclose(by_graph, found[key][:1], rtol=1e-2, atol=1e-4, err_msg=title)


def test_only_rivals_of_ensembles_take_companions(
    pytorch_ood: None, members: list[nn.Sequential], usual: Usual, images: Tensor
) -> None:
    alone = Usual.of(members[:1], usual.images, usual.classes)
    assert "mutual information" not in {title for title, _ in fitted(alone, [], RIVALS_OF_CLASSES)}
    beside = scored(members[:1], members[1:], fitted(alone, members[1:], RIVALS_OF_CLASSES), images)
    together = scored(members, [], fitted(usual, [], RIVALS_OF_CLASSES), images)
    np.testing.assert_allclose(beside["mutual information", ""], together["mutual information", ""])
    np.testing.assert_allclose(
        beside["energy", ""], scored(members[:1], [], fitted(alone, [], RIVALS_OF_CLASSES), images)["energy", ""]
    )
