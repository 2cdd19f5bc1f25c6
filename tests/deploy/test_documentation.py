"""What the administrator reads is complete: every message, every key."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec

from fisherlens.edge.service.configuration import Configuration, Table, read_configuration

REPOSITORY = Path(__file__).parents[2]
TABLE = REPOSITORY / "deploy" / "MESSAGES.md"


def wording(node: ast.expr) -> str:
    """A message with … in the place of what differs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%[-+.\d]*[sdrf]", "…", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(wording(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return "…"


def messages() -> Iterator[tuple[str, str]]:
    """Every message that is raised, or logged as a warning or an error, and where."""
    for path in sorted([*(REPOSITORY / "edge").rglob("*.py"), REPOSITORY / "deploy" / "offline" / "install.py"]):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.exc if isinstance(node, ast.Raise) else node
            if not isinstance(called, ast.Call) or not called.args:
                continue
            logged = isinstance(called.func, ast.Attribute) and called.func.attr in ("warning", "error")
            if isinstance(node, ast.Raise) or logged:
                yield wording(called.args[0]), f"{path.relative_to(REPOSITORY)}:{called.lineno}"


def test_every_message_stands_in_the_table_with_its_cure() -> None:
    rows = [line.strip("| ").split(" | ") for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    told = {row[0]: row[1] for row in rows if len(row) == 2}
    missing = {message: where for message, where in messages() if message != "…" and message not in told}
    assert not missing
    assert all(told.values())


def keys_of(table: type) -> Iterator[str]:
    """Every key that the configuration knows, of all its tables."""
    for field in msgspec.structs.fields(table):
        yield field.encode_name
        kinds = [field.type, *get_args(field.type)]
        kinds += [inner for kind in kinds for inner in get_args(kind)]
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, Table):
                yield from keys_of(kind)


def test_every_key_of_the_configuration_stands_in_the_administrators_page() -> None:
    page = (REPOSITORY / "deploy" / "ADMINISTRATOR.md").read_text()
    page = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    words = set(re.findall(r"[a-z][a-z-]+", " ".join(re.findall(r"`([^`]+)`", page))))
    assert len(set(keys_of(Configuration))) > 40
    assert set(keys_of(Configuration)) <= words


def test_the_example_is_a_configuration() -> None:
    found = read_configuration(REPOSITORY / "deploy" / "service.example.toml")
    assert found.source.dicom is not None
    assert found.page is not None
