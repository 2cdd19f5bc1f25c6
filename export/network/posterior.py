"""The posterior of a last layer's parameters, as a fitted laplace-torch object or a closed form gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NetworkError


@dataclass(frozen=True)
class Posterior:
    """The Gaussian posterior of the last layer's parameters about those of the network.

    covariance: float64 [D, P + 1, P + 1], for each output that of its row of weights and its bias
    (Daxberger et al. 2021, arXiv 2106.14806, eq. 5, restricted to one output at a time). noise: standard
    deviation of the observations about a regression's outputs, [D]; None for a classifier.
    """

    covariance: NDArray[np.float64]
    noise: NDArray[np.float64] | None

    @classmethod
    def exact(cls, features: NDArray[np.float64], prior_precision: float, noise: NDArray[np.float64]) -> Posterior:
        """The exact posterior of a linear last layer with known noise [D], from the features [n, P] that it acted on in
        training: Sigma_d = (sum_i phi_i phi_iᵀ / noise_d^2 + prior_precision)^-1 (Bishop 2006, Pattern
        Recognition and Machine Learning, eq. 3.54)."""
        phi = np.concatenate([features, np.ones((len(features), 1))], axis=1).astype(np.float64)
        gram, identity = phi.T @ phi, np.eye(phi.shape[1])
        return cls(np.stack([np.linalg.inv(gram / s**2 + prior_precision * identity) for s in noise]), noise)

    @classmethod
    def of(cls, laplace: Any) -> Posterior:
        """Take the posterior of a fitted laplace-torch object with subset_of_weights="last_layer" and a full or
        diagonal Hessian. Raises NetworkError for others."""
        covariance = getattr(laplace, "posterior_covariance", None)
        if covariance is None:
            variance = getattr(laplace, "posterior_variance", None)
            if variance is None:
                raise NetworkError(
                    f"{type(laplace).__name__}: neither posterior_covariance nor posterior_variance, expected a "
                    'fitted Laplace(..., subset_of_weights="last_layer", hessian_structure="full" or "diag")'
                )
            covariance = variance.diag()
        matrix = covariance.detach().double().numpy()
        outputs = int(laplace.n_outputs)
        width = matrix.shape[0] // outputs
        if matrix.shape != (outputs * width, outputs * width) or width < 2:
            raise NetworkError(f"{type(laplace).__name__}: covariance {list(matrix.shape)} for {outputs} outputs")
        rows = [[*range(d * (width - 1), (d + 1) * (width - 1)), outputs * (width - 1) + d] for d in range(outputs)]
        blocks = np.stack([matrix[np.ix_(row, row)] for row in rows])
        noise = None
        if str(getattr(laplace, "likelihood", "")).endswith("regression"):
            noise = np.full(outputs, float(laplace.sigma_noise))
        return cls(blocks, noise)
