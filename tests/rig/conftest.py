"""What must be on a machine for a rig to run on it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from ..conftest import FORBIDDEN

_PACKAGES = {
    "Orthanc": "orthanc", "insmod": "kmod", "ip": "iproute2", "linux.uml": "user-mode-linux", "mkfs.ext4": "e2fsprogs",
    "sshd": "openssh-server", "storescu": "dcmtk", "strace": "strace",
}  # fmt: skip
_SIMULATED = ("Orthanc", "insmod", "ip", "linux.uml", "mkfs.ext4", "storescu", "strace")
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def require(*programs: str) -> None:
    """Skip a test whose programs are not there, or that needs root."""
    if os.geteuid() != 0:
        pytest.skip(f"{FORBIDDEN} a rig (root may mount a disk and make a network)")
    missing = [_PACKAGES.get(program, program) for program in programs if not shutil.which(program, path=_PATH)]
    if missing:
        pytest.skip(f"not installed (Debian: {', '.join(missing)})")


@pytest.fixture(scope="module")
def simulated_rig() -> Iterator[None]:
    """Skips what runs on the simulated rig where that cannot run; other processes of the suite (`-n 2`) wait for it."""
    require(*_SIMULATED)
    with FileLock(Path(tempfile.gettempdir()) / "fisherlens-rig-tests.lock"):
        yield
