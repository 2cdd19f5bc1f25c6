"""Deliveries: what is still to be delivered, to whom, and what an operator gave up."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection

import msgspec

from ..faults import reach
from .database import Database


@dataclass(frozen=True)
class Pending:
    """A verdict that is to be delivered to one destination. record: in JSON. digest: of the image."""

    id: str
    record: bytes
    digest: str

    def line(self) -> bytes:
        """Write `{"id": ..., "verdict": ...}`: JSON in one line, without its end."""
        return msgspec.json.encode({"id": self.id, "verdict": msgspec.Raw(self.record)})


@dataclass(frozen=True)
class Undelivered:
    """A delivery that failed, or was given up. created: when its verdict was."""

    verdict: str
    destination: str
    state: str
    attempts: int
    error: str | None
    created: str


class Outbox:
    """The deliveries of verdicts, which `Store.add_verdicts` puts in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pending(self, destination: str, most: int = 100) -> list[Pending]:
        """Give verdicts that are to be delivered to a destination, oldest first; but those that failed often stand
        behind those that failed less, so that a verdict which is never taken holds up no other."""
        rows = self._database.read(
            "SELECT verdict.id, record, image FROM delivery JOIN verdict ON verdict.id = verdict "
            "WHERE destination = ? AND state = 'pending' ORDER BY attempts, delivery.rowid LIMIT ?",
            (destination, most),
        )
        return [Pending(*row) for row in rows]

    def done_of(self, identifier: str, destination: str) -> set[str]:
        """Give the parts of a pending delivery that the destination has taken."""
        rows = self._database.read(
            "SELECT part FROM delivered_part WHERE verdict = ? AND destination = ?", (identifier, destination)
        )
        return {part for (part,) in rows}

    def note_done(self, identifier: str, destination: str, part: str) -> None:
        """Note that a destination has taken a part of a delivery, which is not to be sent again for the others'
        sake."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO delivered_part VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (identifier, destination, part)
            )

    def delivered(self, identifier: str, destination: str) -> None:
        """Note that a destination has taken a verdict."""
        reach("delivered, not noted")
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE delivery SET state = 'delivered', error = NULL WHERE verdict = ? AND destination = ?",
                (identifier, destination),
            )
            _forget_parts(connection, identifier, destination)
        reach("delivery noted")

    def failed(self, identifier: str, destination: str, error: str) -> None:
        """Note that a destination has not taken a verdict: it stays pending."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE delivery SET attempts = attempts + 1, error = ? WHERE verdict = ? AND destination = ?",
                (error, identifier, destination),
            )

    def abandon(self, identifier: str, destination: str) -> bool:
        """Give a pending delivery up, as an operator has said; False where there is none."""
        return self._moved(identifier, destination, "pending", "abandoned")

    def take_up(self, identifier: str, destination: str) -> bool:
        """Make a delivery that was given up pending again; False where there is none."""
        return self._moved(identifier, destination, "abandoned", "pending")

    def _moved(self, identifier: str, destination: str, before: str, after: str) -> bool:
        with self._database.transaction() as connection:
            moved = connection.execute(
                "UPDATE delivery SET state = ?, attempts = 0 WHERE verdict = ? AND destination = ? AND state = ?",
                (after, identifier, destination, before),
            )
            _forget_parts(connection, identifier, destination)
        return moved.rowcount == 1

    def undelivered(self, most: int = -1) -> list[Undelivered]:
        """Give deliveries that failed at least once or were given up, the oldest first: all, or so many."""
        rows = self._database.read(
            "SELECT verdict, destination, state, attempts, error, created FROM delivery "
            "JOIN verdict ON verdict.id = verdict "
            "WHERE state = 'abandoned' OR (state = 'pending' AND attempts > 0) ORDER BY delivery.rowid "
            "LIMIT ?",
            (most,),
        )
        return [Undelivered(*row) for row in rows]

    def counts(self) -> dict[tuple[str, str], int]:
        """Count deliveries by destination and state."""
        rows = self._database.read("SELECT destination, state, count(*) FROM delivery GROUP BY 1, 2")
        return {(destination, state): count for destination, state, count in rows}


def _forget_parts(connection: Connection, identifier: str, destination: str) -> None:
    """Forget what was taken, of a delivery that is over or begins again."""
    connection.execute("DELETE FROM delivered_part WHERE verdict = ? AND destination = ?", (identifier, destination))
