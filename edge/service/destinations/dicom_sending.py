"""Sending to a DICOM archive by C-STORE (PS3.4 annex B): what it took, and in its own words why not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.status import GENERAL_STATUS, STORAGE_SERVICE_CLASS_STATUS

from ..configuration import DicomDestinationTable
from . import DeliveryFailed

_log = logging.getLogger(__name__)
_SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
"""PS3.5 10.1 demands that the second is offered."""
_STORED_WITH_CHANGES = (0xB000, 0xB006, 0xB007)
_IS_THERE_ALREADY = 0x0111
_CLASS_NOT_SUPPORTED = 0x0122
_REFUSED_CONTEXTS = {
    1: "rejected by its user",
    2: "no reason",
    3: "the class is not supported",
    4: "the transfer syntaxes are not supported",
}
"""Results of presentation contexts (PS3.8 table 9-18)."""
_NOT_CONNECTED = ("nothing listens there", "nothing listens there, or the certificates are refused on one side")
"""Without TLS and with it."""


class ClassNotAccepted(DeliveryFailed):
    """The archive does not take objects of this class, now or later."""


class Archive:
    """One archive, as the configuration's table describes it."""

    def __init__(self, table: DicomDestinationTable) -> None:
        self._table = table
        self._where = f"archive {table.host}:{table.port} ({table.ae_title})"

    def send(self, objects: Iterable[Dataset], stored: Callable[[Dataset], None]) -> list[DeliveryFailed]:
        """Send objects in one association, and call `stored` for each that the archive has then. Gives the failures of
        the others. Raises DeliveryFailed where there is no association."""
        objects = list(objects)
        failures = []
        with self._associated(sorted({made.SOPClassUID for made in objects})) as association:
            for made in objects:
                try:
                    self._store(association, made)
                except DeliveryFailed as failure:
                    failures.append(failure)
                else:
                    stored(made)
        return failures

    @contextmanager
    def _associated(self, classes: list[UID]) -> Iterator[Association]:
        table = self._table
        entity = AE(ae_title=table.calling_ae_title)
        entity.network_timeout = entity.dimse_timeout = entity.acse_timeout = table.seconds
        entity.connection_timeout = table.seconds
        for class_uid in classes:
            entity.add_requested_context(class_uid, _SYNTAXES)
        try:
            tls = (table.tls.client_context(), table.host) if table.tls else None
        except OSError as error:
            raise DeliveryFailed(f"{self._where}: TLS files: {error}") from error
        connected: list[evt.Event] = []
        handlers: list[tuple] = [(evt.EVT_CONN_OPEN, connected.append)]
        association = entity.associate(
            table.host, table.port, ae_title=table.ae_title, tls_args=tls, evt_handlers=handlers
        )
        try:
            if not association.is_established and not association.rejected_contexts:
                reason = _no_association(association) if connected else _NOT_CONNECTED[tls is not None]
                raise DeliveryFailed(f"{self._where}: no association, {reason}")
            yield association
        finally:
            if association.is_established:
                association.release()

    def _store(self, association: Association, made: Dataset) -> None:
        """Send one object. Raises DeliveryFailed."""
        accepted = {context.abstract_syntax for context in association.accepted_contexts}
        if made.SOPClassUID not in accepted:
            raise self._not_accepted(made, _refused_context(association, made.SOPClassUID))
        if not association.is_established:
            raise DeliveryFailed(f"{self._where}: the association ended before {_named(made)} was sent")
        status = association.send_c_store(made).get("Status")
        if status is None:
            raise DeliveryFailed(f"{self._where}: no answer to {_named(made)}")
        if status == _CLASS_NOT_SUPPORTED:
            raise self._not_accepted(made, "0x0122, SOP class not supported")
        if status in _STORED_WITH_CHANGES or status == _IS_THERE_ALREADY:
            _log.info("%s: %s is stored, 0x%04X, %s", self._where, _named(made), status, _meaning(status))
        elif status:
            raise DeliveryFailed(f"{self._where}: {_named(made)}: 0x{status:04X}, {_meaning(status)}")

    def _not_accepted(self, made: Dataset, reason: str) -> ClassNotAccepted:
        return ClassNotAccepted(f"{self._where}: does not accept {_named(made)}: {reason}")


def _no_association(association: Association) -> str:
    """Say why there is none, in the words of PS3.8 table 9-21."""
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        return f"{answer.result_str.lower()} by its {answer.source_str.lower()}: {answer.reason_str.lower()}"
    return "it was aborted" if association.is_aborted else "no answer"


def _refused_context(association: Association, class_uid: str) -> str:
    results = [of.result for of in association.rejected_contexts if of.abstract_syntax == class_uid]
    return _REFUSED_CONTEXTS.get((results or [2])[0] or 2, "no reason")


def _named(made: Dataset) -> str:
    return UID(made.SOPClassUID).name


def _meaning(status: int) -> str:
    """Give what a status means by PS3.4 table B.2-1, else by PS3.7 annex C."""
    _, meaning = STORAGE_SERVICE_CLASS_STATUS.get(status) or GENERAL_STATUS.get(status) or ("", "")
    return (meaning or "unknown status").lower()
