"""What the service remembers: images that wait, verdicts, and what is still to be delivered.

One folder: a SQLite database, and the images' bytes under their digests. An image is kept once its bytes
are flushed and named, and its row is committed, in this order; so a row never lacks its bytes, and bytes
without a row were never acknowledged.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ..errors import EdgeError
from ..storage import flush_folder, write_whole
from ..verdict import Verdict
from .faults import reach

_SCHEMA = """
CREATE TABLE IF NOT EXISTS image (
    digest TEXT PRIMARY KEY, source TEXT NOT NULL, received TEXT NOT NULL, size INTEGER NOT NULL,
    name TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('waiting', 'scored'))
) STRICT;
CREATE INDEX IF NOT EXISTS waiting ON image (state) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS verdict (
    id TEXT PRIMARY KEY, image TEXT NOT NULL REFERENCES image, bundle TEXT NOT NULL, frame INTEGER NOT NULL,
    created TEXT NOT NULL, outcome TEXT NOT NULL, record BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS verdict_of ON verdict (image, bundle);
CREATE TABLE IF NOT EXISTS delivery (
    verdict TEXT NOT NULL REFERENCES verdict, destination TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered')),
    attempts INTEGER NOT NULL DEFAULT 0, error TEXT,
    PRIMARY KEY (verdict, destination)
) STRICT;
CREATE INDEX IF NOT EXISTS pending ON delivery (destination) WHERE state = 'pending';
"""
_NAMESPACE = uuid.UUID("6ba1a7d4-0f0e-5a5c-9d1c-6a2f6e0b7f11")


class StoreFull(EdgeError):
    """An image cannot be taken now: the spool or the disk is full. It was not acknowledged."""


class StoreRefused(EdgeError):
    """The store's folder cannot be used."""


@dataclass(frozen=True)
class Waiting:
    """An image that is to be scored. name: how its source calls it."""

    digest: str
    name: str
    path: Path


@dataclass(frozen=True)
class Pending:
    """A verdict that is to be delivered to one destination."""

    id: str
    record: bytes
    digest: str


def verdict_id(image: str, bundle: str, frame: int) -> str:
    """The same for the same image, bundle and frame, whenever and however often it is scored."""
    return str(uuid.uuid5(_NAMESPACE, f"{image} {bundle} {frame}"))


class Store:
    """The store in one folder, used by many threads: each has its own connection."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        self._images = folder / "images"
        try:
            self._images.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreRefused(f"store {folder}: {error.strerror}") from error
        self._local = threading.local()
        self._taking = threading.Lock()
        try:
            for statement in _SCHEMA.split(";"):
                self._connection.execute(statement)
        except sqlite3.Error as error:
            raise StoreRefused(f"store {folder}: {error}; expected a folder of this version's, or none yet") from error
        self.arrived = threading.Event()
        """Set whenever an image comes in."""
        self.judged = threading.Event()
        """Set whenever a verdict comes in."""
        self._remove_unacknowledged()

    def keep(self, data: bytes, source: str, name: str, bundle: str) -> str:
        """Take an image: when this returns its digest, the image is on stable storage. One that is known, and
        has its verdict by `bundle` or waits for it, is not taken twice.

        Raises StoreFull.
        """
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        with self._taking:
            if self._is_done_or_waiting(digest, bundle):
                return digest
            self._require_room(len(data))
            try:
                reach("before the image is written")
                write_whole(self.path_of(digest), data)
                reach("image written, no row yet")
                with self._transaction() as connection:
                    connection.execute(
                        "INSERT INTO image VALUES (?, ?, ?, ?, ?, 'waiting') "
                        "ON CONFLICT (digest) DO UPDATE SET state = 'waiting'",
                        (digest, source, _now(), len(data), name),
                    )
            except (OSError, sqlite3.OperationalError) as error:
                raise StoreFull(f"{self.folder}: {error}; the image was not taken") from error
        reach("image kept, not acknowledged")
        self.arrived.set()
        return digest

    def path_of(self, digest: str) -> Path:
        """Where an image's bytes lie."""
        return self._images / digest.removeprefix("sha256:")

    def waiting(self) -> Waiting | None:
        """The image that has waited longest."""
        row = self._connection.execute(
            "SELECT digest, name FROM image WHERE state = 'waiting' ORDER BY rowid LIMIT 1"
        ).fetchone()
        return Waiting(row[0], row[1], self.path_of(row[0])) if row else None

    def waiting_count(self) -> int:
        """How many images are to be scored."""
        return int(self._connection.execute("SELECT count(*) FROM image WHERE state = 'waiting'").fetchone()[0])

    def add_verdicts(self, digest: str, bundle: str, verdicts: Sequence[Verdict], destinations: Sequence[str]) -> None:
        """Keep the verdicts on all frames of an image, each with a delivery to every destination, and the image
        as scored: all of it or nothing."""
        reach("scored, nothing committed")
        with self._transaction() as connection:
            for verdict in verdicts:
                identifier = verdict_id(digest, bundle, verdict.frame)
                connection.execute(
                    "INSERT INTO verdict VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                    (identifier, digest, bundle, verdict.frame, verdict.created, verdict.outcome,
                     msgspec.json.encode(verdict)),
                )  # fmt: skip
                connection.executemany(
                    "INSERT INTO delivery (verdict, destination, state) VALUES (?, ?, 'pending') "
                    "ON CONFLICT (verdict, destination) DO NOTHING",
                    [(identifier, destination) for destination in destinations],
                )
            connection.execute("UPDATE image SET state = 'scored' WHERE digest = ?", (digest,))
        reach("verdict committed")
        self.judged.set()

    def pending(self, destination: str, most: int = 100) -> list[Pending]:
        """Verdicts that are to be delivered to a destination, oldest first."""
        rows = self._connection.execute(
            "SELECT verdict.id, record, image FROM delivery JOIN verdict ON verdict.id = verdict "
            "WHERE destination = ? AND state = 'pending' ORDER BY delivery.rowid LIMIT ?",
            (destination, most),
        )
        return [Pending(*row) for row in rows]

    def delivered(self, identifier: str, destination: str) -> None:
        """A destination has taken a verdict."""
        reach("delivered, not noted")
        with self._transaction() as connection:
            connection.execute(
                "UPDATE delivery SET state = 'delivered', error = NULL WHERE verdict = ? AND destination = ?",
                (identifier, destination),
            )
        reach("delivery noted")

    def failed(self, identifier: str, destination: str, error: str) -> None:
        """A destination has not taken a verdict: it stays pending."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE delivery SET attempts = attempts + 1, error = ? WHERE verdict = ? AND destination = ?",
                (error, identifier, destination),
            )

    def verdicts(self, digest: str | None = None) -> Iterator[tuple[str, Verdict]]:
        """Identifiers and verdicts, oldest first, of one image or of all."""
        rows = self._connection.execute(
            "SELECT id, record FROM verdict WHERE ?1 IS NULL OR image = ?1 ORDER BY rowid", (digest,)
        )
        return ((identifier, msgspec.json.decode(record, type=Verdict)) for identifier, record in rows)

    def knows(self, digest: str) -> bool:
        """Whether an image was ever taken."""
        return self._connection.execute("SELECT 1 FROM image WHERE digest = ?", (digest,)).fetchone() is not None

    def outcome_counts(self) -> dict[str, int]:
        """How many verdicts there are of each outcome."""
        return dict(self._connection.execute("SELECT outcome, count(*) FROM verdict GROUP BY 1"))

    def delivery_counts(self) -> dict[tuple[str, str], int]:
        """How many deliveries there are by destination and state."""
        rows = self._connection.execute("SELECT destination, state, count(*) FROM delivery GROUP BY 1, 2")
        return {(destination, state): count for destination, state, count in rows}

    def _is_done_or_waiting(self, digest: str, bundle: str) -> bool:
        row = self._connection.execute(
            "SELECT state = 'waiting' OR EXISTS (SELECT 1 FROM verdict WHERE image = digest AND bundle = ?) "
            "FROM image WHERE digest = ?",
            (bundle, digest),
        ).fetchone()
        return bool(row and row[0])

    def _require_room(self, size: int) -> None:
        (used,) = self._connection.execute(
            "SELECT coalesce(sum(size), 0) FROM image WHERE state = 'waiting'"
        ).fetchone()
        if used + size > self.most_bytes:
            raise StoreFull(
                f"{used:,} bytes of images wait to be scored, {size:,} more would exceed {self.most_bytes:,}; "
                "the image was not taken, send it again later"
            )

    def _remove_unacknowledged(self) -> None:
        """Bytes without a row: their source has them still, and will send them again."""
        for path in self._images.iterdir():
            digest = f"sha256:{path.name}"
            if not self._connection.execute("SELECT 1 FROM image WHERE digest = ?", (digest,)).fetchone():
                path.unlink()
        flush_folder(self._images)

    @property
    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            connection = sqlite3.connect(self.folder / "store.sqlite", timeout=60.0, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            self._local.connection = connection
        return self._local.connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk ends some transactions by itself
                connection.execute("ROLLBACK")
            raise


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
