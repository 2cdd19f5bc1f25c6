"""What an operator does about deliveries that fail."""

from __future__ import annotations

from collections.abc import Callable

from ...bundles import run
from .running import Running
from .test_service import png


def test_a_delivery_is_given_up_by_an_operators_word_alone_and_can_be_taken_up_again(
    service: Callable[..., Running],
) -> None:
    running = service()
    configuration = running.configure()
    assert "every delivery succeeded" in run("deliveries", "list", configuration)
    running.lines.mkdir()  # a folder in the file's place: nothing can be appended
    running.start()
    (running.inbox / "one.png").write_bytes(png(1))
    running.wait_for(lambda: "Is a directory" in run("deliveries", "list", configuration), "a failed delivery")
    ((identifier, _),) = running.store().verdicts()
    assert identifier in run("deliveries", "list", configuration)
    assert "not delivered to file any more" in run("deliveries", "abandon", configuration, identifier, "file")
    assert running.store().outbox.counts() == {("file", "abandoned"): 1}
    assert "is not to be delivered" in run("deliveries", "abandon", configuration, identifier, "file", expect=2)
    running.lines.rmdir()
    assert "again" in run("deliveries", "take-up", configuration, identifier, "file")
    running.wait_for(lambda: len(running.lines_read()) == 1, "the delivery")
    assert running.stop() == 0
    assert "was not given up" in run("deliveries", "take-up", configuration, identifier, "file", expect=2)


def test_two_services_do_not_share_a_store(service: Callable[..., Running]) -> None:
    running = service()
    running.start()
    running.wait_for(lambda: "INFO started" in running.log.read_text(), "the start")
    assert "another service works on it" in run("serve", running.folder / "service.toml", expect=2)
    assert running.stop() == 0
