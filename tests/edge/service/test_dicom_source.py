"""C-STORE by a public client: dcmtk's storescu and echoscu, as modalities."""

from __future__ import annotations

import shutil
import subprocess
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


@pytest.fixture
def port() -> int:
    return free_port()


def table(port: int, extra: str = "") -> str:
    return f"""
        [source.dicom]
        port = {port}
        {extra}
        peers = [{{ae-title = "MODALITY", address = "127.0.0.1"}}]
        """


def started(service: Callable[..., Running], extra: str, store_table: str = "") -> Running:
    running = service(extra=extra, store_table=store_table)
    running.start()
    running.wait_for(lambda: "INFO started" in running.log.read_text(), "the start")
    return running


def images(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    paths = []
    for seed in range(count):
        paths.append(folder / f"{seed}.dcm")
        write_dicom(paths[-1], (usual_image(seed) >> 2).astype(np.uint16), Exposure(), "usual")
    return paths


def storescu(port: int, *arguments: object, title: str = "MODALITY", called: str = "FISHERLENS") -> str:
    command = ["storescu", "-v", "-aet", title, "-aec", called, "127.0.0.1", str(port), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return f"{result.returncode} {result.stdout} {result.stderr}"


def test_images_sent_by_storescu_become_verdicts(service: Callable[..., Running], port: int, tmp_path: Path) -> None:
    running = started(service, table(port))
    paths = images(tmp_path / "sent", 5)
    said = storescu(port, *paths)
    assert said.startswith("0 ")
    assert said.count("Received Store Response (Success)") == 5
    running.wait_for(lambda: len(running.lines_read()) == 5, "five verdicts")
    assert running.stop() == 0
    sources = {line["verdict"]["source"] for line in running.lines_read()}
    assert sources == {pydicom.dcmread(path).SOPInstanceUID for path in paths}


def test_the_bytes_that_are_kept_are_the_image_that_was_sent(
    service: Callable[..., Running], port: int, tmp_path: Path
) -> None:
    running = started(service, table(port))
    (path,) = images(tmp_path / "sent", 1)
    storescu(port, path)
    running.wait_for(lambda: len(running.lines_read()) == 1, "the verdict")
    digest = running.lines_read()[0]["verdict"]["input_digest"]
    kept = pydicom.dcmread(running.store().path_of(digest))
    sent = pydicom.dcmread(path)
    assert kept.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
    assert kept == sent
    storescu(port, path)
    assert running.stop() == 0
    assert len(running.store().verdicts()) == 1


def test_who_is_not_configured_is_rejected(service: Callable[..., Running], port: int, tmp_path: Path) -> None:
    running = started(
        service, table(port).replace('"127.0.0.1"}', '"192.0.2.1"}, {ae-title = "OTHER", address = "127.0.0.1"}')
    )
    (path,) = images(tmp_path / "sent", 1)
    for title, called in (("MODALITY", "FISHERLENS"), ("STRANGER", "FISHERLENS"), ("OTHER", "SOMEBODY")):
        assert "Association Rejected" in storescu(port, path, title=title, called=called), title
    assert storescu(port, path, title="OTHER").startswith("0 ")
    assert running.stop() == 0


def test_a_full_spool_is_said_to_the_modality_and_images_are_taken_again_later(
    service: Callable[..., Running], port: int, tmp_path: Path
) -> None:
    running = started(service, table(port), store_table="most-waiting-bytes = 1000")
    (path,) = images(tmp_path / "sent", 1)
    said = storescu(port, path)
    assert "OutOfResources" in said or "0xa700" in said.lower()
    assert running.stop() == 0
    assert running.store().verdicts() == []
    running.store_table = ""
    running.start()
    running.wait_for(lambda: running.log.read_text().count("INFO started") == 2, "the second start")
    assert storescu(port, path).startswith("0 ")
    assert running.stop() == 0


def test_echoscu_gets_its_answer(service: Callable[..., Running], port: int) -> None:
    running = started(service, table(port))
    command = ["echoscu", "-aet", "MODALITY", "-aec", "FISHERLENS", "127.0.0.1", str(port)]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    assert running.stop() == 0


def test_many_associations_at_once_lose_nothing(service: Callable[..., Running], port: int, tmp_path: Path) -> None:
    running = started(service, table(port))
    paths = images(tmp_path / "sent", 24)
    command = ["storescu", "-aet", "MODALITY", "-aec", "FISHERLENS", "127.0.0.1", str(port)]
    clients = [subprocess.Popen([*command, *map(str, paths[i::6])]) for i in range(6)]
    assert [client.wait(60) for client in clients] == [0] * 6
    running.wait_for(lambda: len(running.lines_read()) == 24, "all verdicts")
    assert running.stop() == 0
