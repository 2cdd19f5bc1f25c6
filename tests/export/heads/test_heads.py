"""What heads make of a network's outputs, against closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy, norm

from fisherlens.edge.bundle import open_bundle
from fisherlens.export.errors import NetworkError
from fisherlens.export.graph.tape import Tape
from fisherlens.export.heads import Evidential, Gaussian, Head, Quantile, Softmax
from fisherlens.export.heads.readout import Directions
from fisherlens.export.network.forward import Forward

from ...bundles import usual_image
from ...networks import classifier, ensemble
from ..float64 import run


def image(seed: int) -> np.ndarray:
    return (usual_image(seed).astype(np.float32) / 65535.0)[None, None]


def test_an_ensemble_is_the_mixture_of_its_members(ensemble_bundle: Path) -> None:
    """Law of total variance: u^2 = E[sigma^2] + Var[mu] (Lakshminarayanan et al. 2017, section 2.4)."""
    outputs = open_bundle(ensemble_bundle).run(image(7), explain=False)
    with torch.no_grad():
        members = np.stack([network(torch.from_numpy(image(7)))[0].numpy() for network in ensemble()])
    mean, variance = members[:, :2].astype(float), np.exp(members[:, 2:].astype(float))
    np.testing.assert_allclose(outputs["value"], mean.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(outputs["u_aleatoric"], np.sqrt(variance.mean(axis=0)), rtol=1e-4)
    np.testing.assert_allclose(outputs["u_epistemic"], mean.std(axis=0), rtol=1e-3)
    np.testing.assert_allclose(outputs["u"], np.sqrt(variance.mean(axis=0) + mean.var(axis=0)), rtol=1e-4)


def test_a_classifier_gives_the_tempered_softmax(classifier_bundle: Path) -> None:
    bundle = open_bundle(classifier_bundle)
    assert bundle.manifest.temperature is not None
    with torch.no_grad():
        expected = (classifier()(torch.from_numpy(image(3)))[0] / bundle.manifest.temperature).softmax(dim=0)
    np.testing.assert_allclose(bundle.run(image(3), explain=False)["probability"], expected.numpy(), rtol=1e-4)


def test_a_logarithmic_head_gives_the_measurand_itself() -> None:
    """y = exp(mu), u(y) = y u(ln y): JCGM 100, 5.1.2."""
    plain, logarithmic = (head_outputs(Gaussian(logarithmic), *MEMBERS) for logarithmic in (False, True))
    np.testing.assert_allclose(logarithmic["value"], np.exp(plain["value"]), rtol=1e-6)
    for name in ("u_aleatoric", "u_epistemic", "u"):
        np.testing.assert_allclose(logarithmic[name], np.exp(plain["value"]) * plain[name], rtol=1e-6)


MEMBERS = [np.array([[0.3, -0.2, -4.0, -3.0]]), np.array([[0.4, -0.1, -4.5, -2.5]])]


def head_outputs(head: Head, *members: np.ndarray) -> dict[str, np.ndarray]:
    """A head's outputs and entropy for what members gave, in float64."""
    forward = constant_members(*members)
    tape, graph = forward.tape, forward.tape.graph
    readout = head.read_out(forward, None)
    outputs = readout.prediction.outputs(tape, None) if readout.prediction else readout.outputs
    outputs = {**outputs, "nats": readout.entropy}
    graph.outputs.extend(tape.Identity(output) for output in outputs.values())
    return dict(zip(outputs, run(ir.Model(graph, ir_version=10), {}), strict=True))


def constant_members(*members: np.ndarray) -> Forward:
    image = ir.val("image", dtype=ir.DataType.DOUBLE, shape=(1, 1, 2, 2))
    graph = ir.Graph([], [], nodes=[], name="head", opset_imports={"": 20})
    tape = Tape(graph, ir.DataType.DOUBLE)
    outputs = [[tape.Identity(tape.constant(member.astype(np.float64)))] for member in members]
    return Forward(tape, image, [image] * len(members), outputs, [[] for _ in members])


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 2, 2), (1,)])
def test_outputs_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(NetworkError, match="gaussian head expects"):
        Gaussian().read_out(constant_members(np.zeros(shape)), None)


def test_a_single_logit_is_refused() -> None:
    with pytest.raises(NetworkError, match="K at least 2"):
        Softmax().read_out(constant_members(np.zeros((1, 1))), None)


def test_an_ensemble_of_classifiers_tells_entropy_and_mutual_information() -> None:
    """H[mean p] and H[mean p] - mean H[p] (Depeweg et al. 2018), by scipy's entropy."""
    logits = np.random.default_rng(0).normal(size=(3, 1, 5))
    outputs = head_outputs(Softmax(), *logits)
    p = softmax(logits[:, 0], axis=1)
    np.testing.assert_allclose(outputs["probability"], p.mean(axis=0))
    np.testing.assert_allclose(outputs["entropy"], entropy(p.mean(axis=0)))
    np.testing.assert_allclose(outputs["mutual_information"], entropy(p.mean(axis=0)) - entropy(p, axis=1).mean())
    alone = head_outputs(Softmax(), logits[0])
    np.testing.assert_allclose(alone["entropy"], entropy(p[0]))
    assert alone["mutual_information"] == 0


def test_evidential_regression_gives_the_moments_of_its_distribution() -> None:
    """Var[y] = E[sigma^2] + Var[mu] of a normal inverse gamma distribution, by drawing from it."""
    gamma, nu, alpha, beta = 0.3, 2.0, 5.0, 0.4
    outputs = head_outputs(Evidential(), np.array([[gamma, nu, alpha, beta]]))
    rng = np.random.default_rng(0)
    variance = 1 / rng.gamma(alpha, 1 / beta, 1_000_000)
    mean = gamma + np.sqrt(variance / nu) * rng.normal(size=variance.size)
    assert outputs["value"] == pytest.approx(gamma)
    assert outputs["u_aleatoric"] == pytest.approx(np.sqrt(variance.mean()), rel=0.01)
    assert outputs["u_epistemic"] == pytest.approx(mean.std(), rel=0.01)
    assert outputs["u"] == pytest.approx(np.sqrt(variance.mean() + mean.var()), rel=0.01)


def test_quantiles_give_uncertainties_to_either_side() -> None:
    """For the quantiles of a normal distribution both are its standard deviation."""
    z = norm.ppf(0.95)
    outputs = head_outputs(Quantile(0.9), np.array([[1 - 0.2 * z, 5 - z, 1, 5, 1 + 0.2 * z, 5 + 3 * z]]))
    np.testing.assert_allclose(outputs["value"], [1, 5])
    np.testing.assert_allclose(outputs["u_below"], [0.2, 1])
    np.testing.assert_allclose(outputs["u_above"], [0.2, 3])
    np.testing.assert_allclose(outputs["u"], [0.2, 2])


@pytest.mark.parametrize("head", [Evidential(), Quantile()])
def test_a_second_network_is_refused_by_heads_of_one(head: Head) -> None:
    with pytest.raises(NetworkError, match="2 networks given"):
        head.read_out(constant_members(np.ones((1, 12)), np.ones((1, 12))), None)


def test_probes_estimate_what_all_factors_give() -> None:
    """E[sum_s xi_s xi_sᵀ] = 1 (Hutchinson): exactly so for all factors, and on the diagonal for probes."""
    np.testing.assert_array_equal(Directions.choose(10, None).rows, np.eye(10))
    many = Directions.choose(20, 4000)
    assert not many.exact
    gram = many.rows.T @ many.rows
    np.testing.assert_allclose(np.diag(gram), 1.0)
    assert np.abs(gram - np.eye(20)).max() < 0.1
