"""New calibration tables in a finished bundle: what is usual at one site. Nothing else in the file changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from fisherlens.edge.bundle import open_session
from fisherlens.edge.bundle.golden import Golden
from fisherlens.edge.bundle.manifest import (
    CALIBRATION_KEY,
    GOLDEN_KEY,
    METADATA_KEY,
    Calibration,
    Check,
    Manifest,
    Recalibration,
)
from fisherlens.edge.digest import digest_of

from ..errors import CalibrationError
from .p_value import count_name, table_name
from .unnamed_tables import name_tables

_MAY_CHANGE = {"p_value", "flagged"}


def most_beyond(images: int, alpha: float) -> int:
    """The number of a table's statistics that may be at least as large as one that is flagged: the largest m with
    (m + 1) / (images + 1) <= alpha, divided and compared in float32 as the graph does; -1 where there is none."""
    guess = int(alpha * (images + 1))
    shares = {m: np.float32(m + 1) / np.float32(images + 1) for m in range(guess - 2, guess + 1)}
    return max([-1, *(m for m, share in shares.items() if share <= np.float32(alpha))])


def needed(alpha: float) -> int:
    """Fewest usual images with which a p-value can be as small as alpha: the smallest is 1 / (n + 1)."""
    around = round(1.0 / alpha)
    return next(n for n in range(max(1, around - 2), around + 2) if most_beyond(n, alpha) >= 0)


def recalibrated(data: bytes, statistics: Mapping[str, NDArray[np.float64]], version: str, source: str) -> bytes:
    """The bundle whose bytes are given, with other tables.

    statistics: of usual images, [n] for each of the bundle's checks. version: the new one. source: in words, where the
    images are from. Raises CalibrationError for a check without statistics, too few of them, or some that are no
    numbers.
    """
    model = onnx.load_from_string(data)
    metadata = {entry.key: entry for entry in model.metadata_props}
    manifest = msgspec.json.decode(metadata[METADATA_KEY].value, type=Manifest)
    old = msgspec.json.decode(metadata[CALIBRATION_KEY].value, type=Calibration)
    name_tables(model.graph, old)
    tables = {check.name: _table(check, statistics) for check in manifest.checks}
    for name, table in tables.items():
        _replace(model.graph, name, table)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    sizes = [len(tables[check.name]) for check in manifest.checks]
    changed = msgspec.structs.replace(
        manifest,
        version=version,
        checks=tuple(
            msgspec.structs.replace(check, calibration_size=size)
            for check, size in zip(manifest.checks, sizes, strict=True)
        ),
        recalibration=Recalibration(of=digest_of(data), images=max(sizes), created=now, source=source),
    )
    table_lists = {name: table.astype(float).tolist() for name, table in tables.items()}
    metadata[METADATA_KEY].value = msgspec.json.encode(changed).decode()
    metadata[CALIBRATION_KEY].value = msgspec.json.encode(msgspec.structs.replace(old, statistics=table_lists)).decode()
    golden = msgspec.json.decode(metadata[GOLDEN_KEY].value, type=Golden)
    metadata[GOLDEN_KEY].value = msgspec.json.encode(_golden(golden, data, model)).decode()
    return model.SerializeToString()


def _table(check: Check, statistics: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float32]:
    found = np.sort(np.asarray(statistics.get(check.name, ()), np.float32))
    fewest = needed(check.alpha) if check.flags else 1
    if len(found) < fewest:
        raise CalibrationError(
            f"check {check.name}: {len(found)} usual images, expected at least {fewest} for its alpha of "
            f"{check.alpha:.3g}: with n images the smallest p-value is 1/(n + 1)"
        )
    if not np.isfinite(found).all():
        raise CalibrationError(
            f"check {check.name}: {int((~np.isfinite(found)).sum())} statistics of usual images are no numbers"
        )
    return found


def _replace(graph: onnx.GraphProto, check: str, table: NDArray[np.float32]) -> None:
    """Put a table, and the n + 1 that its counts are divided by, in the place of the old ones."""
    initializers = {initializer.name: initializer for initializer in graph.initializer}
    for name, array in ((table_name(check), table), (count_name(check), np.array(len(table) + 1, np.float32))):
        if name not in initializers:
            raise CalibrationError(f"check {check}: no table {name!r} in the graph; export the network again")
        initializers[name].CopyFrom(numpy_helper.from_array(array, name))
    del graph.value_info[:]  # shapes inside, told for the old size


def _golden(golden: Golden, data: bytes, model: onnx.ModelProto) -> Golden:
    """Golden vectors with the new p-values. Raises CalibrationError where anything else has changed."""
    feeds = {"image": golden.image, "explain": np.array(True)}
    before, after = (
        dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))
        for session in (open_session(data), open_session(model.SerializeToString()))
    )
    moved = [name for name in before if name not in _MAY_CHANGE and not np.array_equal(before[name], after[name])]
    if moved:
        raise CalibrationError(f"outputs {', '.join(moved)} would change with the tables; export the network again")
    outputs = {**golden.outputs, **{name: after[name].astype(float).ravel().tolist() for name in _MAY_CHANGE}}
    return msgspec.structs.replace(golden, outputs=outputs)
