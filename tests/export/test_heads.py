"""What heads make of a network's outputs, against closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch

from fisherlens.edge.bundle import open_bundle
from fisherlens.export.errors import NetworkError
from fisherlens.export.heads import Gaussian, Softmax
from fisherlens.export.heads.readout import Directions
from fisherlens.export.tape import Tape

from ..conftest import usual_image
from ..networks import classifier, ensemble


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
    plain, logarithmic = (head_outputs(Gaussian(logarithmic)) for logarithmic in (False, True))
    np.testing.assert_allclose(logarithmic["value"], np.exp(plain["value"]), rtol=1e-6)
    for name in ("u_aleatoric", "u_epistemic", "u"):
        np.testing.assert_allclose(logarithmic[name], np.exp(plain["value"]) * plain[name], rtol=1e-6)


def head_outputs(head: Gaussian) -> dict[str, np.ndarray]:
    values = [np.array([[0.3, -0.2, -4.0, -3.0]], np.float32), np.array([[0.4, -0.1, -4.5, -2.5]], np.float32)]
    graph = ir.Graph([], [], nodes=[], name="head", opset_imports={"": 20})
    tape = Tape(graph)
    members = []
    for value in values:
        output = tape.Identity(tape.constant(value))
        output.shape, output.dtype = ir.Shape(value.shape), ir.DataType.FLOAT
        members.append([output])
    outputs = head.read_out(tape, members, None).outputs
    from onnx.reference import ReferenceEvaluator

    for name, output in outputs.items():
        output.name, output.dtype = name, ir.DataType.FLOAT
        graph.outputs.append(output)
    evaluated = ReferenceEvaluator(ir.to_proto(ir.Model(graph, ir_version=10))).run(None, {})
    return dict(zip(outputs, evaluated, strict=True))


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 2, 2), (1,)])
def test_outputs_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    graph = ir.Graph([], [], nodes=[], name="head", opset_imports={"": 20})
    output = ir.val("output", dtype=ir.DataType.FLOAT, shape=shape)
    with pytest.raises(NetworkError, match="Gaussian head expects"):
        Gaussian().read_out(Tape(graph), [[output]], None)


def test_a_single_logit_is_refused() -> None:
    graph = ir.Graph([], [], nodes=[], name="head", opset_imports={"": 20})
    with pytest.raises(NetworkError, match="K at least 2"):
        Softmax().read_out(Tape(graph), [[ir.val("y", dtype=ir.DataType.FLOAT, shape=(1, 1))]], None)


def test_probes_estimate_what_all_factors_give() -> None:
    """E[sum_s xi_s xi_sᵀ] = 1 (Hutchinson): exactly so for all factors, and on the diagonal for probes."""
    np.testing.assert_array_equal(Directions.choose(10, None).rows, np.eye(10))
    many = Directions.choose(20, 4000)
    assert not many.exact
    gram = many.rows.T @ many.rows
    np.testing.assert_allclose(np.diag(gram), 1.0)
    assert np.abs(gram - np.eye(20)).max() < 0.1
