"""The common part of all objects that are made of a verdict: patient and study, equipment, times and UIDs.

The same verdict is the same object, to the byte, whenever it is sent: times are those of the judgement, UIDs and
numbers follow from the verdict's identifier.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from highdicom import ContributingEquipment
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import (
    UID,
    ComprehensiveSRStorage,
    ParametricMapStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from ...bundle.manifest import Input
from ...study import PATIENT_AND_STUDY
from ...verdict import Verdict
from .dicom_codes import Codes, long_string

MANUFACTURER = "Fisherlens"
_FIRST_SERIES = 9800
SERIES = {
    "report": _FIRST_SERIES,
    "picture": _FIRST_SERIES + 1,
    "parametric map": _FIRST_SERIES + 2,
    "segmentation": _FIRST_SERIES + 3,
}
"""Series numbers by the kind of object."""
CLASSES = {
    "report": ComprehensiveSRStorage,
    "picture": SecondaryCaptureImageStorage,
    "parametric map": ParametricMapStorage,
    "segmentation": SegmentationStorage,
}
"""SOP classes by the kind of object."""
_NAMESPACE = uuid.UUID("7a2f5b0e-3f55-5d0a-8a51-8e8f6c7f3b42")
_LARGEST_NUMBER = 2**31 - 1
"""Of an integer string (PS3.5 6.2)."""
_MOST_FRAMES = 10_000
_ALSO = ("StudyDescription", "IssuerOfPatientID")


@dataclass(frozen=True)
class Site:
    """The machine and the site as all their objects state them. serial_number: of the machine. codes: with the site's
    in place of ours."""

    serial_number: str
    codes: Codes = field(default_factory=Codes)


@dataclass(frozen=True)
class Subject:
    """One verdict and the image that it is on. header: valid, as `read_study` makes it. identifier: of the verdict."""

    header: Dataset
    verdict: Verdict
    identifier: str
    site: Site

    def uid(self, kind: str) -> UID:
        """Give the SOP Instance UID of the object of a kind."""
        return derived_uid(self.identifier, kind)

    def series_uid(self, kind: str) -> UID:
        """Give the UID of the series of all objects of a kind: of one study, bundle, software and machine."""
        verdict = self.verdict
        return derived_uid(
            str(self.header.StudyInstanceUID), verdict.bundle.digest, verdict.software, self.site.serial_number, kind
        )

    def instance_number(self) -> int:
        """Give the Instance Number: another one for each image and frame, in the order of the frames."""
        of = uuid.uuid5(_NAMESPACE, f"{self.verdict.input_digest or self.identifier} {self.verdict.bundle.digest}").int
        return 1 + of % (_LARGEST_NUMBER - _MOST_FRAMES) + min(self.verdict.frame, _MOST_FRAMES) - 1

    @property
    def frames(self) -> list[int]:
        """Give the frame that the verdict is on as references to it say it: none for an image of one frame."""
        several = int(self.header.get("NumberOfFrames") or 1) > 1 or self.verdict.frame > 1
        return [self.verdict.frame] if several else []

    @property
    def judged(self) -> datetime:
        """Give the time of the judgement, in the zone of the image's own times, else in the machine's."""
        created = datetime.fromisoformat(self.verdict.created)
        offset = str(self.header.get("TimezoneOffsetFromUTC") or "")
        if not offset:
            return created.astimezone()
        minutes = int(offset[:3]) * 60 + int(offset[0] + offset[3:])
        return created.astimezone(timezone(timedelta(minutes=minutes)))


def derived_uid(*parts: str) -> UID:
    """The same UID for the same parts (PS3.5, B.2)."""
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, ' '.join(parts)).int}")


def stand_in(subject: Subject, rows: int = 1, columns: int = 1) -> Dataset:
    """Make an image for highdicom to take patient and study from: it knows no private classes, and logs names."""
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, derived_uid(subject.identifier, "stand-in")
    image.StudyInstanceUID, image.SeriesInstanceUID = subject.header.StudyInstanceUID, subject.series_uid("stand-in")
    image.Rows, image.Columns = rows, columns
    for keyword in PATIENT_AND_STUDY:
        setattr(image, keyword, "")
    return image


def put_into_study(made: Dataset, subject: Subject) -> None:
    """State patient, study, equipment and times of an object that highdicom has made."""
    header, verdict, judged = subject.header, subject.verdict, subject.judged
    made.SpecificCharacterSet = "ISO_IR 192"
    for keyword in PATIENT_AND_STUDY:
        setattr(made, keyword, header.get(keyword) or "")
    for keyword in _ALSO:
        if header.get(keyword):
            setattr(made, keyword, header[keyword].value)
    for stage in ("InstanceCreation", "Content"):
        setattr(made, f"{stage}Date", judged.strftime("%Y%m%d"))
        setattr(made, f"{stage}Time", judged.strftime("%H%M%S.%f"))
    made.TimezoneOffsetFromUTC = judged.strftime("%z")[:5]
    made.Manufacturer, made.ManufacturerModelName = MANUFACTURER, long_string(verdict.bundle.name)
    made.DeviceSerialNumber = subject.site.serial_number
    made.SoftwareVersions = long_string(verdict.software)
    # Ours alone: highdicom adds itself, with the time of the making.
    made.ContributingEquipmentSequence = [equipment(subject)]


def equipment(subject: Subject) -> ContributingEquipment:
    """Make the item that tells software and bundle."""
    verdict = subject.verdict
    return ContributingEquipment(
        manufacturer=MANUFACTURER,
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name=long_string(verdict.bundle.name),
        device_serial_number=subject.site.serial_number,
        software_versions=[long_string(verdict.software), long_string(f"bundle {verdict.bundle.version}")],
        contribution_datetime=subject.judged,
        contribution_description=verdict.bundle.digest,
    )


def covered(header: Dataset, expected: Input | None) -> tuple[int, int] | None:
    """Give the rows and columns of the frame that the network's image covers; None where they are not known."""
    if expected is not None and expected.crop:
        return expected.crop
    rows, columns = header.get("Rows"), header.get("Columns")
    return (rows, columns) if rows and columns else None


def reference_to(class_uid: str, instance_uid: str, frames: Sequence[int] = ()) -> Dataset:
    """Make a reference to an object, or to some of its frames (PS3.3 table 10-3)."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = class_uid, instance_uid
    if frames:
        item.ReferencedFrameNumber = list(frames)
    return item


def can_be_referred_to(header: Dataset) -> bool:
    """Say whether an image has the valid UIDs that references to it need."""
    return all(header.get(keyword) for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"))


def source_images(subject: Subject) -> list[Dataset]:
    """Make the Source Image Sequence, empty where the image has no valid UIDs to refer to."""
    header = subject.header
    if not (header.get("SOPClassUID") and header.get("SOPInstanceUID")):
        return []
    item = reference_to(header.SOPClassUID, header.SOPInstanceUID, subject.frames)
    item.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)]
    return [item]
