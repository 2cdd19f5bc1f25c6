"""Uncertainty heads: what a network's outputs mean as a distribution. One class a kind, one row of the table."""

from .evidential import Evidential
from .gaussian import Gaussian
from .laplace import LastLayerLaplace
from .quantile import Quantile
from .readout import Head, HeadOptions, Readout
from .softmax import Softmax

HEADS: dict[str, type[Head]] = {head.kind: head for head in (Gaussian, Softmax, Evidential, Quantile, LastLayerLaplace)}

__all__ = [
    "HEADS",
    "Evidential",
    "Gaussian",
    "Head",
    "HeadOptions",
    "LastLayerLaplace",
    "Quantile",
    "Readout",
    "Softmax",
]
