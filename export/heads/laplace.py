"""Last-layer Laplace approximation: a Gaussian posterior of the last layer's parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..errors import NetworkError
from ..graph.tape import Tape, shape_of
from ..network.forward import Forward
from ..network.layers import Use
from ..network.posterior import Posterior
from .classification import (
    class_shares,
    entropy_outputs,
    multinomial_metric,
    predicted_log_odds,
    predicted_log_probability,
    score_factors,
)
from .prediction import Prediction
from .readout import Directions, Head, HeadOptions, Readout
from .regression import gaussian_readout

DRAWS = 100
"""Of the logits, stored in the file, for the mutual information."""


@dataclass(frozen=True)
class LastLayerLaplace(Head):
    """Outputs [1, D] of a dense last layer whose parameters have a Gaussian posterior.

    Regression: value = output, u_aleatoric = the noise, u_epistemic^2 = phiᵀ Sigma_d phi, exact for a
    linear layer. Classification: probability = softmax(logits / sqrt(1 + pi v / 8)) with the logits'
    variance v (MacKay 1992, Neural Computation 4(5), for each logit); mutual information by
    stored draws of the logits.
    """

    posterior: Posterior
    logarithmic: bool = False
    kind: ClassVar[str] = "laplace"

    @classmethod
    def of(cls, options: HeadOptions) -> Self:
        """The head with the posterior that a network came with. Raises NetworkError if it came without."""
        if options.posterior is None:
            raise NetworkError(
                "no posterior; a Laplace head expects a factory that returns a fitted laplace-torch object with "
                'subset_of_weights="last_layer"'
            )
        return cls(options.posterior, options.logarithmic)

    def read_out(self, forward: Forward, probes: int | None) -> Readout:
        tape = forward.tape
        output, use = self._last_layer(forward)
        variance = self._variance(tape, use)
        if self.posterior.noise is None:
            return self._classes(tape, output, variance, probes)
        return self._values(tape, output, variance, self.posterior.noise, probes)

    def _last_layer(self, forward: Forward) -> tuple[ir.Value, Use]:
        outputs = [output for member in forward.outputs for output in member]
        uses = [use for layer in forward.layers for use in layer.uses if use.output in outputs]
        expected = (self.posterior.covariance.shape[0], self.posterior.covariance.shape[1] - 1)
        if len(outputs) != 1 or len(uses) != 1 or uses[0].node.op_type not in ("Gemm", "MatMul"):
            raise NetworkError("a Laplace head expects one network with one output, which a dense layer makes")
        have = (shape_of(outputs[0])[-1], shape_of(uses[0].image)[-1])
        if have != expected:
            raise NetworkError(
                f"the last layer makes {have[0]} outputs of {have[1]} features, the posterior is of {expected[0]} "
                f"outputs of {expected[1]} features. Give the posterior of this network's last layer."
            )
        return outputs[0], uses[0]

    def _variance(self, tape: Tape, use: Use) -> ir.Value:
        """phiᵀ Sigma_d phi of each output, [1, D], as the squared norm of phi times a Cholesky factor."""
        count, width, _ = self.posterior.covariance.shape
        factors = np.linalg.cholesky(self.posterior.covariance)
        together = tape.floats(np.concatenate(list(factors), axis=1))
        one = np.ones((1, 1), tape.dtype.numpy())
        phi = tape.Concat(tape.Reshape(use.image, [1, width - 1]), one, axis=1)
        spread = tape.Reshape(tape.MatMul(phi, together), [1, count, width])
        return tape.ReduceSumSquare(spread, [2], keepdims=0)

    def _values(
        self, tape: Tape, output: ir.Value, variance: ir.Value, noise: NDArray[np.float64], probes: int | None
    ) -> Readout:
        aleatoric = tape.Add(tape.Mul(output, 0.0), tape.floats(noise[None] ** 2))
        log_variance = tape.Log(tape.Add(variance, aleatoric))
        prediction = Prediction(output, aleatoric, variance, logarithmic=self.logarithmic)
        return gaussian_readout(tape, prediction, [(output, log_variance)], probes)

    def _classes(self, tape: Tape, logits: ir.Value, variance: ir.Value, probes: int | None) -> Readout:
        kappa = tape.Sqrt(tape.Add(tape.Mul(variance, math.pi / 8), 1.0))
        scaled = tape.Div(logits, kappa)
        probability = tape.Softmax(scaled, axis=1)
        drawn = self._drawn(tape, logits, variance)
        chosen = Directions.choose(math.prod(shape_of(logits)), probes)
        return Readout(
            prediction=None,
            outputs={"probability": tape.Squeeze(probability, [0]), **drawn},
            roots={scaled: score_factors(tape, probability, chosen)},
            regressors=class_shares(tape, probability),
            exact=chosen.exact,
            metric=lambda at, direction: multinomial_metric(at, probability, direction[scaled]),
            entropy=tape.ReduceSum(tape.Neg(tape.Mul(probability, tape.LogSoftmax(scaled, axis=1))), keepdims=0),
            explained=predicted_log_probability(tape, probability),
            score=predicted_log_odds(tape, [scaled], probability),
        )

    @staticmethod
    def _drawn(tape: Tape, logits: ir.Value, variance: ir.Value) -> dict[str, ir.Value]:
        """entropy and mutual information over stored draws, [DRAWS, K], antithetic."""
        half = np.random.default_rng(0).normal(size=(DRAWS // 2, shape_of(logits)[1]))
        draws = tape.floats(np.concatenate([half, -half]))
        drawn = tape.Add(logits, tape.Mul(tape.Sqrt(variance), draws))
        probability, logarithm = tape.Softmax(drawn, axis=1), tape.LogSoftmax(drawn, axis=1)
        entropies = tape.Neg(tape.ReduceSum(tape.Mul(probability, logarithm), [1], keepdims=0))
        mean = tape.ReduceMean(probability, [0], keepdims=1)
        of_members = tape.ReduceMean(entropies, [0], keepdims=1)
        return entropy_outputs(tape, mean, of_members, DRAWS)
