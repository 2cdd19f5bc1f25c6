"""Paths as lines of JSON on standard input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from fisherlens.edge.digest import digest_of

from .running import Running
from .test_service import png


def test_every_line_is_answered_once_its_image_is_kept(service: Callable[..., Running], tmp_path: Path) -> None:
    running = service(extra='[source.standard-input]\nfolder = "images"', store_table="most-image-bytes = 100000")
    running.piped = True
    images = running.folder / "images"
    images.mkdir()
    (images / "one.png").write_bytes(png(1))
    (images / "huge.png").write_bytes(bytes(100_001))
    (tmp_path / "outside.png").write_bytes(png(2))
    running.start()
    assert running.process is not None
    assert running.process.stdin is not None
    assert running.process.stdout is not None
    lines = {
        json.dumps({"path": "one.png"}): ("digest", digest_of(png(1))),
        json.dumps({"path": str(images / "one.png")}): ("digest", digest_of(png(1))),
        json.dumps({"path": "none.png"}): ("error", "no such file"),
        json.dumps({"path": "huge.png"}): ("error", "100,001 bytes, expected at most 100,000"),
        json.dumps({"path": "../../outside.png"}): ("error", "leads out of the configured folder"),
        json.dumps({"file": "one.png"}): ("error", "unknown field `file`"),
        json.dumps({"path": "a\0b"}): ("error", "null"),
        "not JSON": ("error", "expected {"),
        "x" * 70000: ("error", "expected less than 65,536 bytes"),
    }
    for line in lines:
        running.process.stdin.write(line.encode() + b"\n")
    running.process.stdin.close()
    for number, (key, expected) in enumerate(lines.values(), 1):
        answer = json.loads(running.process.stdout.readline())
        assert answer["line"] == number
        assert expected in answer[key], answer
    running.wait_for(lambda: len(running.lines_read()) == 1, "the verdict")
    (running.inbox / "two.png").write_bytes(png(2))
    running.wait_for(lambda: len(running.lines_read()) == 2, "the verdict on a file after the end of the input")
    assert running.stop() == 0
    assert {kept.source for kept in running.store().latest(2)} == {"stdin", "folder"}
