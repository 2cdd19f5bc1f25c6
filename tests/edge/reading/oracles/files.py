"""Where the public files are from: packages that are installed, and source archives that pip fetches."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

from pydicom.data import get_testdata_files

ARCHIVES = ("pillow", "imagecodecs")
"""Packages whose source archives have test images."""
_PICTURES = (".png", ".apng", ".tif", ".tiff")


def dicom_files() -> list[Path]:
    """List every file that pydicom and pydicom-data carry, whatever it is."""
    return sorted({Path(path) for path in get_testdata_files() if Path(path).is_file()})


def pictures(folder: Path, fetch: bool) -> list[Path]:
    """List the PNG and TIFF files of the source archives in a folder. fetch: let pip put those there first."""
    if fetch:
        for package in ARCHIVES:
            _fetch(package, folder)
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PICTURES and path.is_file())


def _fetch(package: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pattern = f"{package}-{version(package)}.tar.gz"
    if not list(folder.glob(pattern)):
        wanted = f"{package}=={version(package)}"
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", package, "-d", str(folder), wanted]
        subprocess.run(pip, check=True)
    if not (folder / package).is_dir():
        with tarfile.open(folder / pattern) as archive:
            members = [member for member in archive if member.name.lower().endswith(_PICTURES)]
            archive.extractall(folder / package, members, filter="data")
