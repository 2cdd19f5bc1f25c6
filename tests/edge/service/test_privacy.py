"""No patient's data leaves the image: the test looks for every such value in everything that was written."""

from __future__ import annotations

import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.dicom import write_dicom

from ...bundles import usual_image
from .ports import free_port
from .running import Running

pytestmark = pytest.mark.skipif(shutil.which("storescu") is None, reason="storescu is not installed (Debian: dcmtk)")
PATIENT = {
    "PatientName": "QUIGLEY^ZEBEDIAH", "PatientID": "PID-771-XQ", "PatientBirthDate": "19370214", "PatientAge": "089Y",
    "OtherPatientIDs": "OID-9182", "PatientAddress": "17 Larkspur Row", "PatientTelephoneNumbers": "555-0173",
    "PatientComments": "fell off a llama", "AccessionNumber": "ACC-40417", "StudyDescription": "follow-up llama",
    "StudyID": "STU-5521", "ReferringPhysicianName": "OKONKWO^ADA", "InstitutionName": "St Drogo's",
    "OperatorsName": "BRONTE^BRANWELL", "EthnicGroup": "zog", "Occupation": "llama keeper",
    "MilitaryRank": "corporal", "RequestingPhysician": "MIRZA^OMAR", "AdmissionID": "ADM-313",
}  # fmt: skip


def images(folder: Path) -> list[Path]:
    """A good image and bad ones, each with all of the patient's data, under the patient's name."""
    folder.mkdir()
    paths = []
    bad: list[dict[str, object]] = [
        {}, {"Modality": "CT"}, {"Rows": None}, {"PixelData": b"\0\0"}, {"NumberOfFrames": 77}, {"RescaleSlope": "0"}
    ]  # fmt: skip
    for seed, changes in enumerate(bad):
        path = folder / f"QUIGLEY ZEBEDIAH {seed}.dcm"
        write_dicom(path, (usual_image(seed) >> 2).astype(np.uint16), Exposure(), "usual")
        dataset = pydicom.dcmread(path)
        for keyword, value in {**PATIENT, **changes}.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)
        paths.append(path)
    # The patient's name where a number is expected, and a file that is cut off within it.
    data = paths[4].read_bytes()
    assert b"IS\x02\x0077" in data
    (folder / "QUIGLEY 6.dcm").write_bytes(data.replace(b"IS\x02\x0077", b"IS\x10\x00QUIGLEY^ZEBEDIAH"))
    (folder / "QUIGLEY 7.dcm").write_bytes(data[: data.index(b"QUIGLEY") + 4])
    return [*paths, folder / "QUIGLEY 6.dcm", folder / "QUIGLEY 7.dcm"]


def test_no_patients_data_stands_in_anything_that_the_service_writes(
    service: Callable[..., Running], tmp_path: Path
) -> None:
    dicom, http, nobody = free_port(), free_port(), free_port()
    (tmp_path / "token").write_text("0123456789abcdef")
    running = service(
        extra=f"""
        [source.http]
        port = {http}
        token-file = "{tmp_path / "token"}"
        [source.dicom]
        port = {dicom}
        peers = [{{ae-title = "MODALITY", address = "127.0.0.1"}}]
        [[destination.archive]]
        name = "archive"
        host = "127.0.0.1"
        port = {nobody}
        ae-title = "NOBODY"
        [[destination.mqtt]]
        name = "broker"
        host = "127.0.0.1"
        port = {nobody}
        topic = "verdicts"
        """
    )
    paths = images(tmp_path / "images")
    running.start()
    running.wait_for(lambda: "INFO started" in running.log.read_text(), "the start")
    for path in paths:
        shutil.copy(path, running.inbox / path.name)
    # Files first: what is known by another name already would not be kept by its own.
    running.wait_for(lambda: not list(running.inbox.glob("*.dcm")), "all files taken")
    subprocess.run(
        ["storescu", "-aet", "MODALITY", "-aec", "FISHERLENS", "127.0.0.1", str(dicom), *paths[:2]], check=False
    )
    answers = [posted(http, path) for path in paths]
    running.wait_for(lambda: running.store().waiting_count() == 0, "all images scored")
    running.wait_for(lambda: len(running.lines_read()) == len(running.store().verdicts()), "the lines")
    running.wait_for(lambda: running.log.read_text().count("again in") >= 2, "failed deliveries")
    answers += [read(http, "/metrics"), read(http, "/health")]
    assert running.stop() == 0
    assert len(running.store().verdicts()) >= len(paths)
    written = {
        path.name: path.read_bytes()
        for path in running.folder.rglob("*")
        if path.is_file() and "images" not in path.parts and "taken" not in path.parts
    }
    assert {"log.txt", "verdicts.jsonl", "store.sqlite"} <= set(written)
    for number, answer in enumerate(answers):
        written[f"answer {number}"] = answer
    for value in {part for whole in PATIENT.values() for part in (whole, *whole.split("^"))}:
        for name, text in written.items():
            assert value.encode() not in text, (value, name)


def posted(port: int, path: Path) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/images", path.read_bytes(), {"Authorization": "Bearer 0123456789abcdef"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


def read(port: int, path: str) -> bytes:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        return error.read()
