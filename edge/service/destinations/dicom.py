"""A DICOM archive: verdicts go into the image's own study by C-STORE, each as a report and in the forms of its map."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from pydicom.dataset import Dataset

from ...maps.picture import overlay_picture
from ...reading import is_dicom
from ...sandbox import Sandbox, SandboxFailed
from ...study import Study
from ...verdict import Verdict
from ..configuration import DicomDestinationTable
from ..store import Store
from ..store.outbox import Pending
from . import DeliveryFailed
from .dicom_codes import Codes
from .dicom_objects import CLASSES, Site, Subject, can_be_referred_to
from .dicom_overlay import has_a_place, parametric_map, segmentation
from .dicom_picture import map_image
from .dicom_report import structured_report
from .dicom_sending import Archive, ClassNotAccepted
from .machine import serial_number

_log = logging.getLogger(__name__)
_LONGER_SIDE = 1024
_REPORT = "report"
_POSSIBLE = {"picture": lambda header: True, "parametric map": has_a_place, "segmentation": can_be_referred_to}
"""What forms of the map need of an image, without which no viewer could lay them over it."""
_NOBODYS = (
    "%s: nothing is sent to %s: the DICOM header cannot be read, or is without SOPInstanceUID, SeriesInstanceUID, "
    "PatientID and PatientName"
)


@dataclass(frozen=True)
class _Case:
    """One delivery with what is known of its image. kinds: of all objects that belong to it."""

    pending: Pending
    verdict: Verdict
    study: Study
    kinds: tuple[str, ...]

    @property
    def maps(self) -> tuple[str, ...]:
        return tuple(kind for kind in self.kinds if kind != _REPORT)


class DicomDestination:
    """One archive. store: has the images that reports and maps are of, and remembers what of a delivery is done."""

    def __init__(self, table: DicomDestinationTable, sandbox: Sandbox, store: Store) -> None:
        self.name = table.name
        self._table, self._sandbox, self._store = table, sandbox, store
        self._site = Site(table.device_serial_number or serial_number(store.folder), Codes.of(table.code))
        self._archive = Archive(table)
        self._made: dict[str, Callable[[_Case], Dataset]] = {
            _REPORT: self._report,
            "picture": self._picture,
            "parametric map": lambda case: self._overlay(case, parametric_map),
            "segmentation": lambda case: self._overlay(case, segmentation),
        }

    def deliver(self, pending: Pending) -> None:
        """Send report and maps, and of them those alone that the archive has not got before. An image that is not DICOM
        has no study to deliver into: nothing is sent.

        Raises DeliveryFailed where the archive cannot be reached, or does not take all of it though it may later.
        """
        case = self._case(pending)
        if case is None:
            return
        done = self._store.outbox.done_of(pending.id, self.name)
        self._send(case, [kind for kind in case.kinds if kind not in done], begun=bool(done))

    def _case(self, pending: Pending) -> _Case | None:
        verdict, path = msgspec.json.decode(pending.record, type=Verdict), self._store.path_of(pending.digest)
        if not path.exists():
            raise DeliveryFailed(f"{pending.digest}: the image is not in the store any more")
        try:
            study = self._sandbox.study(path, verdict.frame)
        except SandboxFailed as failure:
            raise DeliveryFailed(f"{pending.digest}: {failure}") from failure
        if study is not None:
            return _Case(pending, verdict, study, self._kinds(pending.id, verdict, study))
        if is_dicom(path):
            _log.warning(_NOBODYS, pending.id, self.name)
        else:
            _log.info("%s: not a DICOM image, nothing for %s", pending.id, self.name)
        return None

    def _kinds(self, identifier: str, verdict: Verdict, study: Study) -> tuple[str, ...]:
        """Give what there is to be sent of a verdict, the report first."""
        forms = self._table.map_forms if verdict.map is not None else ()
        possible = [form for form in forms if _POSSIBLE[form](study.header)]
        for form in set(forms) - set(possible):
            _log.info("%s: no %s, since the image lacks what viewers need to lay it over", identifier, form)
        return (*((_REPORT,) if self._table.reports else ()), *possible)

    def _send(self, case: _Case, kinds: list[str], begun: bool) -> None:
        """Send what is left of a case. Raises DeliveryFailed, but not for a class that the archive will never take if
        it has what counts: the report, or without reports any form of the map."""
        objects, failures = self._objects(case, kinds)
        failures += self._archive.send(objects, lambda made: self._note(case, made)) if objects else []
        done = self._store.outbox.done_of(case.pending.id, self.name)
        if done and not begun and case.study.remarks:
            _log.warning("%s: not carried over as the image has it: %s", case.pending.id, "; ".join(case.study.remarks))
        counts = _REPORT in done if self._table.reports else bool(done)
        passed = [failure for failure in failures if counts and isinstance(failure, ClassNotAccepted)]
        for failure in passed:
            _log.warning("%s: %s; it is left out", case.pending.id, failure)
        if left := [str(failure) for failure in failures if failure not in passed]:
            raise DeliveryFailed("; ".join(left))

    def _objects(self, case: _Case, kinds: list[str]) -> tuple[list[Dataset], list[DeliveryFailed]]:
        """Make the objects; one that cannot be made now holds up no other."""
        objects, failures = [], []
        for kind in kinds:
            try:
                objects.append(self._made[kind](case))
            except DeliveryFailed as failure:
                failures.append(failure)
            except Exception as error:  # whatever one does, the others are delivered
                failures.append(DeliveryFailed(f"the {kind} cannot be made, unexpected {type(error).__name__}"))
        return objects, failures

    def _note(self, case: _Case, made: Dataset) -> None:
        (kind,) = (kind for kind, class_uid in CLASSES.items() if class_uid == made.SOPClassUID)
        self._store.outbox.note_done(case.pending.id, self.name, kind)

    def _report(self, case: _Case) -> Dataset:
        return structured_report(self._subject(case), case.maps)

    def _picture(self, case: _Case) -> Dataset:
        verdict = case.verdict
        assert verdict.map is not None
        expected = self._store.bundles.input_of(verdict.bundle.digest)
        decoded = self._sandbox.decode(self._store.path_of(case.pending.digest), verdict.frame - 1, expected)
        if decoded.image is None:
            raise DeliveryFailed(f"no picture of the map: {decoded.refusal}")
        overlay = overlay_picture(verdict.map, decoded.image, _LONGER_SIDE)[..., ::-1]
        return map_image(self._subject(case), overlay, expected)

    def _overlay(self, case: _Case, make: Callable[..., Dataset]) -> Dataset:
        expected = self._store.bundles.input_of(case.verdict.bundle.digest)
        return make(self._subject(case), expected)

    def _subject(self, case: _Case) -> Subject:
        return Subject(case.study.header, case.verdict, case.pending.id, self._site)
