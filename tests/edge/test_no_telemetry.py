"""Nothing leaves the device, and nothing is written where it was not told to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ..bundles import usual_image


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (Debian: strace)")
def test_scoring_opens_no_connection_and_leaves_nothing_in_the_users_home(
    tmp_path: Path, ensemble_bundle: Path
) -> None:
    if subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not allow strace")
    home, image, trace = tmp_path / "home", tmp_path / "image.npy", tmp_path / "trace"
    home.mkdir()
    np.save(image, usual_image(1))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    command = [sys.executable, "-m", "fisherlens.edge.commands.main", "score", str(ensemble_bundle), str(image)]
    subprocess.run(
        ["strace", "-f", "-e", "trace=connect,sendto", "-o", str(trace), *command],
        env={**environment, "HOME": str(home)},
        check=True,
        capture_output=True,
    )
    assert list(home.rglob("*")) == []
    reached = [line for line in trace.read_text().splitlines() if "AF_INET" in line]
    assert reached == []
