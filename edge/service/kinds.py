"""The kinds of sources and destinations: how each is opened, a row a kind, by its key in the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.routing import Route

from ..sandbox import Sandbox
from . import configuration as tables
from .configuration import ConfigurationRefused
from .destinations import Destination
from .destinations.dicom import DicomDestination
from .destinations.json_lines import JsonLines
from .inbox import Inbox
from .sources.dicom import DicomSource
from .sources.folder import FolderSource
from .sources.http import HttpSource
from .sources.standard_input import StandardInputSource
from .store import Store


class Part(Protocol):
    """A part of the service that runs beside the others: a thread, or something that has its own."""

    name: str

    def start(self) -> None: ...
    def is_alive(self) -> bool: ...
    def stop(self) -> None: ...
    def join(self, timeout: float | None = None) -> None: ...


@dataclass(frozen=True)
class Surroundings:
    """The service around a source or destination. bundle: gives the digest of the bundle that scores now. sandbox:
    makes one for the caller alone. state: makes the routes of health and metrics."""

    store: Store
    bundle: Callable[[], str]
    sandbox: Callable[[], Sandbox]
    state: Callable[[], list[Route]]

    def inbox(self, kind: str) -> Inbox:
        """Make the inbox of a source. kind: by which records tell where an image came from."""
        return Inbox(self.store, self.bundle, kind)


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Import within this what not every device has. Raises ConfigurationRefused, which names the extra."""
    try:
        yield
    except (ImportError, ValueError) as error:
        raise ConfigurationRefused(
            f"{extra}: {error}; pip install 'fisherlens[{extra}]', which the README describes"
        ) from error


def _camera(table: tables.CameraTable, around: Surroundings) -> Part:
    with needing("camera"):
        from .sources.camera import CameraSource
    return CameraSource(table, around.inbox("camera"))


def _mqtt(table: tables.MqttTable, around: Surroundings) -> Destination:
    with needing("mqtt"):
        from .destinations.mqtt import Mqtt
    return Mqtt(table)


SOURCES: dict[str, Callable[[Any, Surroundings], Part]] = {
    "folder": lambda table, around: FolderSource(table, around.inbox("folder")),
    "camera": _camera,
    # Records call it "stdin", those of before as well.
    "standard_input": lambda table, around: StandardInputSource(table, around.inbox("stdin")),
    "dicom": lambda table, around: DicomSource(table, around.inbox("dicom")),
    "http": lambda table, around: HttpSource(table, around.inbox("http"), around.state()),
}
"""By the fields of `SourceTables`."""

DESTINATIONS: dict[str, Callable[[Any, Surroundings], Destination]] = {
    "json_lines": lambda table, around: JsonLines(table),
    "mqtt": _mqtt,
    "archive": lambda table, around: DicomDestination(table, around.sandbox(), around.store),
}
"""By the fields of `DestinationTables`."""
