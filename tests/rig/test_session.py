"""Recorded sessions are replayed bit for bit, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .session import Recorder, SessionRefused, frame_of, replay


@settings(deadline=None)
@given(contents=st.lists(st.binary(max_size=100), max_size=5))
def test_a_session_is_replayed_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("session")
    recorder = Recorder(folder / "kept")
    for number, content in enumerate(contents):
        path = folder / f"{number}.dcm"
        path.write_bytes(content)
        recorder.record(frame_of(path, f"1.2.{number}", "a frame", air_kerma=100.0, truth=(1.5, 0.25)))
        path.unlink()
    replayed = list(replay(folder / "kept")) if contents else []
    assert [frame.path.read_bytes() for frame in replayed] == contents
    assert [frame.identity for frame in replayed] == [f"1.2.{number}" for number in range(len(contents))]
    assert all(frame.truth == (1.5, 0.25) for frame in replayed)


def test_a_session_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "frame.dcm"
    path.write_bytes(b"a frame")
    kept = Recorder(tmp_path / "kept").record(frame_of(path, "1.2", "a frame"))
    kept.path.write_bytes(b"another")
    with pytest.raises(SessionRefused, match=r"00000\.dcm has sha256:.*, recorded was sha256:"):
        list(replay(tmp_path / "kept"))
    kept.path.unlink()
    with pytest.raises(SessionRefused, match="No such file"):
        list(replay(tmp_path / "kept"))
    with pytest.raises(SessionRefused, match=r"session\.json"):
        list(replay(tmp_path))
