"""The service from the outside: files in, lines out."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import onnx
import pytest

from fisherlens.edge import Runtime
from fisherlens.edge.bundle.manifest import METADATA_KEY
from fisherlens.edge.commands.serve import STOP_SECONDS
from fisherlens.edge.service.faults import STEPS

from ...bundles import run, usual_image
from .running import Running


def png(seed: int) -> bytes:
    return cv2.imencode(".png", usual_image(seed))[1].tobytes()


def test_a_file_in_the_inbox_becomes_a_delivered_verdict(
    service: Callable[..., Running], ensemble_bundle: Path, tmp_path: Path
) -> None:
    running = service()
    running.start()
    (running.inbox / "one.png").write_bytes(png(1))
    (running.inbox / "junk.dcm").write_bytes(b"nothing of the kind")
    running.wait_for(lambda: len(running.lines_read()) == 2, "two verdicts")
    assert running.stop() == 0
    found = {line["verdict"]["source"]: line["verdict"] for line in running.lines_read()}
    expected = Runtime.open(ensemble_bundle).score(usual_image(1))
    assert found["one.png"]["results"][0]["value"] == pytest.approx(expected.results[0].value, rel=1e-6)
    assert found["junk.dcm"]["outcome"] == "refused"
    assert sorted(path.name[17:] for path in (running.inbox / "taken").iterdir()) == ["junk.dcm", "one.png"]


@pytest.mark.parametrize("step", STEPS)
def test_a_power_cut_at_any_step_loses_nothing_and_doubles_nothing(service: Callable[..., Running], step: str) -> None:
    running = service()
    running.start(fault=f"{step}:2:KILL")
    for seed in range(4):
        (running.inbox / f"{seed}.png").write_bytes(png(seed))
    assert running.process is not None
    assert running.process.wait(60) == -signal.SIGKILL
    running.start()
    running.wait_for(lambda: not list(running.inbox.glob("*.png")), "all files taken")
    running.wait_for(lambda: running.store().outbox.counts() == {("file", "delivered"): 4}, "all verdicts delivered")
    assert running.stop() == 0
    verdicts = running.store().verdicts()
    assert sorted(verdict.source for _, verdict in verdicts) == ["0.png", "1.png", "2.png", "3.png"]
    assert {line["id"] for line in running.lines_read()} == {identifier for identifier, _ in verdicts}


def with_version(bundle: Path, version: str) -> bytes:
    """A bundle like this one of another version."""
    model = onnx.load(bundle)
    (entry,) = (entry for entry in model.metadata_props if entry.key == METADATA_KEY)
    manifest = json.loads(entry.value)
    entry.value = json.dumps({**manifest, "version": version})
    return model.SerializeToString()


def test_the_same_image_is_scored_once(service: Callable[..., Running]) -> None:
    running = service()
    running.start()
    for name in ("one.png", "again.png", "once more.png"):
        (running.inbox / name).write_bytes(png(1))
        running.wait_for(lambda name=name: not (running.inbox / name).exists(), "the file taken")  # type: ignore[misc]
    running.wait_for(lambda: running.store().outbox.counts() == {("file", "delivered"): 1}, "one verdict delivered")
    assert running.stop() == 0


def test_a_destination_that_is_away_gets_its_verdicts_when_it_is_back(service: Callable[..., Running]) -> None:
    running = service()
    running.configure()
    running.lines.mkdir()  # a folder in the file's place: nothing can be appended
    running.start()
    (running.inbox / "one.png").write_bytes(png(1))
    running.wait_for(lambda: "delivery to file: " in running.log.read_text(), "a failed delivery")
    running.lines.rmdir()
    running.wait_for(lambda: len(running.lines_read()) == 1, "the verdict delivered")
    assert running.stop() == 0


def test_a_file_that_is_still_being_written_is_waited_for(service: Callable[..., Running]) -> None:
    running = service()
    running.start()
    data = png(3)
    with (running.inbox / "slow.png").open("wb") as file:
        for start in range(0, len(data), len(data) // 8 + 1):
            file.write(data[start : start + len(data) // 8 + 1])
            file.flush()
            time.sleep(0.1)
    running.wait_for(lambda: len(running.lines_read()) == 1, "the verdict")
    assert running.lines_read()[0]["verdict"]["outcome"] != "refused"
    assert running.stop() == 0


def test_a_new_bundle_is_taken_up_and_a_bad_one_is_not(
    service: Callable[..., Running], ensemble_bundle: Path, tmp_path: Path
) -> None:
    running = service()
    running.bundle = Path(shutil.copy(ensemble_bundle, running.folder / "bundle.onnx"))
    running.start()
    (running.inbox / "one.png").write_bytes(png(1))
    running.wait_for(lambda: len(running.lines_read()) == 1, "the first verdict")
    assert running.process is not None
    running.bundle.write_bytes(b"no bundle")
    running.process.send_signal(signal.SIGHUP)
    running.wait_for(lambda: "not reloaded" in running.log.read_text(), "the refusal of the bad bundle")
    running.bundle.write_bytes(with_version(ensemble_bundle, "2.0"))
    running.process.send_signal(signal.SIGHUP)
    running.wait_for(lambda: "INFO reloaded" in running.log.read_text(), "the new bundle")
    (running.inbox / "one.png").write_bytes(png(1))
    running.wait_for(lambda: len(running.lines_read()) == 2, "the verdict by the new bundle")
    first, second = (line["verdict"] for line in running.lines_read())
    assert first["input_digest"] == second["input_digest"]
    assert (first["bundle"]["version"], second["bundle"]["version"]) == ("1", "2.0")
    running.bundle.write_bytes(with_version(ensemble_bundle, "1.9"))
    running.process.send_signal(signal.SIGHUP)
    running.wait_for(lambda: "Versions do not go back" in running.log.read_text(), "the refusal of an older bundle")
    running.bundle.write_bytes(with_version(ensemble_bundle, "2"))
    running.process.send_signal(signal.SIGHUP)
    running.wait_for(lambda: running.log.read_text().count("Versions do not go back") == 2, "that of another 2.0")
    assert running.stop() == 0
    assert "Versions do not go back" in run("serve", running.folder / "service.toml", expect=2)


def test_a_reload_of_other_changes_is_told_to_need_a_restart_and_a_broken_file_changes_nothing(
    service: Callable[..., Running],
) -> None:
    running = service()
    running.start()
    running.wait_for(lambda: "INFO started" in running.log.read_text(), "the start")
    assert running.process is not None
    running.extra = '[scoring]\nexplain = "always"'
    path = running.configure()
    running.process.send_signal(signal.SIGHUP)
    running.wait_for(
        lambda: "changes beside [bundle] take effect at the next start" in running.log.read_text(), "a word"
    )
    path.write_text("[bundle")
    running.process.send_signal(signal.SIGHUP)
    running.wait_for(lambda: "not reloaded: configuration" in running.log.read_text(), "a word about the broken file")
    (running.inbox / "one.png").write_bytes(png(1))
    running.wait_for(lambda: len(running.lines_read()) == 1, "the verdict")
    assert running.lines_read()[0]["verdict"]["map"] is None, "as it was configured at the start"
    assert running.stop() == 0


def test_an_image_is_finished_with_the_bundle_that_it_was_begun_with(
    service: Callable[..., Running], ensemble_bundle: Path
) -> None:
    running = service()
    running.bundle = Path(shutil.copy(ensemble_bundle, running.folder / "bundle.onnx"))
    running.start(fault="decoded:1:STOP")
    (running.inbox / "0.png").write_bytes(png(0))
    (running.inbox / "1.png").write_bytes(png(1))
    running.wait_for(running.is_stopped, "the step in the middle of the first image")
    beside = running.folder / "new.onnx"
    beside.write_bytes(with_version(ensemble_bundle, "2.0"))
    beside.replace(running.bundle)
    assert running.process is not None
    running.process.send_signal(signal.SIGHUP)
    running.process.send_signal(signal.SIGCONT)
    running.wait_for(lambda: "INFO reloaded" in running.log.read_text(), "the new bundle")
    (running.inbox / "2.png").write_bytes(png(2))
    running.wait_for(lambda: len(running.lines_read()) == 3, "three verdicts")
    assert running.stop() == 0
    versions = [line["verdict"]["bundle"]["version"] for line in running.lines_read()]
    assert (versions[0], versions[-1]) == ("1", "2.0")


def test_sigterm_ends_the_service_in_time_whatever_waits_and_the_next_one_goes_on(
    service: Callable[..., Running],
) -> None:
    running = service()
    running.configure()
    for seed in range(150):
        (running.inbox / f"{seed}.png").write_bytes(png(seed))
    running.start()
    running.wait_for(lambda: running.lines_read(), "the first verdict")
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < STOP_SECONDS
    assert len(running.lines_read()) < 150, "it was stopped in the middle"
    running.start()
    running.wait_for(lambda: running.store().outbox.counts() == {("file", "delivered"): 150}, "all verdicts")
    assert running.stop() == 0
    assert len({line["id"] for line in running.lines_read()}) == 150


def test_what_cannot_be_used_is_said_and_nothing_starts(tmp_path: Path, ensemble_bundle: Path) -> None:
    path = tmp_path / "service.toml"
    cases = {
        "": "missing required field `bundle`",
        "[bundle]\npath = 3\n[store]\nfolder = 'store'": r"$.bundle.path",
        f"[bundle]\npath = '{ensemble_bundle}'\n[store]\nfolder = 'store'\nsize = 3": "unknown field `size`",
        "[bundle]\npath = 'none.onnx'\n[store]\nfolder = 'store'": f"bundle {tmp_path / 'none.onnx'}: No such file",
        "[bundle": "service.toml",
    }
    for text, reason in cases.items():
        path.write_text(text)
        assert reason in run("serve", path, expect=2)
    assert "No such file" in run("serve", tmp_path / "none.toml", expect=2)


def test_a_line_that_a_crash_cut_off_is_ended_and_not_continued(service: Callable[..., Running]) -> None:
    running = service()
    running.configure()
    running.lines.write_bytes(b'{"id": "cut o')
    running.start()
    (running.inbox / "one.png").write_bytes(png(1))
    running.wait_for(lambda: len(running.lines_read()) == 1, "the verdict")
    assert running.stop() == 0
    assert len(running.lines.read_bytes().splitlines()) == 2
