"""Programmes of others that judge DICOM objects: dicom3tools' dciodvfy and dcentvfy, dcmtk's dsrdump."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

needs_validators = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("dciodvfy", "dcentvfy", "dsrdump")),
    reason="dciodvfy, dcentvfy, dsrdump are not installed (Debian: dicom3tools, dcmtk)",
)
WRONG_COMPLAINTS = {
    # PS3.5 6.2 counts a person's name and strings in characters; dciodvfy counts the bytes of UTF-8.
    r"Error - Value invalid for this VR - .*<.*[^\x00-\x7f].*> - Length invalid for this VR = .*",
    # The summary after the one above.
    r"Error - Dicom dataset contains invalid data values for Value Representations",
}
"""Complaints that are themselves wrong. Also, dcentvfy compares the bytes of names in images of another character set
than ours; so the tests give it images in ISO_IR 192."""


def errors_in(path: Path) -> list[str]:
    """The errors that dciodvfy finds in one object."""
    return _errors(_said("dciodvfy", path))


def errors_between(paths: Sequence[Path]) -> list[str]:
    """The errors that dcentvfy finds in objects of one study."""
    return _errors(_said("dcentvfy", *paths))


def dump(path: Path) -> str:
    """A report as dsrdump reads it, which must go without an error."""
    result = subprocess.run(["dsrdump", "+U8", path], capture_output=True, check=False)
    said = result.stderr.decode(errors="replace")
    assert result.returncode == 0, said
    assert not [line for line in said.splitlines() if line.startswith(("E:", "F:"))]
    return result.stdout.decode()


def _said(*command: object) -> str:
    result = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    return (result.stdout + result.stderr).decode(errors="replace")


def _errors(said: str) -> list[str]:
    errors = [line for line in said.splitlines() if line.startswith("Error")]
    wrong = [line for line in errors if any(re.fullmatch(pattern, line) for pattern in WRONG_COMPLAINTS)]
    # The summary is wrong only where a complaint that it sums up is.
    return [line for line in errors if line not in wrong or len(wrong) < 2]
