"""A data set of records in a folder: parts that are whole or absent, one bundle, no record twice.

    DIR/_rescore.json                                   which bundle, which software
    DIR/image_outcome=flagged/part-0f3c....parquet      records of one part's images of this outcome

All records of an image lie in one file, so that they are there together or not at all: files are divided by the worst
outcome of an image's frames. A part is named by the images that were scored for it: one that is scored again, since a
worker died, takes its own place, and one that another run completes lies beside what was there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from fisherlens.edge.digest import PREFIX
from fisherlens.edge.storage import write_whole
from fisherlens.edge.verdict import BundleReference

from .errors import RolloutRefused
from .records import OUTCOMES, Row, as_table

IDENTITY = "_rescore.json"
"""Readers of Parquet pass over names that begin so."""
_COMPRESSION = "zstd"
_FILES = "image_outcome=*/part-*.parquet"
DIGEST = np.dtype("V32")
"""The bytes of a SHA-256."""


class Identity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bundle and software that made a data set. alpha: of the bundle's checks together."""

    bundle: BundleReference
    software: str
    alpha: float


def part_name(locations: Sequence[str]) -> str:
    """Name a part by the images that were scored for it."""
    return "part-" + hashlib.sha256("\0".join(locations).encode()).hexdigest()[:24]


@contextmanager
def occupied(folder: Path, identity: Identity) -> Iterator[None]:
    """Occupy a folder as the one run that writes into its data set, which is made or continued.

    Raises RolloutRefused for a folder of another bundle, one that holds something else, one that cannot be written,
    and one that another run writes into.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=0):
            _identify(folder, identity)
            yield
    except Timeout:
        raise RolloutRefused(f"{folder}: another run writes into it") from None
    except OSError as error:
        raise RolloutRefused(f"{folder}: {error.strerror}") from error


def _identify(folder: Path, identity: Identity) -> None:
    if not (folder / IDENTITY).exists():
        strangers = sorted(path.name for path in folder.iterdir() if path.name != ".lock")
        if strangers:
            raise RolloutRefused(f"{folder}: holds {strangers[0]}, expected an empty folder or one that rescore made")
        write_whole(folder / IDENTITY, msgspec.json.encode(identity))
        return
    found = identity_of(folder)
    if found.bundle.digest != identity.bundle.digest:
        raise RolloutRefused(
            f"{folder}: made with bundle {found.bundle.name} {found.bundle.version} ({found.bundle.digest}), given "
            f"is {identity.bundle.name} {identity.bundle.version} ({identity.bundle.digest}); name another folder"
        )


def identity_of(folder: Path) -> Identity:
    """Read which bundle and software made a data set. Raises RolloutRefused where the folder is none."""
    try:
        return msgspec.json.decode((folder / IDENTITY).read_bytes(), type=Identity)
    except OSError as error:
        raise RolloutRefused(f"{folder}: {IDENTITY}: {error.strerror}; expected a folder that rescore made") from error
    except msgspec.DecodeError as error:
        raise RolloutRefused(f"{folder}: {IDENTITY}: {error}") from error


def write_part(folder: Path, name: str, images: Sequence[Sequence[Row]]) -> None:
    """Write the records of a part's images, given image by image. Raises OSError."""
    by_outcome: dict[str, list[Row]] = {}
    for rows in images:
        worst = max((verdict.outcome for verdict, _ in rows), key=OUTCOMES.index)
        by_outcome.setdefault(worst, []).extend(rows)
    for outcome, rows in by_outcome.items():
        path = folder / f"image_outcome={outcome}" / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        _write(path, as_table(rows))


def _write(path: Path, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression=_COMPRESSION)
    write_whole(path, bytes(sink.getvalue()))


def parts(folder: Path) -> list[Path]:
    """List the files of records of all finished parts."""
    return sorted(folder.glob(_FILES))


def connect() -> duckdb.DuckDBPyConnection:
    """Open a DuckDB in memory that fetches nothing from a network."""
    return duckdb.connect(config={"autoinstall_known_extensions": False})


def relation(folder: Path, further: str = "") -> str:
    """Write the data set as a term of SQL that DuckDB selects from. further: options of read_parquet. Raises
    RolloutRefused for one without records."""
    identity_of(folder)
    if not parts(folder):
        raise RolloutRefused(f"{folder}: no records yet")
    pattern = str(folder / _FILES).replace("'", "''")
    return f"read_parquet('{pattern}', hive_partitioning = true{further})"


def digests_done(folder: Path) -> NDArray[np.void]:
    """List the digests of all images that have records, 32 bytes each, sorted. An image that could not be read has
    none."""
    if not parts(folder):
        return np.empty(0, DIGEST)
    query = f"SELECT DISTINCT unhex(substring(input_digest, {len(PREFIX) + 1})) AS digest FROM {relation(folder)}"
    rows = connect().execute(f"SELECT digest FROM ({query}) WHERE digest IS NOT NULL ORDER BY digest").fetchall()
    return np.array([row[0] for row in rows], DIGEST)


def settle(folder: Path) -> int:
    """Leave one record of each image and frame where equal images were scored at the same time, and no older refusal of
    a place whose image was read since; give how many records were left out."""
    if not parts(folder):
        return 0
    query = f"""
        WITH numbered AS (
            SELECT filename, file_row_number, input_digest,
                row_number() OVER (PARTITION BY coalesce(input_digest, location), frame ORDER BY created DESC) AS n,
                bool_or(input_digest IS NOT NULL) OVER (PARTITION BY location) AS was_read
            FROM {relation(folder, ", filename = true, file_row_number = true")}
        )
        SELECT filename, list(file_row_number) FROM numbered
        WHERE n > 1 OR (input_digest IS NULL AND was_read) GROUP BY filename
    """
    surplus = connect().execute(query).fetchall()
    for filename, rows in surplus:
        path = Path(filename)
        table = pq.ParquetFile(path).read()
        keep = np.setdiff1d(np.arange(len(table)), rows)
        if len(keep):
            _write(path, table.take(keep))
        else:
            path.unlink()
    return sum(len(rows) for _, rows in surplus)
