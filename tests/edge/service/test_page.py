"""The operator's page in a browser: headless Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from fisherlens.edge.service.page.chart import Value, limits, measured_chart, p_value_chart

from .ports import free_port, wait_for_port
from .running import Running
from .test_service import png

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (Debian: chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def served(service: Callable[..., Running]) -> tuple[Running, str]:
    """A service that has judged 24 usual images, a strange one and a bad one; and where its page is."""
    port = free_port()
    running = service(extra=f'[scoring]\nexplain = "always"\n[page]\nport = {port}\n')
    running.configure()
    for seed in range(24):
        (running.inbox / f"{seed:02}.png").write_bytes(png(seed))
    strange = np.random.default_rng(0).integers(0, 4096, (32, 32)).astype(np.uint16)
    (running.inbox / "strange.png").write_bytes(cv2.imencode(".png", strange)[1].tobytes())
    (running.inbox / "<b>bad.png").write_bytes(b"no image")
    running.start()
    running.wait_for(lambda: len(running.lines_read()) == 26, "all verdicts")
    wait_for_port(port)
    return running, f"http://127.0.0.1:{port}"


def opened(browser: Browser, address: str) -> tuple[Page, list[str]]:
    """A page, and what went wrong on it or was asked for from elsewhere."""
    page = browser.new_page(viewport={"width": 1250, "height": 1600})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if address not in request.url else None)
    page.on("response", lambda response: complaints.append(response.url) if response.status >= 400 else None)
    page.goto(address)
    return page, [complaint for complaint in complaints if "favicon" not in complaint]


def test_verdicts_charts_and_states_are_shown(served: tuple[Running, str], browser: Browser, tmp_path: Path) -> None:
    running, address = served
    page, complaints = opened(browser, address)
    assert complaints == []
    verdicts = [line["verdict"] for line in running.lines_read()]
    for outcome in ("accepted", "flagged", "refused"):
        count = sum(verdict["outcome"] == outcome for verdict in verdicts)
        assert page.get_by_text(f"{outcome} {count}", exact=True).count() == 1
    assert page.locator("table").first.locator("tr").count() == 13
    assert page.get_by_text("<b>bad.png").count() == 1, "a name is text, whatever stands in it"
    assert page.get_by_text("unknown format").count() == 1
    (strange,) = [verdict for verdict in verdicts if verdict["source"] == "strange.png"]
    (evidence,) = [check["evidence"] for check in strange["checks"] if check["flagged"]]
    assert page.get_by_text(evidence[0]["text"], exact=True).count() == 1, "the furthest; the others a click away"
    measured = [verdict for verdict in verdicts if verdict["outcome"] != "refused"]
    for number, result in enumerate(measured[0]["results"]):
        chart = page.get_by_role("img", name=f"{result['name']} / {result['unit']}")
        assert chart.locator("circle").count() == len(measured)
        values = [verdict["results"][number]["value"] for verdict in measured if verdict["outcome"] == "accepted"]
        assert page.get_by_text(f"mean {mean(values):.4g}, limits").count() >= 1
    assert page.get_by_role("img", name="p-value of").count() == len(measured[0]["checks"])
    assert page.get_by_text("ended").count() == 0
    page.wait_for_load_state("networkidle")
    page.screenshot(path=tmp_path / "overview.png", full_page=True)
    assert running.stop() == 0


def test_a_verdict_is_shown_with_image_and_map(served: tuple[Running, str], browser: Browser, tmp_path: Path) -> None:
    running, address = served
    page, _ = opened(browser, address)
    page.get_by_text("strange.png").click()
    page.wait_for_load_state("networkidle")
    assert page.get_by_role("heading", name="strange.png flagged").count() == 1
    for name in ("the image", "the map over the image"):
        picture = page.get_by_role("img", name=name, exact=True)
        assert picture.evaluate("image => image.complete && image.naturalWidth") == 32
    (record,) = [line["verdict"] for line in running.lines_read() if line["verdict"]["source"] == "strange.png"]
    told = [one for check in record["checks"] for one in check["evidence"]]
    assert told
    assert page.get_by_role("columnheader", name="Outside usual images' range").count() == 1
    for one in told:
        assert page.get_by_role("cell", name=f"{one['text']} {one['layer']}").count() == 1
        assert page.get_by_role("img", name=one["text"]).locator("circle").count() == 1
    page.screenshot(path=tmp_path / "verdict.png", full_page=True)
    assert page.goto(f"{address}/verdicts/none").status == 404  # type: ignore[union-attr]
    assert page.goto(f"{address}/verdicts/none/map.png").status == 404  # type: ignore[union-attr]
    assert running.stop() == 0


def test_what_does_not_work_is_shown(service: Callable[..., Running], browser: Browser) -> None:
    port = free_port()
    running = service(extra=f"[page]\nport = {port}\n")
    running.configure()
    running.lines.mkdir()  # a folder in the file's place: nothing can be delivered
    (running.inbox / "one.png").write_bytes(png(1))
    running.start()
    running.wait_for(lambda: "again in" in running.log.read_text(), "a failed delivery")
    page, _ = opened(browser, f"http://127.0.0.1:{port}")
    assert page.get_by_text("Is a directory").count() == 1
    assert page.get_by_text("pending", exact=True).count() >= 1
    assert running.stop() == 0


def test_limits_are_those_of_a_published_example() -> None:
    """Montgomery, Introduction to Statistical Quality Control, example 6.5: viscosity of aircraft primer paint,
    mean 33.52, mean moving range 0.48, limits 32.24 and 34.80 (there 3 / 1.128 of it)."""
    viscosity = [
        33.75,
        33.05,
        34.00,
        33.81,
        33.46,
        34.02,
        33.68,
        33.27,
        33.49,
        33.20,
        33.62,
        33.00,
        33.54,
        33.12,
        33.84,
    ]
    assert limits(viscosity) is None, "too few"
    low, centre, high = limits(viscosity * 2) or (0, 0, 0)
    assert centre == pytest.approx(33.52, abs=0.005)
    assert (low, high) == pytest.approx((32.24, 34.80), abs=0.05)


def test_a_check_that_is_shown_only_has_no_limit() -> None:
    values = [Value(0.5, 0.5, 0.5, True, "", ""), Value(0.001, 0.001, 0.001, False, "", "")]
    shown, flags = p_value_chart("p", values, 0.0), p_value_chart("p", values, 0.01)
    assert [line.kind for line in shown.lines] == ["end"]
    assert [line.kind for line in flags.lines] == ["limit", "end"]
    assert [point.beyond for point in shown.points] == [False, False]
    assert [point.beyond for point in flags.points] == [False, True]


def test_a_flagged_value_moves_no_limits_and_stands_at_the_edge() -> None:
    usual = [Value(1.0 + 0.01 * (number % 3), 0.9, 1.2, True, "", "") for number in range(30)]
    plain = measured_chart("length / mm", usual)
    strange = measured_chart("length / mm", [*usual, Value(100.0, 90.0, 110.0, False, "", "")])
    assert strange.note == plain.note
    assert strange.lines == plain.lines
    assert strange.points[-1].y == 0.0
    assert strange.points[-1].beyond
