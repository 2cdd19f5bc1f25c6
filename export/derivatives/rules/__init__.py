"""The table of rules, by family of operators. Importing this package fills it."""

from ..registry import NOT_DIFFERENTIABLE, RULES
from . import (
    convolution,
    elementwise,
    fourier,
    indexing,
    matrix,
    normalisation,
    pooling,
    reduction,
    resizing,
    shape,
    softmax,
)

__all__ = [
    "NOT_DIFFERENTIABLE",
    "RULES",
    "convolution",
    "elementwise",
    "fourier",
    "indexing",
    "matrix",
    "normalisation",
    "pooling",
    "reduction",
    "resizing",
    "shape",
    "softmax",
]
