"""The study of an image, as objects that are made for it may state it: its header made valid.

What reports and maps take over from an image is read here from its bytes, whatever the header looks like: text in any
character set becomes Unicode, values become what their value representation allows, and what cannot be carried over is
left out. Every such thing is a remark that names the attribute, never its value, which may be a patient's.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from .character_sets import Text, codecs_of, decode
from .values import LEFT_OUT, Value, offset_from_utc, one_of, valid

PATIENT_AND_STUDY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
"""Of type 2: there in every object, empty where the image does not say them."""
_TEXT = (
    *PATIENT_AND_STUDY, "StudyDescription", "IssuerOfPatientID", "TimezoneOffsetFromUTC", "Laterality",
    "ImageLaterality", "Modality", "NumberOfFrames", "BurnedInAnnotation", "PixelSpacingCalibrationType",
    "PixelSpacingCalibrationDescription", "FrameOfReferenceUID",
)  # fmt: skip
_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_OF_FRAMES = {
    "PixelSpacing": ("PixelMeasuresSequence", 2),
    "ImagePositionPatient": ("PlanePositionSequence", 3),
    "ImageOrientationPatient": ("PlaneOrientationSequence", 6),
}
"""What multi-frame images say frame by frame: the functional group that has it, and how many numbers it is."""
STUDY = (
    "SpecificCharacterSet", *_UIDS, *_TEXT, "PatientOrientation", "Rows", "Columns", *_SPACINGS,
    "ImagePositionPatient", "ImageOrientationPatient", *_GROUPS,
)  # fmt: skip
"""Of an image's header, what goes into objects that are made for its study."""
_TERMS = {
    "PatientSex": ("M", "F", "O"),
    "Laterality": ("L", "R"),
    "ImageLaterality": ("L", "R", "B", "U"),
    "BurnedInAnnotation": ("YES", "NO"),
    "PixelSpacingCalibrationType": ("GEOMETRY", "FIDUCIAL"),
}
"""Defined terms and enumerated values of PS3.3."""
_DIRECTIONS = frozenset("APRLHF")
_NAMESPACE = uuid.UUID("0b9b4f0f-5a0b-5e5f-9a5b-3f1f0e6f2c11")


@dataclass(frozen=True)
class Study:
    """An image's study, as far as its header tells it. header: valid, in ISO_IR 192, without what could not be carried
    over; with a Study Instance UID in any case. remarks: what was left out or changed, by attribute."""

    header: Dataset
    remarks: tuple[str, ...] = ()

    @property
    def is_nobodys(self) -> bool:
        """Say whether the header names neither image nor patient: nobody would find a report on it."""
        return not any(
            self.header.get(keyword) for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "PatientID", "PatientName")
        )


def read_study(dataset: Dataset, frame: int = 1, further: Sequence[str] = ()) -> Study:
    """Read what a DICOM header says of its study, and of a frame's place, as valid values. further: keywords beside
    those of STUDY. Raises nothing, whatever the header holds."""
    reader = _Reader(dataset)
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    for keyword in (*_TEXT, *further):
        value = reader.value(keyword)
        if value or keyword in PATIENT_AND_STUDY:
            setattr(header, keyword, value)
    for keyword in _UIDS:
        if value := reader.uid(keyword):
            setattr(header, keyword, value)
    if reader.made_up and "SeriesInstanceUID" in header:
        del header.SeriesInstanceUID  # which is of another study
    for keyword, numbers in (*reader.spacings(), *reader.of_frame(frame)):
        setattr(header, keyword, numbers)
    for keyword in ("Rows", "Columns"):
        if (count := reader.count(keyword)) is not None:
            setattr(header, keyword, count)
    if orientation := reader.orientation():
        header.PatientOrientation = orientation
    return Study(header, tuple(reader.remarks))


