"""The HTTP endpoint, by curl."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from ...bundles import run, usual_image
from .ports import free_port
from .running import Running

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed (Debian: curl)")
TOKEN = "0123456789abcdef"


class Served(Running):
    """A service with an HTTP endpoint."""

    port: int = 0

    def curl(self, path: str, *arguments: object) -> tuple[int, str]:
        """Status and body of a request."""
        command = ["curl", "-s", "-w", "\n%{http_code}", *map(str, arguments), f"http://127.0.0.1:{self.port}{path}"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        body, status = said.rsplit("\n", 1)
        return int(status), body

    def hand_in(self, path: Path, token: str = TOKEN) -> tuple[int, str]:
        return self.curl("/images", "--data-binary", f"@{path}", "-H", f"Authorization: Bearer {token}")


@pytest.fixture
def served(tmp_path: Path, ensemble_bundle: Path) -> Iterator[Served]:
    (tmp_path / "token").write_text(TOKEN)
    port = free_port()
    http = f'[source.http]\nport = {port}\ntoken-file = "token"'
    served = Served(tmp_path, ensemble_bundle, http, store_table="most-image-bytes = 100000")
    served.port = port
    served.start()
    served.wait_for(lambda: "INFO started" in served.log.read_text(), "the start")
    yield served
    if served.process is not None and served.process.poll() is None:
        assert served.stop() == 0


def saved(path: Path, seed: int) -> Path:
    cv2.imwrite(str(path), usual_image(seed))
    return path


def test_an_image_is_handed_in_and_its_verdict_read(served: Served, tmp_path: Path) -> None:
    status, body = served.hand_in(saved(tmp_path / "one.png", 1))
    assert status == 202
    digest = json.loads(body)["digest"]
    served.wait_for(lambda: served.curl(f"/images/{digest}")[0] == 200, "the verdict")
    (verdict,) = json.loads(served.curl(f"/images/{digest}")[1])
    assert verdict["input_digest"] == digest
    assert served.curl("/images/sha256:0")[0] == 404


def test_nothing_is_taken_without_the_token(served: Served, tmp_path: Path) -> None:
    path = saved(tmp_path / "one.png", 1)
    for token in ("", "0123456789abcdeF", TOKEN + "0"):
        assert served.hand_in(path, token)[0] == 401
    assert served.curl("/images", "--data-binary", f"@{path}")[0] == 401
    assert "fisherlens_images_waiting 0.0" in served.curl("/metrics")[1]


def test_what_is_too_large_or_empty_is_refused(served: Served, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(100_001))
    (tmp_path / "empty").write_bytes(b"")
    assert served.hand_in(tmp_path / "large")[0] == 413
    assert served.hand_in(tmp_path / "empty")[0] == 400


def test_other_names_of_this_machine_are_refused(served: Served) -> None:
    """A page elsewhere could reach a server on loopback by a name that resolves to it."""
    assert served.curl("/health", "-H", "Host: evil.example")[0] == 400
    assert served.curl("/health")[0] == 200


def test_metrics_count_verdicts_and_deliveries(served: Served, tmp_path: Path) -> None:
    for seed in range(3):
        served.hand_in(saved(tmp_path / f"{seed}.png", seed))
    served.wait_for(
        lambda: 'fisherlens_deliveries{destination="file",state="delivered"} 3.0' in served.curl("/metrics")[1],
        "three deliveries",
    )
    text = served.curl("/metrics")[1]
    counts = [line.split()[-1] for line in text.splitlines() if line.startswith("fisherlens_verdicts_total")]
    assert sum(map(float, counts)) == 3
    assert "fisherlens_scoring_seconds_count 3.0" in text


def test_a_short_token_is_refused_at_the_start(tmp_path: Path, ensemble_bundle: Path) -> None:
    (tmp_path / "token").write_text("short")
    served = Served(tmp_path, ensemble_bundle, f'[source.http]\nport = {free_port()}\ntoken-file = "token"')
    assert "expected at least 16" in run("serve", served.configure(), expect=2)
