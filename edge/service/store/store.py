"""The store of images and verdicts; deliveries and bundles are rooms beside it.

One folder: a SQLite database, and the images' bytes under their digests. An image is kept once its bytes
are flushed and named, and its row is committed, in this order; so a row never lacks its bytes, and bytes
without a row were never acknowledged.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from ...decode import Arrived
from ...digest import digest_of
from ...errors import EdgeError
from ...storage import flush_folder, write_whole
from ...verdict import CheckResult, Verdict
from ..configuration import StoreTable
from ..faults import reach
from .bundle_register import BundleRegister
from .database import Database, StoreFailed, StoreRefused
from .outbox import Outbox

_PROBE = "probe"
"""File that is written to see whether the disk takes one."""
_NAMESPACE = uuid.UUID("6ba1a7d4-0f0e-5a5c-9d1c-6a2f6e0b7f11")


class ImageTooLarge(EdgeError):
    """An image has more bytes than may be taken, and never will be."""


class SpoolFull(StoreFailed):
    """No further image was taken: as many wait to be scored as may."""


@dataclass(frozen=True)
class KeptVerdict:
    """A verdict with what is known of its image. received: UTC, ISO 8601. source: the kind that it came from."""

    id: str
    digest: str
    source: str
    received: str
    verdict: Verdict

    @classmethod
    def of(cls, identifier: str, digest: str, source: str, received: str, record: bytes) -> KeptVerdict:
        """Make it of a row of the database."""
        return cls(identifier, digest, source, received, msgspec.json.decode(record, type=Verdict))


def verdict_id(image: str, bundle: str, frame: int) -> str:
    """Give the identifier of a verdict: the same for the same image, bundle and frame, whenever and however often it
    is scored."""
    return str(uuid.uuid5(_NAMESPACE, f"{image} {bundle} {frame}"))


class Store:
    """The store in one folder, used by many threads: each has its own connection."""

    def __init__(self, table: StoreTable) -> None:
        """Open or make it. Raises StoreRefused."""
        folder = table.folder
        self.folder = folder
        self.most_image_bytes = table.most_image_bytes
        self._most_waiting_bytes = table.most_waiting_bytes
        self._lock = FileLock(folder / "lock", blocking=False)
        self._images = folder / "images"
        try:
            self._images.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreRefused(f"store {folder}: {error.strerror}") from error
        self._database = Database(folder)
        self.outbox = Outbox(self._database)
        self.bundles = BundleRegister(self._database)
        self._taking = threading.Lock()
        self.arrived = threading.Event()
        """Set whenever an image comes in."""
        self.scored = threading.Event()
        """Set whenever a verdict comes in."""

    def take_possession(self) -> None:
        """Be the one service that works on this store, until the process ends. Removes what was being written
        when the one before it ended.

        Raises StoreRefused where another service has it.
        """
        try:
            self._lock.acquire()
        except Timeout as error:
            raise StoreRefused(f"store {self.folder}: another service works on it") from error
        except OSError as error:
            raise StoreRefused(f"store {self.folder}: {error.strerror}") from error
        self._remove_unacknowledged()

    @property
    def failure(self) -> str:
        """The reason why the store failed when it was last asked for something; empty where it has worked since."""
        return self._database.failure

    def look_again(self) -> None:
        """See whether the disk is back after a failure: else a service to which nothing comes would call itself
        ill for ever."""
        if not self.failure:
            return
        with suppress(StoreFailed):
            with self._database.as_store_failure():
                write_whole(self._images / _PROBE, b"")
                (self._images / _PROBE).unlink()
            self._database.write_nothing()

    def keep(self, data: bytes | bytearray, source: str, name: str, bundle: str) -> str:
        """Take an image: when this returns its digest, the image is on stable storage. One that is known, and
        has its verdict by `bundle` or waits for it, is not taken twice.

        Raises StoreFailed, SpoolFull, ImageTooLarge.
        """
        if len(data) > self.most_image_bytes:
            raise self.too_large(len(data))
        digest = digest_of(data)
        with self._taking:
            if self._is_done_or_waiting(digest, bundle):
                return digest
            self._require_room(len(data))
            reach("before the image is written")
            with self._database.as_store_failure():
                write_whole(self.path_of(digest), data)
            reach("image written, no row yet")
            with self._database.transaction() as connection:
                connection.execute(
                    "INSERT INTO image VALUES (?, ?, ?, ?, ?, 'waiting') "
                    "ON CONFLICT (digest) DO UPDATE SET state = 'waiting'",
                    (digest, source, _now(), len(data), name),
                )
        reach("image kept, not acknowledged")
        self.arrived.set()
        return digest

    def too_large(self, size: int) -> ImageTooLarge:
        """Make the refusal of an image of so many bytes."""
        return ImageTooLarge(f"{size:,} bytes, expected at most {self.most_image_bytes:,} (most-image-bytes)")

    def path_of(self, digest: str) -> Path:
        """Give the path of an image's bytes."""
        return self._images / digest.removeprefix("sha256:")

    def waiting(self) -> Arrived | None:
        """Give the image that has waited longest; None where none waits."""
        rows = self._database.read("SELECT digest, name FROM image WHERE state = 'waiting' ORDER BY rowid LIMIT 1")
        return Arrived(rows[0][0], rows[0][1], self.path_of(rows[0][0])) if rows else None

    def waiting_count(self) -> int:
        """Count the images that are to be scored."""
        return int(self._database.read("SELECT count(*) FROM image WHERE state = 'waiting'")[0][0])

    def add_verdicts(self, digest: str, bundle: str, verdicts: Sequence[Verdict], destinations: Sequence[str]) -> None:
        """Keep the verdicts on all frames of an image, each with a delivery to every destination, and the image
        as scored: all of it or nothing."""
        reach("scored, nothing committed")
        with self._database.transaction() as connection:
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
        self.scored.set()

    def remove_images(self, received_before: str) -> int:
        """Remove the bytes of images that were received before a time (UTC, ISO 8601), scored, and are to be
        delivered to nobody any more; says how many. Raises StoreFailed."""
        query = (
            "SELECT 1 FROM image WHERE digest = ? AND state = 'scored' AND received < ? AND NOT EXISTS "
            "(SELECT 1 FROM verdict JOIN delivery ON verdict = id WHERE image = digest AND delivery.state = 'pending')"
        )
        removed = 0
        for path in self._images.iterdir():
            with self._taking, self._database.as_store_failure():  # nobody sends the image again in between
                if self._database.read(query, (f"sha256:{path.name}", received_before)):
                    path.unlink()
                    removed += 1
        return removed

    def verdicts(self) -> list[tuple[str, Verdict]]:
        """Give all verdicts with their identifiers, oldest first."""
        return self._decoded("SELECT id, record FROM verdict ORDER BY rowid")

    def verdicts_on(self, digest: str) -> list[tuple[str, Verdict]]:
        """Give the verdicts on one image with their identifiers, oldest first."""
        return self._decoded("SELECT id, record FROM verdict WHERE image = ? ORDER BY rowid", digest)

    def _decoded(self, query: str, *parameters: str) -> list[tuple[str, Verdict]]:
        rows = self._database.read(query, parameters)
        return [(identifier, msgspec.json.decode(record, type=Verdict)) for identifier, record in rows]

    def checks(self, bundle: str, most: int) -> list[list[CheckResult]]:
        """Give what the checks of a bundle said of the latest images, oldest first; without the rest of the records,
        which maps make large."""
        rows = self._database.read(
            "SELECT json_extract(CAST(record AS TEXT), '$.checks') FROM verdict WHERE bundle = ? "
            "ORDER BY rowid DESC LIMIT ?",
            (bundle, most),
        )
        return [msgspec.json.decode(text, type=list[CheckResult]) for (text,) in reversed(rows)]

    def latest(self, most: int) -> list[KeptVerdict]:
        """Give the latest verdicts, newest first."""
        query = (
            "SELECT id, image, source, received, record FROM verdict JOIN image ON digest = image "
            "ORDER BY verdict.rowid DESC LIMIT ?"
        )
        return [KeptVerdict.of(*row) for row in self._database.read(query, (most,))]

    def verdict_of(self, identifier: str) -> KeptVerdict | None:
        """Give the verdict of an identifier; None where there is none."""
        query = "SELECT id, image, source, received, record FROM verdict JOIN image ON digest = image WHERE id = ?"
        rows = self._database.read(query, (identifier,))
        return KeptVerdict.of(*rows[0]) if rows else None

    def knows(self, digest: str) -> bool:
        """Say whether an image was ever taken."""
        return bool(self._database.read("SELECT 1 FROM image WHERE digest = ?", (digest,)))

    def outcome_counts(self) -> dict[str, int]:
        """Count the verdicts of each outcome."""
        return dict(self._database.read("SELECT outcome, count(*) FROM verdict GROUP BY 1"))

    def _is_done_or_waiting(self, digest: str, bundle: str) -> bool:
        rows = self._database.read(
            "SELECT state = 'waiting' OR EXISTS (SELECT 1 FROM verdict WHERE image = digest AND bundle = ?) "
            "FROM image WHERE digest = ?",
            (bundle, digest),
        )
        return bool(rows and rows[0][0])

    def _require_room(self, size: int) -> None:
        used = self._database.read("SELECT coalesce(sum(size), 0) FROM image WHERE state = 'waiting'")[0][0]
        if used + size > self._most_waiting_bytes:
            raise SpoolFull(
                f"{used:,} bytes of images wait to be scored, {size:,} more would exceed {self._most_waiting_bytes:,}; "
                "the image was not taken, send it again later"
            )

    def _remove_unacknowledged(self) -> None:
        """Remove bytes without a row: their source has them still, and will send them again."""
        for path in self._images.iterdir():
            digest = f"sha256:{path.name}"
            if not self.knows(digest):
                path.unlink()
        flush_folder(self._images)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
