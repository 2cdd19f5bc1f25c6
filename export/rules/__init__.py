"""The table of rules, by family of operators. Importing this package fills it."""

from ..registry import RULES
from . import convolution, elementwise, indexing, matrix, pooling, reduction, shape, softmax

__all__ = ["RULES", "convolution", "elementwise", "indexing", "matrix", "pooling", "reduction", "shape", "softmax"]
