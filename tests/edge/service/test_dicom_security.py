"""Who and what the DICOM receiver lets in: by dcmtk's clients, and by bytes that no client sends."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .certificates import Authority, Certified
from .ports import free_port
from .running import Running
from .test_dicom_source import images, started, storescu, table

pytestmark = pytest.mark.skipif(shutil.which("storescu") is None, reason="storescu is not installed (Debian: dcmtk)")
P_DATA_TF, A_ASSOCIATE_RQ = 0x04, 0x01


@pytest.fixture
def port() -> int:
    return free_port()


def test_a_connection_from_elsewhere_is_closed_before_a_byte_of_it_is_read(
    service: Callable[..., Running], port: int
) -> None:
    running = started(service, table(port).replace("127.0.0.1", "192.0.2.1"))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        assert connection.recv(1) == b""
    assert "not among the configured peers" in running.log.read_text()
    assert running.stop() == 0


@pytest.mark.parametrize("kind", [A_ASSOCIATE_RQ, P_DATA_TF, 0xEE])
def test_a_pdu_of_boundless_length_is_not_read(service: Callable[..., Running], port: int, kind: int) -> None:
    running = started(service, table(port))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(struct.pack(">BBL", kind, 0, 2**32 - 1))
        assert connection.recv(2**16)[:1] in (b"", b"\x07")  # closed, or an A-ABORT
    assert storescu(port, *images(running.folder / "sent", 1)).startswith("0 ")
    assert running.stop() == 0


def test_a_peer_that_stops_in_the_middle_of_a_pdu_does_not_hold_its_place(
    service: Callable[..., Running], port: int
) -> None:
    running = started(service, table(port, "most-associations = 1\nidle-seconds = 1.0"))
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(struct.pack(">BBL", A_ASSOCIATE_RQ, 0, 200) + b"\x00\x01")
        assert connection.recv(2**16)[:1] in (b"", b"\x07")
    assert storescu(port, *images(running.folder / "sent", 1)).startswith("0 ")
    assert running.stop() == 0


def test_an_image_larger_than_may_be_taken_ends_its_association(
    service: Callable[..., Running], port: int, tmp_path: Path
) -> None:
    running = started(service, table(port), store_table="most-image-bytes = 1000")
    (path,) = images(tmp_path / "sent", 1)
    assert "Success" not in storescu(port, path)
    assert "expected at most 1,000" in running.log.read_text()
    with path.open("ab") as file:
        file.write(struct.pack("<HH2sHL", 0x7FE1, 0x1001, b"OB", 0, 4 * 2**20) + bytes(4 * 2**20))
    assert not storescu(port, path).startswith("0 ")
    running.wait_for(lambda: "DICOM association ended" in running.log.read_text(), "the end of the association")
    assert running.stop() == 0
    assert running.store().verdicts() == []


def over_tls(port: int, path: Path, client: Certified | None, authority: Authority) -> int:
    """Send by storescu; without a certificate of its own where there is none."""
    own = ["+tls", str(client.key), str(client.certificate)] if client else ["+tla"]
    command = ["storescu", *own, "+cf", str(authority.certificate), "-aet", "MODALITY", "-aec", "FISHERLENS"]
    return subprocess.run([*command, "127.0.0.1", str(port), str(path)], timeout=60, check=False).returncode


def test_over_tls_only_clients_with_a_certificate_of_the_authority_are_let_in(
    service: Callable[..., Running], port: int, tmp_path: Path
) -> None:
    ours, theirs = Authority(tmp_path, "hospital"), Authority(tmp_path, "elsewhere")
    server = ours.certify("server")
    running = started(
        service,
        table(port)
        + f"""
        [source.dicom.tls]
        certificate = "{server.certificate}"
        key = "{server.key}"
        authorities = "{ours.certificate}"
        """,
    )
    (path,) = images(tmp_path / "sent", 1)
    assert over_tls(port, path, theirs.certify("modality"), ours) != 0
    assert over_tls(port, path, None, ours) != 0
    assert not storescu(port, path).startswith("0 "), "without TLS"
    assert over_tls(port, path, ours.certify("modality"), ours) == 0
    running.wait_for(lambda: len(running.lines_read()) == 1, "the verdict")
    assert running.stop() == 0
