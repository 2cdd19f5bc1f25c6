"""Uncertainty heads: what a network's outputs mean as a distribution."""

from .gaussian import Gaussian
from .readout import Head, Readout
from .softmax import Softmax

__all__ = ["Gaussian", "Head", "Readout", "Softmax"]