class _Reader:
    """Reads single attributes, and notes what it does to them in `remarks`. made_up: the study's UID is not the
    image's."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self.remarks: list[str] = []
        self.made_up = False
        self._codecs = codecs_of(_bytes(self._raw("SpecificCharacterSet")))

    def value(self, keyword: str) -> str:
        """Give a valid value, empty where there is none."""
        raw = self._raw(keyword)
        if not isinstance(raw, bytes | str):
            self._remark(keyword, f"{LEFT_OUT}, no text" if raw is not None else "")
            return ""
        text = decode(raw, self._codecs) if isinstance(raw, bytes) else Text(raw)
        value = _made_valid(keyword, text.text)
        self._remark(keyword, *text.remarks, value.remark)
        return value.text

    def uid(self, keyword: str) -> str:
        """Give a valid UID; of the study, where there is none, one that is made for it."""
        raw = self._raw(keyword)
        text = raw.decode("ascii", "replace") if isinstance(raw, bytes) else str(raw or "")
        value = valid("UI", text).text
        if value or keyword != "StudyInstanceUID":
            self._remark(keyword, "" if value else f"{_fault(text)}: objects do not refer to the image")
            return value
        self.made_up = True
        self._remark(keyword, f"{_fault(text)}: objects lie in a study of their own, and do not refer to the image")
        # From the bytes as they are: whatever comes of the same study lies together.
        seed = text or "\0".join(_bytes(self._raw(other)).hex() for other in (*_UIDS, *PATIENT_AND_STUDY))
        return f"2.25.{uuid.uuid5(_NAMESPACE, seed).int}"

    def spacings(self) -> Iterator[tuple[str, list[float]]]:
        """Give the spacings, row and column in mm, that are two positive numbers."""
        for keyword in _SPACINGS:
            numbers = _numbers(self._dataset, keyword, 2)
            if numbers and min(numbers) > 0:
                yield keyword, numbers
            else:
                self._remark(keyword, f"{LEFT_OUT}, not two positive numbers" if self._raw(keyword) else "")

    def of_frame(self, frame: int) -> Iterator[tuple[str, list[float]]]:
        """Give what the functional groups say of a frame, else the header of all of it."""
        groups = [
            *_items(self._dataset, "PerFrameFunctionalGroupsSequence")[frame - 1 : frame],
            *_items(self._dataset, "SharedFunctionalGroupsSequence")[:1],
        ]
        for keyword, (group, count) in _OF_FRAMES.items():
            held = [item for of in groups for item in _items(of, group)[:1]]
            found = [numbers for of in (*held, self._dataset) if (numbers := _numbers(of, keyword, count))]
            if found and (keyword != "PixelSpacing" or min(found[0]) > 0):
                yield keyword, found[0]

    def count(self, keyword: str) -> int | None:
        """Give a number of pixels; None where there is none."""
        with suppress(Exception):  # pydicom raises many kinds on damaged values
            return int(self._dataset[keyword].value)
        return None

    def orientation(self) -> list[str]:
        """Give the Patient Orientation of rows and columns; empty where it is none."""
        raw = self._raw("PatientOrientation")
        text = raw.decode("ascii", "replace") if isinstance(raw, bytes) else str(raw or "")
        directions = [part.strip("\0 ").upper() for part in text.split("\\")]
        if len(directions) == 2 and all(set(part) <= _DIRECTIONS and 0 < len(part) <= 3 for part in directions):
            return directions
        self._remark("PatientOrientation", f"{LEFT_OUT}, not two directions" if text.strip("\0 ") else "")
        return []

    def _raw(self, keyword: str) -> bytes | str | Any | None:
        """Give the bytes of a value; its text where it is decoded already; None where there is none."""
        try:
            element = self._dataset.get_item(keyword)
        except KeyError:
            return None
        if element is None or element.value is None:
            return None
        value = element.value
        if isinstance(element, RawDataElement) or isinstance(value, bytes):
            return bytes(value)
        if isinstance(value, MultiValue | list) and element.VR != "SQ":
            return "\\".join(str(part) for part in value)
        return value if element.VR == "SQ" else str(value)

    def _remark(self, keyword: str, *remarks: str) -> None:
        self.remarks += [f"{keyword} {remark}" for remark in remarks if remark]


def _made_valid(keyword: str, text: str) -> Value:
    if keyword == "TimezoneOffsetFromUTC":
        return offset_from_utc(text)
    if keyword in _TERMS:
        return one_of(_TERMS[keyword], text)
    return valid(dictionary_VR(keyword), text)


def _fault(text: str) -> str:
    return "is no valid UID" if text.strip("\0 ") else "is missing"


def _bytes(raw: object) -> bytes:
    return raw if isinstance(raw, bytes) else str(raw or "").encode("utf-8", "replace")


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Give a sequence's items; none where it cannot be read."""
    with suppress(Exception):  # pydicom raises many kinds on damaged values
        return [item for item in dataset[keyword].value if isinstance(item, Dataset)]
    return []


def _numbers(dataset: Dataset, keyword: str, count: int) -> list[float]:
    """Give so many finite numbers; none where there are others."""
    with suppress(Exception):  # pydicom raises many kinds on damaged values
        found = [float(part) for part in dataset[keyword].value]
        if len(found) == count and all(map(math.isfinite, found)):
            return found
    return []
