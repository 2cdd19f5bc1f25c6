"""Probes of somebody who means ill: refused, and the service goes on measuring."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from fisherlens.edge.bundle.signature import sign

from ...edge.malformed import MALFORMED
from ..drivers.web import HttpEndpoint
from ..evidence import Evidence
from ..materials import a_version_later, private_key
from ..protocols import DicomPeerProtocol
from ..station import Station

PART = "security probes"
_PROBE = "probe-"


@pytest.fixture
def endpoint(station: Station) -> HttpEndpoint:
    return station.resource("HttpEndpoint")


def _status(url: str, data: bytes | None = None, **headers: str) -> int:
    request = urllib.request.Request(url, data, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def _still_measures(station: Station, evidence: Evidence, subject: str) -> None:
    sent = station.send(station.image())
    station.wait_for(sent)
    found = station.account(sent)
    wrong = [*found.lost, *found.different] or ([] if found.acknowledged else ["not acknowledged"])
    evidence.judge_none(PART, subject, "wrong with the next image", wrong)


def test_who_is_not_known_is_not_let_in(station: Station, endpoint: HttpEndpoint, evidence: Evidence) -> None:
    frame, node = station.image(), station.resource("DicomNode")
    titles = ((node.calling_ae_title, node.ae_title), ("STRANGER", node.ae_title), (node.calling_ae_title, "SOMEBODY"))
    for calling, called in titles:
        is_let_in = station.driver(DicomPeerProtocol).is_let_in(frame, calling, called)
        expected = (calling, called) == titles[0]
        evidence.judge(PART, f"AE title {calling} to {called}", "let in", is_let_in, expected, is_let_in == expected)
    station.wait_for(station.send(frame))
    data = b"an image"  # a short one: who is refused is not listened to
    for subject, headers in (("no token", {}), ("wrong token", {"Authorization": "Bearer 0000000000000000"})):
        status = _status(f"{endpoint.images}/images", data, **headers)
        evidence.judge(PART, f"HTTP with {subject}", "status", status, 401, status == 401)
    status = _status(f"{endpoint.page}/", Host="evil.example")
    evidence.judge(PART, "page under another host's name", "status", status, 400, status == 400)


def test_malformed_images_are_refused(
    station: Station, endpoint: HttpEndpoint, evidence: Evidence, tmp_path: Path
) -> None:
    _still_measures(station, evidence, "before malformed files")
    token = Path(endpoint.token).read_text().strip()
    statuses: dict[str, int] = {}
    for number, (name, (make, _)) in enumerate(MALFORMED.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = make(folder)
        if path.is_file() and path.stat().st_size:
            url = f"{endpoint.images}/images?name={_PROBE}{number}"
            statuses[name] = _status(url, path.read_bytes(), Authorization=f"Bearer {token}")
    subject = f"{len(statuses)} malformed files"
    _still_measures(station, evidence, subject)
    told = [line.verdict for line in station.service.verdicts() if line.verdict.source.startswith(_PROBE)]
    measured = [verdict.source for verdict in told if verdict.outcome != "refused"]
    odd = [f"{name}: {status}" for name, status in statuses.items() if status != 202]
    evidence.judge_none(PART, subject, "measured", measured)
    evidence.judge_none(PART, subject, "not taken and refused in words", odd)


def test_paths_in_names_lead_nowhere(station: Station, endpoint: HttpEndpoint, evidence: Evidence) -> None:
    for path in ("/images/../../etc/passwd", "/images/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/verdicts/../../token"):
        status = _status(f"{endpoint.images}{path}")
        evidence.judge(PART, path, "status", status, "400 to 404", 400 <= status <= 404)


def test_connections_that_say_nothing_block_nobody(station: Station, evidence: Evidence) -> None:
    node = station.resource("DicomNode")
    silent = [socket.create_connection((node.host, node.port), timeout=10) for _ in range(5)]
    try:
        _still_measures(station, evidence, "5 silent connections")
    finally:
        for connection in silent:
            connection.close()


def test_a_bundle_with_a_changed_bit_is_not_taken(in_order: Station, evidence: Evidence, work: Path) -> None:
    tampered = work / "tampered.onnx"
    data = bytearray((work / "main.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    tampered.write_bytes(data)
    _refused(in_order, evidence, work, "bundle with a changed bit", tampered, work / "main.onnx.sig")


def test_a_bundle_that_a_stranger_signed_is_not_taken(in_order: Station, evidence: Evidence, work: Path) -> None:
    """In all else it is a bundle as it should be."""
    strange = work / "strange.onnx"
    strange.write_bytes(a_version_later((work / "main.onnx").read_bytes(), 2))
    (work / "stranger.pem").write_bytes(private_key())
    _refused(in_order, evidence, work, "bundle signed by a stranger", strange, sign(strange, work / "stranger.pem"))


def _refused(station: Station, evidence: Evidence, work: Path, subject: str, bundle: Path, signature: Path) -> None:
    taken = station.service.swap(bundle, signature)
    evidence.judge(PART, subject, "taken", taken, False, not taken)
    _still_measures(station, evidence, subject)
    again = station.swap_back(work)
    evidence.judge(PART, subject, "the right one again", again, True, again)
