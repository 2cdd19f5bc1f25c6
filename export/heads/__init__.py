"""Uncertainty heads: what a network's outputs mean as a distribution."""

from collections.abc import Callable

from .evidential import Evidential
from .gaussian import Gaussian
from .laplace import LastLayerLaplace, Posterior
from .quantile import Quantile
from .readout import Head, Readout
from .softmax import Softmax

HEADS: dict[str, Callable[..., Head]] = {
    head.kind: head for head in (Gaussian, Softmax, Evidential, Quantile, LastLayerLaplace)
}

__all__ = ["HEADS", "Evidential", "Gaussian", "Head", "LastLayerLaplace", "Posterior", "Quantile", "Readout", "Softmax"]
