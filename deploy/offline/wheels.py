"""Every wheel that the device needs, for every platform, fetched and built by pip."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

EXTRAS = "service,mqtt"
"""Extras of the project that are in it. `camera` needs the system's own GObject introspection, and is left out."""


@dataclass(frozen=True)
class Platform:
    """One kind of machine. tags: platform tags of wheels that run on it (PEP 600, PEP 425), the newest first."""

    name: str
    tags: tuple[str, ...]


PLATFORMS = (
    Platform("linux-x86_64", ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")),
    Platform("linux-aarch64", ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")),
    Platform("windows-amd64", ("win_amd64",)),
)


class WheelsMissing(Exception):
    """Failure of pip to fetch or build a wheel that is needed."""


def build_own(project: Path, out: Path) -> Path:
    """Build the project's own wheel into `out`. Raises WheelsMissing."""
    _pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(project))
    (wheel,) = out.glob("fisherlens-*.whl")
    return wheel


def fetch(own: Path, platform: Platform, python: str, out: Path) -> None:
    """Fetch what the project's wheel depends on into `out`, for one platform and version of Python ("3.11").
    Raises WheelsMissing."""
    tags = [option for tag in platform.tags for option in ("--platform", tag)]
    version = ["--python-version", python, "--implementation", "cp", "--only-binary=:all:"]
    _pip("download", "--quiet", *tags, *version, "--dest", str(out), f"{own}[{EXTRAS}]")
    (out / own.name).unlink()  # pip copies the project's wheel too, which the installer has once


def _pip(*arguments: str) -> None:
    result = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise WheelsMissing(f"pip {arguments[0]}: {result.stderr.strip().splitlines()[-1:] or 'failed'}")
