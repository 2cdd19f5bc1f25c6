"""One case for each operator with a rule: random shapes drawn by hypothesis, and what torch says.

A case is a node with its inputs and attributes, and the torch function that it is. Adding an
operator is one entry in a family's table; `test_rules` fails for a rule without one.
"""

from collections.abc import Callable

from . import elementwise, matrix, statistics, structural, windows
from .drawing import Case, Draw

CASES: dict[str, Callable[[Draw], Case]] = (
    elementwise.CASES | matrix.CASES | statistics.CASES | structural.CASES | windows.CASES
)

__all__ = ["CASES", "Case"]
