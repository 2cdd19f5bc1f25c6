"""Uncertainty heads: what a network's outputs mean as a distribution."""

from collections.abc import Callable
from dataclasses import dataclass

from .evidential import Evidential
from .gaussian import Gaussian
from .laplace import LastLayerLaplace, Posterior
from .quantile import Quantile
from .readout import Head, Readout
from .softmax import Softmax


@dataclass(frozen=True)
class Asked:
    """What the command line knows when it makes a head. logarithmic: the network predicts the logarithm.
    posterior: of the last layer, where the network came with one."""

    logarithmic: bool
    coverage_probability: float
    posterior: Posterior | None


HEADS: dict[str, Callable[[Asked], Head]] = {
    "gaussian": lambda asked: Gaussian(asked.logarithmic),
    "softmax": lambda asked: Softmax(),
    "evidential": lambda asked: Evidential(asked.logarithmic),
    "quantile": lambda asked: Quantile(asked.coverage_probability, asked.logarithmic),
    "laplace": lambda asked: LastLayerLaplace.of(asked.posterior, asked.logarithmic),
}

__all__ = [
    "HEADS",
    "Asked",
    "Evidential",
    "Gaussian",
    "Head",
    "LastLayerLaplace",
    "Posterior",
    "Quantile",
    "Readout",
    "Softmax",
]
