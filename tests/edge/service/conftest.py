"""Services that the tests of this folder start, ended whatever a test does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .running import Running


@pytest.fixture
def service(tmp_path: Path, ensemble_bundle: Path) -> Iterator[Callable[..., Running]]:
    """Makes services, each in a folder of its own; `start` is the test's."""
    made: list[Running] = []

    def make(**fields: str) -> Running:
        folder = tmp_path / f"service{len(made)}"
        folder.mkdir()
        made.append(Running(folder, ensemble_bundle, **fields))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for running in made:
        if running.process is not None and running.process.poll() is None:
            running.process.kill()
            running.process.wait()
