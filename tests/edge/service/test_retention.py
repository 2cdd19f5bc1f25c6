"""Images that nobody needs any more."""

from __future__ import annotations

from collections.abc import Callable

from .running import Running
from .test_service import png

A_MOMENT = "keep-images-days = 1e-9"


def test_an_image_goes_once_it_is_delivered_and_its_verdict_stays(service: Callable[..., Running]) -> None:
    running = service()
    running.start()
    (running.inbox / "old.png").write_bytes(png(1))
    running.wait_for(lambda: len(running.lines_read()) == 1, "the verdict")
    running.wait_for(lambda: ("file", "pending") not in running.store().outbox.counts(), "the delivery")
    assert running.stop() == 0
    ((identifier, verdict),) = running.store().verdicts()
    assert verdict.input_digest is not None
    path = running.store().path_of(verdict.input_digest)
    assert path.exists()
    running.store_table = A_MOMENT
    running.start()
    running.wait_for(lambda: not path.exists(), "the image's end")
    (running.inbox / "again.png").write_bytes(png(1))
    running.wait_for(lambda: not (running.inbox / "again.png").exists(), "the same image taken")
    assert running.stop() == 0
    assert [known for known, _ in running.store().verdicts()] == [identifier]


def test_an_image_stays_while_a_delivery_of_it_is_pending(service: Callable[..., Running]) -> None:
    running = service(store_table=A_MOMENT)
    running.configure()
    running.lines.mkdir()  # a folder in the file's place: nothing can be delivered
    (running.inbox / "old.png").write_bytes(png(1))
    running.start()
    running.wait_for(lambda: "again in" in running.log.read_text(), "a failed delivery")
    assert running.stop() == 0
    running.start()
    running.wait_for(lambda: running.log.read_text().count("again in") > 2, "more failed deliveries")
    assert running.stop() == 0
    assert len(list((running.folder / "store" / "images").iterdir())) == 1
