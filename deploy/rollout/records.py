"""Verdicts as rows of Parquet: the record's own columns, typed, and what the archive knows of each image."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
import pyarrow as pa
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM

from fisherlens.edge.verdict import Verdict


class Acquired(msgspec.Struct, frozen=True, kw_only=True):
    """Acquisition of an image as its header tells it, nothing of a patient. location: path or URL that it was read
    from. acquired: in the device's own time, since DICOM rarely says of which zone. device: manufacturer, model and
    serial number."""

    location: str
    acquired: datetime | None = None
    modality: str | None = None
    device: str | None = None


def acquired_of(location: str, header: Dataset | None) -> Acquired:
    """Read the acquisition from a DICOM header; without one, it is the location alone."""
    if header is None:
        return Acquired(location=location)
    named = [str(header.get(keyword, "")).strip() for keyword in _DEVICE]
    return Acquired(
        location=location,
        acquired=_moment(header),
        modality=str(header.get("Modality", "")) or None,
        device=" ".join(filter(None, named)) or None,
    )


ACQUISITION = (
    "AcquisitionDate", "AcquisitionTime", "ContentDate", "ContentTime", "Manufacturer", "ManufacturerModelName",
    "DeviceSerialNumber",
)  # fmt: skip
"""Keywords that say when and by which device an image was taken; nothing of patients."""
_DEVICE = ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber")


def _moment(header: Dataset) -> datetime | None:
    """Read when the image was acquired, else when its content or study was begun."""
    for stage in ("Acquisition", "Content", "Study"):
        date = header.get(f"{stage}Date")
        if not date:
            continue
        try:
            day = DA(date)
            time = TM(header.get(f"{stage}Time") or "000000")
            return datetime.combine(day, time) if day and time else None
        except (TypeError, ValueError, OverflowError):  # several values, or none of a date
            continue
    return None


def _arrow(kind: Any) -> pa.DataType:
    """The Arrow type of a field's annotation."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _arrow(inner)
    if origin is Literal:
        return pa.string()
    if origin is list:
        return pa.list_(_arrow(arguments[0]))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return pa.struct(_fields(kind))
    return _SIMPLE[kind]


_SIMPLE: dict[Any, pa.DataType] = {
    str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(), bytes: pa.binary(),
    datetime: pa.timestamp("ms"),
}  # fmt: skip


def _fields(struct: type[msgspec.Struct]) -> list[pa.Field]:
    annotations = typing.get_type_hints(struct)
    return [pa.field(COLUMN_NAMES.get(name, name), _arrow(annotations[name])) for name in struct.__struct_fields__]


COLUMN_NAMES = {"U": "expanded_uncertainty"}
"""Fields whose columns have other names: DuckDB does not tell U from u, and would give the one for the other."""


_CREATED = pa.field("created", pa.timestamp("ms", tz="UTC"))
SCHEMA = pa.schema([*(_CREATED if f.name == "created" else f for f in _fields(Verdict)), *_fields(Acquired)])
"""Every field of a verdict (edge/verdict.schema.json), then those of `Acquired`."""
OUTCOMES: tuple[str, ...] = get_args(typing.get_type_hints(Verdict)["outcome"])
"""From the best to the worst."""


Row = tuple[Verdict, Acquired]


def as_table(rows: Sequence[Row]) -> pa.Table:
    """Build an Arrow table in SCHEMA, a verdict with its acquisition a row."""
    return pa.Table.from_pylist([{**_plain(verdict), **_plain(acquired)} for verdict, acquired in rows], SCHEMA)


def _plain(struct: msgspec.Struct) -> dict[str, Any]:
    """Give a struct as builtins, but for bytes and moments, under the columns' names."""
    plain: dict[str, Any] = msgspec.to_builtins(struct, builtin_types=(bytes, datetime))
    if isinstance(struct, Verdict):
        plain["results"] = [{COLUMN_NAMES.get(name, name): v for name, v in r.items()} for r in plain["results"]]
        plain["created"] = datetime.fromisoformat(struct.created).astimezone(UTC)
    return plain
