"""A DICOM storage service (PS3.4 annex B): modalities send images by C-STORE.

What was received is kept as it came, without being parsed here. Success is answered once it is on stable
storage; a full spool is answered with 0xA700, out of resources, upon which a modality sends again.
"""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakKeyDictionary

from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from ...errors import EdgeError
from ..configuration import DicomSourceTable
from ..faults import reach
from ..inbox import Inbox
from ..store import ImageTooLarge, StoreFailed

SUCCESS, CANNOT_UNDERSTAND, OUT_OF_RESOURCES = 0x0000, 0xC000, 0xA700
_REJECTED = (0x01, 0x01, 0x03)
"""Permanently, by the service user: calling AE title not recognised (PS3.8, 9.3.4)."""

_LONGEST_REQUEST = 2**20
"""Bytes of an A-ASSOCIATE-RQ, which tells all that a peer may send, and of a message's command set."""

_log = logging.getLogger(__name__)


class SourceRefused(EdgeError):
    """A source cannot be opened."""


class DicomSource:
    """The receiver; pynetdicom runs a thread for each association."""

    name = "DICOM source"

    def __init__(self, table: DicomSourceTable, inbox: Inbox) -> None:
        self._table, self._inbox = table, inbox
        self._peers = {(peer.ae_title, peer.address) for peer in table.peers}
        self._received: WeakKeyDictionary[Association, int] = WeakKeyDictionary()
        self._entity = self._configured()
        self._server: object | None = None

    def start(self) -> None:
        """Listen. Raises SourceRefused where the port cannot be had or the TLS files cannot be read."""
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, self._opened),
            (evt.EVT_PDU_RECV, self._bound),
            (evt.EVT_REQUESTED, self._admit),
            (evt.EVT_C_STORE, self._keep),
            (evt.EVT_C_ECHO, lambda event: SUCCESS),
        ]
        try:
            context = self._table.tls.server_context() if self._table.tls else None
            address = (self._table.address, self._table.port)
            self._server = self._entity.start_server(address, block=False, evt_handlers=handlers, ssl_context=context)
        except OSError as error:
            raise SourceRefused(f"DICOM source {self._table.address}:{self._table.port}: {error}") from error

    def is_alive(self) -> bool:
        """Say whether it listens."""
        return self._server is not None

    def stop(self) -> None:
        """End after the images that are being received."""
        self._entity.shutdown()
        self._server = None

    def join(self, timeout: float | None = None) -> None:
        """Do nothing: `stop` has waited already."""

    def _configured(self) -> AE:
        table = self._table
        entity = AE(ae_title=table.ae_title)
        entity.require_called_aet = True
        entity.require_calling_aet = sorted({peer.ae_title for peer in table.peers})
        entity.maximum_associations = table.most_associations
        entity.maximum_pdu_size = table.most_pdu_bytes
        entity.network_timeout = entity.dimse_timeout = entity.acse_timeout = table.idle_seconds
        entity.add_supported_context(Verification)
        for context in AllStoragePresentationContexts:
            assert context.abstract_syntax is not None
            entity.add_supported_context(context.abstract_syntax, AllTransferSyntaxes)
        return entity

    def _opened(self, event: Any) -> None:
        """Close what comes from elsewhere before a byte of it is read. Of the others, read no PDU longer than is
        configured, whatever it says of its length, and wait no longer for its rest."""
        connection = event.assoc.dul.socket
        assert connection is not None
        assert connection.socket is not None
        if event.address[0] not in {address for _, address in self._peers}:
            _log.warning("DICOM connection from %s closed: not among the configured peers", event.address[0])
            connection.close()
            return
        connection.socket.settimeout(self._table.idle_seconds)
        receive = connection.recv

        def bounded(nr_bytes: int) -> bytearray:
            if nr_bytes > _LONGEST_REQUEST + self._table.most_pdu_bytes:
                raise ConnectionError(f"a PDU of {nr_bytes:,} bytes")
            return receive(nr_bytes)

        connection.recv = bounded

    def _bound(self, event: Event) -> None:
        """End an association that sends an image larger than may be taken."""
        if not isinstance(event.pdu, P_DATA_TF):
            return
        received = self._received.get(event.assoc, 0) + event.pdu.pdu_length
        self._received[event.assoc] = received
        if received > self._inbox.store.most_image_bytes + _LONGEST_REQUEST:
            _log.warning("DICOM association ended: an image of more than %s", self._inbox.store.too_large(received))
            event.assoc.abort(block=False)

    def _admit(self, event: Event) -> None:
        """Reject whoever is not configured: the AE title together with the address that it calls from."""
        requestor = event.assoc.requestor
        assert requestor.primitive is not None
        if (requestor.primitive.calling_ae_title, requestor.address) not in self._peers:
            _log.warning("DICOM association from %s rejected: not among the configured peers", requestor.address)
            event.assoc.acse.send_reject(*_REJECTED)
            event.assoc.kill()

    def _keep(self, event: Event) -> int:
        assert isinstance(event.request, C_STORE)
        self._received.pop(event.assoc, None)
        name = str(event.request.AffectedSOPInstanceUID)
        try:
            self._inbox.keep(event.encoded_dataset(), name)
        except StoreFailed as full:
            _log.warning("DICOM image not taken: %s", full)
            return OUT_OF_RESOURCES
        except ImageTooLarge as refusal:
            _log.warning("DICOM image not taken: %s", refusal)
            return CANNOT_UNDERSTAND
        reach("acknowledged")
        return SUCCESS
