"""Public docstrings can be read by themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
ROOMS = ("deploy", "edge", "export", "models")
FRAGMENTS = {
    "After", "As", "At", "Before", "Behind", "By", "For", "From", "How", "If", "In", "Into", "It", "Its", "Of", "On",
    "Once", "Out", "Since", "So", "That", "Their", "They", "Those", "To", "Until", "What", "When", "Where", "Whether",
    "Which", "While", "With",
}  # fmt: skip
"""Words with which a sentence begins that needs the signature, or the body, to be understood."""


def public_docstrings() -> Iterator[tuple[str, str]]:
    """Where each stands, and its text."""
    for path in sorted(path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if not node.name.startswith("_") and (text := ast.get_docstring(node)):
                yield f"{path.relative_to(REPOSITORY)}:{node.lineno}", text


def test_public_docstrings_begin_with_a_verb_or_a_noun() -> None:
    begun = {where: text.split()[0].rstrip(".,:;") for where, text in public_docstrings()}
    assert len(begun) > 500
    assert {where: word for where, word in begun.items() if word in FRAGMENTS} == {}
