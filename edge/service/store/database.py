"""The store's database: one SQLite file that outlives a power cut, used by many threads."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import EdgeError

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
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'abandoned')),
    attempts INTEGER NOT NULL DEFAULT 0, error TEXT,
    PRIMARY KEY (verdict, destination)
) STRICT;
CREATE INDEX IF NOT EXISTS pending ON delivery (destination, attempts) WHERE state = 'pending';
CREATE TABLE IF NOT EXISTS delivered_part (
    verdict TEXT NOT NULL REFERENCES verdict, destination TEXT NOT NULL, part TEXT NOT NULL,
    PRIMARY KEY (verdict, destination, part)
) STRICT;
CREATE TABLE IF NOT EXISTS bundle (name TEXT PRIMARY KEY, version TEXT NOT NULL, digest TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS input_of_bundle (digest TEXT PRIMARY KEY, input BLOB NOT NULL) STRICT
"""
_SCHEMA_VERSION = 1


class StoreFailed(EdgeError):
    """The store cannot be read or written now: its disk is full, read-only or away. Nothing that it was asked
    for has happened."""


class StoreRefused(EdgeError):
    """The store's folder cannot be used by this version, or at all."""


class Database:
    """The file, to which each thread has a connection of its own. failure: why it failed when it was last asked for
    something; empty where something was written since."""

    def __init__(self, folder: Path) -> None:
        """Open or make the file in `folder`. Raises StoreRefused."""
        self._folder = folder
        self._local = threading.local()
        self.failure = ""
        try:
            self._lay_out()
        except sqlite3.OperationalError as error:
            raise StoreRefused(f"store {folder}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StoreRefused(f"store {folder}: {error}; expected a store of this software, or none yet") from error

    def read(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Give all rows that a query finds. Raises StoreFailed."""
        with self.as_store_failure():
            return self._connection.execute(query, parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run statements as one transaction: all of it or nothing, on stable storage at its end. Raises StoreFailed."""
        with self.as_store_failure():
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk ends some transactions by itself
                    connection.execute("ROLLBACK")
                raise
        self.failure = ""

    def write_nothing(self) -> None:
        """Write what stands there already. Raises StoreFailed where nothing can be written."""
        with self.transaction() as connection:
            connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    @contextmanager
    def as_store_failure(self) -> Iterator[None]:
        """Turn errors of disk and database into StoreFailed, and remember the last one in `failure` until something is
        written."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            said = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            self.failure = f"store {self._folder}: {said}"
            raise StoreFailed(self.failure) from error

    def _lay_out(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, _SCHEMA_VERSION):
            raise StoreRefused(
                f"store {self._folder}: written by another version of this software (layout {version}, expected "
                f"{_SCHEMA_VERSION})"
            )
        for statement in _SCHEMA.split(";"):
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    @property
    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            connection = sqlite3.connect(self._folder / "store.sqlite", timeout=60.0, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            self._local.connection = connection
        return self._local.connection
