"""Documents name what is there: links, paths, modules, commands, options."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules, resolve_name

import pytest

from fisherlens.edge.commands.main import main
from fisherlens.export.checks import CHECKS
from fisherlens.export.command import export_command
from fisherlens.export.heads import HEADS
from fisherlens.export.maps import MAPS

REPOSITORY = Path(__file__).parents[1]
ROOMS = ("deploy", "edge", "export", "models", "tests")
PAGES = sorted([REPOSITORY / "README.md", *(path for room in ROOMS for path in (REPOSITORY / room).rglob("*.md"))])
LONGEST = 120
"""Lines of README."""


def quoted(text: str) -> Iterator[str]:
    """What stands in backticks or in blocks of code, a word or a line of words each."""
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))
    for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield from block.splitlines()
    yield from re.findall(r"^    (.+)$", text, re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Names that the headings of a page have in links."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def named(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


@pytest.fixture(params=PAGES, ids=named)
def page(request: pytest.FixtureRequest) -> Path:
    """A document of the repository."""
    path: Path = request.param
    return path


def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal.exists(), target
        assert goal.is_relative_to(REPOSITORY), target
        assert not anchor or anchor in anchors(goal), target


def test_paths_are_there(page: Path) -> None:
    words = {word for line in quoted(page.read_text()) for word in line.split()}
    missing = {word for word in words if re.match(rf"({'|'.join(ROOMS)}|\.ci)/[\w./-]*$", word)}
    missing = {word for word in missing if not (REPOSITORY / word).exists()}
    beside = set(re.findall(r"`([a-z_]+\.py)`", page.read_text()))
    assert missing | {word for word in beside if not list(page.parent.rglob(word))} == set()


def test_modules_are_there(page: Path) -> None:
    for module in re.findall(r"python -m ((?:fisherlens|tests)\.[\w.]*\w)", page.read_text()):
        path = REPOSITORY / module.removeprefix("fisherlens.").replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_commands_and_names_are_there(page: Path) -> None:
    commands = main.list_commands(None)  # type: ignore[arg-type]
    for line in quoted(page.read_text()):
        for command in re.findall(r"(?:^|/|&& )fisherlens ([a-z]+)\b", line):
            assert command in commands, line
        for name in re.findall(rf"^fisherlens\.(?:{'|'.join(ROOMS)})(?:\.\w+)+", line):
            assert resolve_name(name), line


def test_readme_is_short_and_begins_with_what_it_is_a_picture_and_two_commands() -> None:
    text = (REPOSITORY / "README.md").read_text()
    assert len(text.splitlines()) <= LONGEST
    screen = text.splitlines()[:24]
    assert screen[0] == "# Fisherlens"
    assert sum(line.startswith("![") for line in screen) == 1
    commands = re.findall(r"^python3 -m venv .*$", text, re.MULTILINE)
    assert [line.rpartition("/bin/")[2].split()[0] for line in commands] == ["fisherlens", "pytest"]
    assert set(commands) <= set(screen)


def test_no_file_pretends_that_there_is_a_licence() -> None:
    assert "has not chosen a licence yet." in (REPOSITORY / "README.md").read_text()
    assert not [path for path in REPOSITORY.glob("*") if re.match("licen[cs]e|copying", path.name, re.IGNORECASE)]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert not [key for key in project if key.startswith("license")]
    assert not [line for line in project.get("classifiers", []) if line.startswith("License")]


def test_the_page_of_the_export_has_every_head_check_map_and_option() -> None:
    words = {word for line in quoted((REPOSITORY / "export" / "README.md").read_text()) for word in line.split()}
    assert {*HEADS, *CHECKS, *MAPS} <= words
    assert {parameter.opts[0] for parameter in export_command.params if parameter.param_type_name == "option"} <= words


@pytest.mark.parametrize("room", ["edge", "export"])
def test_a_room_says_of_all_its_parts_what_they_do(room: str) -> None:
    told = import_module(f"fisherlens.{room}").__doc__ or ""
    assert {found.name for found in iter_modules([str(REPOSITORY / room)])} <= set(re.findall(r"`(\w+)`", told))
