"""Services that are broken on purpose: `python -m tests.rig.broken DEFECT serve service.toml`.

Each is the real service with one defect, of a kind that services have had. The rig is trustworthy as far as it
catches them.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from fisherlens.edge.commands.main import main as fisherlens
from fisherlens.edge.digest import digest_of
from fisherlens.edge.runtime import Runtime
from fisherlens.edge.service import delivery, kinds, patience, scoring
from fisherlens.edge.service.service import Service
from fisherlens.edge.service.sources.folder import FolderSource
from fisherlens.edge.service.store import Store, StoreFailed, store
from fisherlens.edge.verdict import Verdict

DEFECTS: dict[str, Callable[[], None]] = {}


def defect(install: Callable[[], None]) -> Callable[[], None]:
    """A defect by the name of the function that installs it."""
    DEFECTS[install.__name__.replace("_", "-")] = install
    return install


def _patch(owner: Any, name: str, replacement: Any) -> None:
    setattr(owner, name, replacement)


@defect
def acknowledges_before_storing() -> None:
    """Stores in the background, a second after it has said that it has."""
    keep = Store.keep

    def later(self: Store, data: bytes, *rest: str) -> str:
        copy = bytes(data)
        threading.Timer(1.0, lambda: keep(self, copy, *rest)).start()
        return digest_of(copy)

    _patch(Store, "keep", later)


@defect
def never_syncs() -> None:
    """Leaves it to the operating system when files reach the disk."""
    _patch(os, "fsync", lambda descriptor: None)
    connect = store.Database._connection.fget  # type: ignore[attr-defined]

    def careless(self: store.Database) -> Any:
        connection = connect(self)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    _patch(store.Database, "_connection", property(careless))


@defect
def acknowledges_when_impatient() -> None:
    """Waits 0.2 s for the disk and says that it has the image, whether it has or not."""
    keep = Store.keep

    def impatient(self: Store, data: bytes, *rest: str) -> str:
        copy = bytes(data)
        thread = threading.Thread(target=keep, args=(self, copy, *rest), daemon=True)
        thread.start()
        thread.join(0.2)
        return digest_of(copy)

    _patch(Store, "keep", impatient)


@defect
def takes_without_room() -> None:
    """Hides from the modality that the disk is full."""
    keep = Store.keep

    def hiding(self: Store, data: bytes, *rest: str) -> str:
        try:
            return keep(self, data, *rest)
        except StoreFailed:
            return digest_of(data)

    _patch(Store, "keep", hiding)


@defect
def expects_a_fast_network() -> None:
    """Ends an association in which nothing came for 50 ms."""
    opened = kinds.SOURCES["dicom"]

    def impatient(table: Any, around: Any) -> Any:
        return opened(msgspec.structs.replace(table, idle_seconds=0.05), around)

    kinds.SOURCES["dicom"] = impatient


@defect
def scores_twice() -> None:
    """Takes an image that is sent again for another one."""
    _patch(Store, "_is_done_or_waiting", lambda self, digest, bundle: False)
    _patch(store, "verdict_id", lambda *parts: str(uuid.uuid4()))


@defect
def ignores_flags() -> None:
    """Accepts what the checks flag."""
    judge = Runtime.judge

    def blind(self: Runtime, *rest: Any) -> Verdict:
        verdict = judge(self, *rest)
        return msgspec.structs.replace(verdict, outcome="accepted") if verdict.outcome == "flagged" else verdict

    _patch(Runtime, "judge", blind)


@defect
def repeats_the_last_result() -> None:
    """Gives the last result where an image cannot be measured."""
    scored = scoring.Scorer._verdicts
    last: list[Verdict] = []

    def repeating(*arguments: Any) -> list[Verdict]:
        verdicts = scored(*arguments)
        for i, verdict in enumerate(verdicts):
            if verdict.outcome == "refused" and last:
                verdicts[i] = msgspec.structs.replace(verdict, outcome="accepted", results=last[-1].results)
        last[:] = [verdict for verdict in verdicts if verdict.outcome == "accepted"] or last
        return verdicts

    _patch(scoring.Scorer, "_verdicts", repeating)


@defect
def gives_results_to_the_next_image() -> None:
    """Is one image late with its results."""
    scored = scoring.Scorer._verdicts
    last: list[Verdict] = []

    def late(*arguments: Any) -> list[Verdict]:
        verdicts = scored(*arguments)
        given = [msgspec.structs.replace(v, results=last[-1].results) if last else v for v in verdicts]
        last[:] = verdicts
        return given

    _patch(scoring.Scorer, "_verdicts", late)


@defect
def does_not_wait_for_files() -> None:
    """Takes files from the folder while they are written."""
    _patch(FolderSource, "_is_settled", lambda self, path: self._seen.setdefault(path, (0, 0, 0.0)) is not None)


@defect
def waits_by_the_clock_of_the_day() -> None:
    """Tries a delivery again when the clock says so, however the clock was set meanwhile."""

    def until(event: threading.Event) -> Callable[[float], None]:
        def wait(seconds: float) -> None:
            due = time.time() + seconds
            while time.time() < due and not event.wait(0.1):
                pass

        return wait

    _patch(patience, "sleep_using_event", until)


@defect
def gives_up_deliveries() -> None:
    """Tries a delivery once."""
    deliver = delivery.Deliverer._deliver

    def once(self: delivery.Deliverer, pending: Any) -> None:
        try:
            deliver(self, pending)
        except delivery.DeliveryFailed:
            self._store.outbox.delivered(pending.id, self._destination.name)

    _patch(delivery.Deliverer, "_deliver", once)


@defect
def only_says_that_it_reloaded() -> None:
    """Goes on with the bundle it has."""

    def reload(self: Service) -> None:
        print("INFO reloaded, or so it says", file=sys.stderr, flush=True)

    _patch(Service, "reload", reload)


@defect
def loses_every_fifth_image() -> None:
    """Says that it has an image and forgets it."""
    keep, count = Store.keep, [0]

    def forgetful(self: Store, data: bytes, *rest: str) -> str:
        count[0] += 1
        return digest_of(data) if count[0] % 5 == 0 else keep(self, data, *rest)

    _patch(Store, "keep", forgetful)


@defect
def takes_its_time() -> None:
    """Scores each image three seconds late."""
    scored = scoring.Scorer._verdicts

    def slowly(*arguments: Any) -> list[Verdict]:
        time.sleep(3.0)
        return scored(*arguments)

    _patch(scoring.Scorer, "_verdicts", slowly)


@defect
def takes_bundles_that_nobody_signed() -> None:
    """Forgets to look at signatures when it reloads."""
    reload = Service.reload

    def trusting(self: Service) -> None:
        _patch(scoring.TrustedKeys, "verify", lambda *arguments: "nobody")
        reload(self)

    _patch(Service, "reload", trusting)


if __name__ == "__main__":
    DEFECTS[sys.argv.pop(1)]()
    fisherlens()
