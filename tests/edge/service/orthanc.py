"""Orthanc, a DICOM archive that tests start."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

ORTHANC = shutil.which("Orthanc") or "/usr/sbin/Orthanc"


@dataclass
class Orthanc:
    """One archive in a folder. settings: of its configuration, beside those that every test needs."""

    folder: Path
    http: int
    dicom: int
    settings: dict[str, object] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def table(self) -> str:
        """Of a configuration that delivers to it."""
        return f"""
        [[destination.archive]]
        name = "archive"
        host = "127.0.0.1"
        port = {self.dicom}
        ae-title = "ARCHIVE"
        seconds = 3.0
        """

    def start(self) -> None:
        settings = {
            "Name": "test", "StorageDirectory": str(self.folder), "IndexDirectory": str(self.folder),
            "HttpPort": self.http, "DicomPort": self.dicom, "DicomAet": "ARCHIVE", "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False, "Plugins": [],
            **self.settings,
        }  # fmt: skip
        self.folder.mkdir(exist_ok=True)
        configuration = self.folder / "orthanc.json"
        configuration.write_text(json.dumps(settings))
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen([ORTHANC, configuration], stdout=log, stderr=log)
        end = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(30)

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as answer:
            return answer.read()

    def instances(self, folder: Path) -> list[pydicom.FileDataset]:
        """All that it holds."""
        found = []
        for identifier in json.loads(self.get("/instances")):
            path = folder / f"{identifier}.dcm"
            path.write_bytes(self.get(f"/instances/{identifier}/file"))
            found.append(pydicom.dcmread(path))
        return found

    def _answers(self) -> bool:
        try:
            return bool(self.get("/system"))
        except OSError:
            return False
