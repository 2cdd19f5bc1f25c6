"""A refusal says what is wrong with this file, in our words: no exception's name, no attribute of Python, no
sentence of a library."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.data import get_testdata_files

from fisherlens.edge import Runtime

from .malformed import MALFORMED

EDGE = Path(__file__).parents[2] / "edge"
READING = [*(EDGE / "reading").rglob("*.py"), EDGE / "preprocess.py", EDGE / "decode.py"]
FOREIGN = re.compile(
    r"\b\w*(Error|Exception|Warning)\b|__\w+__|NoneType|\bnumpy\b|\bpydicom\b|object has no|\battribute '|Traceback"
    r"|invalid literal|unsupported operand|could not convert|list index|not enough values|out of range|<class"
    r"|unexpected keyword|expected str|buffer is|struct\.|codec can't|\bNone\b|\bTrue\b|\bFalse\b"
)
"""What speaks of a program and not of a file."""


def foreign_parts(node: ast.Call) -> Iterator[str]:
    """What a message takes from an exception: its words, its kind."""
    caught = {"error", "exception", "failure", "e", "err"}
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in caught:
            yield part.id
        if isinstance(part, ast.Attribute) and part.attr == "__name__":
            yield part.attr


def refusals(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield node.exc


@pytest.mark.parametrize("path", READING, ids=lambda path: path.relative_to(EDGE).as_posix())
def test_no_refusal_of_a_reader_quotes_an_exception(path: Path) -> None:
    """But for the operating system's word for why a file cannot be opened, which the user knows."""
    found = {part for call in refusals(path) for part in foreign_parts(call)}
    assert found <= ({"error"} if path.name == "files.py" else set())


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_file_is_refused_in_words_of_ours(case: str, tmp_path: Path, dicom_bundle: Path) -> None:
    make, _ = MALFORMED[case]
    for verdict in Runtime.open(dicom_bundle).score_file(make(tmp_path)):
        assert is_ours(verdict.reasons), verdict.reasons


def test_public_files_are_refused_in_words_of_ours(dicom_bundle: Path) -> None:
    runtime = Runtime.open(dicom_bundle)
    for path in get_testdata_files("*.dcm"):
        for verdict in runtime.score_file(path):
            assert is_ours(verdict.reasons), (path, verdict.reasons)


def is_ours(reasons: list[str]) -> bool:
    """Each whole, and none of what speaks of a program."""
    return all(not FOREIGN.search(reason) and not reason.endswith(("...", "…", ",", "(")) for reason in reasons)
