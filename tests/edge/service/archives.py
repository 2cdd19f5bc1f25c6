"""An archive in the test's own process, that answers as it is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ComprehensiveSRStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from .ports import free_port

ALL = (ComprehensiveSRStorage, SecondaryCaptureImageStorage, SegmentationStorage)
BOTH = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


@dataclass
class ToldArchive:
    """statuses: what C-STORE of a class is answered with, else success. received: all that was sent, in order."""

    port: int
    statuses: dict[str, int] = field(default_factory=dict)
    received: list[Dataset] = field(default_factory=list)

    def store(self, event: evt.Event) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        self.received.append(dataset)
        return self.statuses.get(dataset.SOPClassUID, 0)

    def classes(self) -> list[str]:
        return [of.SOPClassUID for of in self.received]


@contextmanager
def told_archive(
    classes: Sequence[str] = ALL, syntaxes: Sequence[str] = BOTH, ae_title: str = "ARCHIVE", calling: str = ""
) -> Iterator[ToldArchive]:
    """An archive that takes some classes in some transfer syntaxes, called by its title and, where it is stated, by one
    caller alone."""
    entity = AE(ae_title)
    entity.require_called_aet = True
    entity.require_calling_aet = [calling] if calling else []
    for class_uid in classes:
        entity.add_supported_context(UID(class_uid), list(syntaxes))
    archive = ToldArchive(free_port())
    handlers = [(evt.EVT_C_STORE, archive.store)]
    server = entity.start_server(("127.0.0.1", archive.port), block=False, evt_handlers=handlers)  # type: ignore[arg-type]
    try:
        yield archive
    finally:
        assert server is not None
        server.shutdown()
