"""A DICOM archive: verdicts go into the image's own study by C-STORE."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import ComprehensiveSRStorage, SecondaryCaptureImageStorage  # type: ignore[attr-defined]

from ...maps.picture import overlay_picture
from ...sandbox import Sandbox, SandboxFailed
from ...verdict import Verdict
from ..configuration import DicomDestinationTable
from ..store import Store
from ..store.outbox import Pending
from . import DeliveryFailed
from .dicom_report import map_image, structured_report

_log = logging.getLogger(__name__)
_LONGER_SIDE = 1024


class DicomDestination:
    """One archive. store: has the images that reports and maps are of."""

    def __init__(self, table: DicomDestinationTable, sandbox: Sandbox, store: Store) -> None:
        self.name = table.name
        self._table, self._sandbox, self._store = table, sandbox, store

    def deliver(self, pending: Pending) -> None:
        """Send report and map. An image that is not DICOM has no study to deliver into: nothing is sent.

        Raises DeliveryFailed where the archive cannot be reached, or does not take all of it.
        """
        verdict = msgspec.json.decode(pending.record, type=Verdict)
        path = self._store.path_of(pending.digest)
        try:
            header = self._sandbox.header(path)
        except SandboxFailed as failure:
            raise DeliveryFailed(f"{pending.digest}: {failure}") from failure
        if header is None:
            _log.info("%s: not a DICOM image of a study, nothing for %s", pending.id, self.name)
            return
        self._send([structured_report(header, verdict, pending.id), *self._maps(path, header, verdict, pending.id)])

    def _maps(self, path: Path, header: Dataset, verdict: Verdict, identifier: str) -> list[Dataset]:
        if verdict.map is None or not self._table.maps:
            return []
        decoded = self._sandbox.decode(path, verdict.frame - 1, self._store.bundles.input_of(verdict.bundle.digest))
        if decoded.image is None:
            return []
        overlay = overlay_picture(verdict.map, decoded.image, _LONGER_SIDE)[..., ::-1]
        return [map_image(header, verdict, overlay, identifier)]

    def _send(self, objects: list[Dataset]) -> None:
        table = self._table
        entity = AE(ae_title=table.calling_ae_title)
        entity.network_timeout = entity.dimse_timeout = entity.acse_timeout = table.seconds
        entity.connection_timeout = table.seconds
        for kind in (ComprehensiveSRStorage, SecondaryCaptureImageStorage):
            entity.add_requested_context(kind, ExplicitVRLittleEndian)
        tls = (table.tls.client_context(), table.host) if table.tls else None
        association = entity.associate(table.host, table.port, ae_title=table.ae_title, tls_args=tls)
        if not association.is_established:
            raise DeliveryFailed(f"archive {table.host}:{table.port} ({table.ae_title}): no association")
        try:
            for sent in objects:
                status = association.send_c_store(sent)
                if "Status" not in status or status.Status != 0:
                    said = f"0x{status.Status:04X}" if "Status" in status else "no answer"
                    raise DeliveryFailed(f"archive {table.host}:{table.port} ({table.ae_title}): {said}")
        finally:
            association.release()
