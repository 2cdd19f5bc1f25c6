"""A DICOMweb archive: Orthanc with its plugin, and one that is slow, fails or talks nonsense."""

from __future__ import annotations

import http.server
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import duckdb
import pydicom
import pytest

from fisherlens.deploy.rollout.dataset import relation
from fisherlens.deploy.rollout.errors import RolloutRefused
from fisherlens.deploy.rollout.rescore import RescoreRequest, rescore
from fisherlens.deploy.rollout.sources import dicomweb
from fisherlens.deploy.rollout.sources.dicomweb import DicomWeb
from fisherlens.edge import Runtime

from ...edge.service.orthanc import ORTHANC, Orthanc
from ...edge.service.ports import free_port

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
KEPT = 6
SETTINGS: dict[str, object] = {"Plugins": [str(PLUGIN)], "DicomWeb": {"Enable": True}}


@pytest.fixture(scope="module")
def orthanc(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an archive with KEPT usual images and one of another modality."""
    if not Path(ORTHANC).exists() or not PLUGIN.exists():
        pytest.skip("Orthanc with DICOMweb is not installed (Debian: orthanc, orthanc-dicomweb)")
    server = Orthanc(
        tmp_path_factory.mktemp("orthanc"), free_port(), free_port(), SETTINGS
    )  # fmt: skip
    server.start()
    for path in [*sorted(archive.rglob("0*.dcm"))[:KEPT], archive / "other.dcm"]:
        request = urllib.request.Request(f"http://127.0.0.1:{server.http}/instances", path.read_bytes())
        urllib.request.urlopen(request, timeout=20).close()
    yield f"http://127.0.0.1:{server.http}/dicom-web"
    server.stop()


def selected(columns: str, out: Path) -> list[tuple]:
    rows: list[tuple] = duckdb.connect().execute(f"SELECT {columns} FROM {relation(out)}").fetchall()
    return rows


def test_an_archive_is_listed_and_scored(
    orthanc: str, archive: Path, dicom_bundle: Path, cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dicomweb, "_PAGE", 2)
    assert len(list(DicomWeb(orthanc).locations())) == KEPT + 1
    rescore(RescoreRequest(DicomWeb(orthanc, {"Modality": "MG"}), dicom_bundle, tmp_path / "out", workers=1))
    found = selected("source, outcome, results[1].value, location", tmp_path / "out")
    runtime = Runtime.open(dicom_bundle)
    own = {}
    for path in sorted(archive.rglob("0*.dcm"))[:KEPT]:
        (verdict,) = runtime.score_file(path)
        own[str(pydicom.dcmread(path).SOPInstanceUID)] = (
            verdict.outcome,
            pytest.approx(verdict.results[0].value, rel=1e-5),
        )
    assert {source: (outcome, value) for source, outcome, value, _ in found} == own
    assert all(location.startswith(orthanc) for *_, location in found)
    again = rescore(RescoreRequest(DicomWeb(orthanc), dicom_bundle, tmp_path / "out", workers=1))
    assert again.known == KEPT
    assert again.outcomes == {"refused": 1}


WELL, BROKEN, TIRED, SLOW, NONSENSE, EMPTY = (f"1.9.{number}" for number in range(6))


class Moody(http.server.BaseHTTPRequestHandler):
    """An archive of one study: what it answers depends on the instance."""

    served: dict[str, bytes]
    asked: dict[str, int]
    ill: bool

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2].partition("?")[0]
        self.asked[name] = self.asked.get(name, 0) + 1
        if name == "instances":
            offset = int(parse_qs(urlsplit(self.path).query)["offset"][0])
            page = [*self.served][offset : offset + 4]  # fewer than it is asked for
            listed = [_listed(instance) for instance in page]
            return self._answer(200, json.dumps(listed).encode(), "application/dicom+json")
        if name == SLOW and self.ill:
            time.sleep(3)
        if self.ill and (name == BROKEN or (name == TIRED and self.asked[name] < 3)):
            return self._answer(503, b"", "text/plain")
        if name == NONSENSE and self.ill:
            return self._answer(200, b"no multipart", "text/plain")
        content = b"" if name == EMPTY and self.ill else self.served[name]
        body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--b--\r\n"
        return self._answer(200, body, 'multipart/related; type="application/dicom"; boundary=b')

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _listed(instance: str) -> dict[str, object]:
    values = {"0020000D": "1.2", "0020000E": "1.3", "00080018": instance}
    return {tag: {"vr": "UI", "Value": [value]} for tag, value in values.items()}


def test_an_archive_that_fails_gives_refused_records_and_is_asked_again(
    archive: Path, dicom_bundle: Path, cluster: None, tmp_path: Path
) -> None:
    paths = iter(sorted(archive.rglob("0*.dcm")))
    names = (WELL, BROKEN, TIRED, SLOW, NONSENSE, EMPTY)
    Moody.served, Moody.ill = {name: next(paths).read_bytes() for name in names}, True
    Moody.asked = {}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    source = DicomWeb(f"http://127.0.0.1:{server.server_port}", seconds=1.0, attempts=3)
    asked = RescoreRequest(source, dicom_bundle, tmp_path / "out", workers=1, part_images=8)
    rescore(asked)
    found = dict(selected("split_part(location, '/', -1), reasons", tmp_path / "out"))
    assert found[WELL] == found[TIRED] == []
    assert "did not answer within 1 s" in found[SLOW][0]
    assert "WADO-RS answered 503" in found[BROKEN][0]
    assert "not a valid DICOMweb answer" in found[NONSENSE][0]
    assert "not a valid DICOMweb answer" in found[EMPTY][0]
    Moody.ill = False
    again = rescore(asked)
    assert (again.known, again.outcomes) == (2, {"accepted": 4})
    server.shutdown()
    kept = dict(selected("split_part(location, '/', -1), outcome", tmp_path / "out"))
    assert kept == dict.fromkeys(names, "accepted"), "the part that was completed has kept what it had"


def test_an_archive_that_is_away_is_said(dicom_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(RolloutRefused, match="QIDO-RS: ConnectionError"):
        rescore(RescoreRequest(DicomWeb("http://127.0.0.1:9", attempts=2), dicom_bundle, tmp_path / "out"))
