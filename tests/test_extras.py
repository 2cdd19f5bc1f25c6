"""Each extra brings what the commands that need it import."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points, packages_distributions, requires
from importlib.util import find_spec
from pathlib import Path

import pytest

from fisherlens.edge.commands.main import GROUP

WHILE_THEY_RUN = {"demo": ("fisherlens.models.mammography.demo", "fisherlens.models.form.demo")}
LOADED = {
    point.name: (point.extras[0] if point.extras else None, (point.module, *WHILE_THEY_RUN.get(point.name, ())))
    for point in entry_points(group=GROUP)
}
LOADED["offline"] = "deploy", ("fisherlens.deploy.offline.packing",)
DISTRIBUTIONS = packages_distributions()


def declared(extra: str | None) -> Iterator[str]:
    """Distributions that pip is asked for, for the package with an extra."""
    for text in requires("fisherlens") or ():
        name, inner, of = re.fullmatch(r"([\w.-]+)(?:\[(.*?)\])?.*?(?:extra == .(\w+).)?", text).groups()  # type: ignore[union-attr]
        if of not in (None, extra):
            continue
        if name == "fisherlens":
            for further in inner.split(","):
                yield from declared(further)
        else:
            yield canonical(name)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(module: str) -> Iterator[str]:
    """Top-level names of what a module imports when it is imported itself."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    for node in ast.parse(Path(spec.origin).read_text()).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [str(node.module)]
        yield from (name.partition(".")[0] for name in names)


@pytest.mark.parametrize("name", sorted(LOADED))
def test_a_commands_extra_asks_for_all_that_the_command_imports(name: str) -> None:
    extra, modules = LOADED[name]
    script = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script, *modules], capture_output=True, text=True, check=True)
    ours = [module for module in run.stdout.split() if module.startswith("fisherlens.")]
    names = {found for module in ours for found in imported(module)} - sys.stdlib_module_names - {"fisherlens"}
    asked = set(declared(extra))
    lacking = {found for found in names if not asked & {canonical(one) for one in DISTRIBUTIONS.get(found, ())}}
    assert lacking == set()
