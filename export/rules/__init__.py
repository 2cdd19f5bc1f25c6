"""The table of rules, by family of operators. Importing this package fills `differentiate.RULES`."""

from . import convolution, elementwise, indexing, matrix, pooling, reduction, shape, softmax  # noqa: F401
