"""What `fisherlens` says of its commands, without loading them."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points

import click
import pytest

from fisherlens.edge.commands import extras
from fisherlens.edge.commands.extras import ExtraMissing, missing, needing
from fisherlens.edge.commands.main import GROUP, main

COMMANDS = sorted(entry_points(group=GROUP))
HEAVY = {"cv2", "duckdb", "fisherlens.edge.runtime", "matplotlib", "numpy", "onnx", "onnxruntime", "pydicom", "ray",
         "rich", "scipy", "torch"}  # fmt: skip


def test_help_names_every_command_and_loads_none() -> None:
    script = (
        "import sys\nfrom fisherlens.edge.commands.main import main\n"
        "main(['--help'], standalone_mode=False)\nprint(*sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    *text, loaded = said.splitlines()
    listed = [line.split()[0] for line in text[text.index("Commands:") + 1 :] if line.strip()]
    assert listed == [point.name for point in COMMANDS]
    assert not HEAVY & {*loaded.split()}


@pytest.mark.parametrize("point", COMMANDS, ids=lambda point: point.name)
def test_help_says_of_a_command_what_the_command_says_of_itself(point: EntryPoint) -> None:
    assert isinstance(main, click.Group)
    shown = main.get_command(click.Context(main), point.name)
    assert shown is not None
    assert shown.get_short_help_str() == point.load().get_short_help_str() != ""


def test_of_an_extra_all_that_is_not_installed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [
        'a>=1; extra == "one"',
        'click; extra == "one"',
        'fisherlens[two, three]; extra == "one"',
        'b-c[d]>=2; python_version > "3" and extra == "two"',
        'e; extra == "three"',
        'f; extra == "onetwo"',
        "g",
    ]
    monkeypatch.setattr(extras, "requires", lambda package: asked)
    assert missing("one") == ["a", "b-c", "e"]
    with pytest.raises(ExtraMissing, match=r"cook needs a, .*'fisherlens\[one\]'"), needing("one", "cook"):
        raise ModuleNotFoundError(name="a")


@pytest.mark.parametrize(
    ("name", "extra"),
    [("fisherlens.nowhere", "absent"), ("own.network", "present"), ("numpy", None)],
    ids=["of ours", "of the user", "of a command without an extra"],
)
def test_a_fault_stays_a_fault(name: str, extra: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "requires", lambda package: ['nowhere-to-be-found; extra == "absent"'])
    with pytest.raises(ModuleNotFoundError), needing(extra, "cook"):
        raise ModuleNotFoundError(name=name)
