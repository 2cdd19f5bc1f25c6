"""The serial number of the machine in what goes to archives."""

from __future__ import annotations

from pathlib import Path

from fisherlens.edge.service.destinations.machine import serial_number


def test_a_machine_keeps_its_number_which_does_not_tell_its_identity(tmp_path: Path) -> None:
    identity = tmp_path / "identity"
    identity.write_text("3d1219c7c4c5404aaa1f6d2a48adfda4\n")
    number = serial_number(identities=(tmp_path / "missing", identity))
    assert number == serial_number(identities=(identity,))
    assert number not in identity.read_text()
    identity.write_text("another")
    assert number != serial_number(identities=(identity,))


def test_a_machine_without_an_identity_is_given_one_that_stays(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
    assert serial_number(one, ()) == serial_number(one, ())
    assert serial_number(one, ()) != serial_number(other, ())
    assert serial_number(tmp_path / "missing", ()) == serial_number(None, ())
