"""A verdict as a DICOM structured report of the image's own study.

The report follows TID 1500 (PS3.16): each measurand in its UCUM unit with its uncertainty in the same unit, expanded
(TID 310) and standard, in parts, with coverage factor and probability; each check with its p-value and the features
that it flags by; outcome and reasons. Bundle and software are told as algorithm (TID 4019) and contributing equipment.
Made by highdicom.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    CompositeContentItem,
    ComprehensiveSR,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    ImageContentItem,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    NumContentItem,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID

from ...verdict import CheckResult, Evidence, Result
from .dicom_codes import Codes, long_string, scheme, unit_of
from .dicom_objects import (
    CLASSES,
    MANUFACTURER,
    SERIES,
    Subject,
    can_be_referred_to,
    derived_uid,
    equipment,
    put_into_study,
    reference_to,
    stand_in,
)


def structured_report(subject: Subject, maps: Sequence[str] = ()) -> Dataset:
    """Make a Comprehensive SR of a verdict, in the study of its image. The same subject makes the same object. maps:
    kinds of objects of the verdict's map, which the report refers to."""
    report = ComprehensiveSR(
        evidence=[stand_in(subject), *_evidence(subject, maps)],
        content=_content(subject, maps),
        series_instance_uid=subject.series_uid("report"),
        series_number=SERIES["report"],
        sop_instance_uid=subject.uid("report"),
        instance_number=subject.instance_number(),
        is_complete=True,
        is_final=True,
        contributing_equipment=[equipment(subject)],
        series_description=long_string(f"Fisherlens: {subject.verdict.bundle.name}"),
        coding_schemes=[scheme()],
    )
    put_into_study(report, subject)
    report.CurrentRequestedProcedureEvidenceSequence = _references(subject, maps)
    if not report.CurrentRequestedProcedureEvidenceSequence:
        del report.CurrentRequestedProcedureEvidenceSequence
    return report


def _content(subject: Subject, maps: Sequence[str]) -> MeasurementReport:
    device = DeviceObserverIdentifyingAttributes(
        uid=derived_uid(subject.site.serial_number, "device"),
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=long_string(subject.verdict.bundle.name),
        serial_number=subject.site.serial_number,
    )
    return MeasurementReport(
        observation_context=ObservationContext(ObserverContext(codes.DCM.Device, device)),
        procedure_reported=codes.SCT.ImagingProcedure,
        imaging_measurements=[_group(subject, maps)],
        title=codes.DCM.ImagingMeasurementReport,
    )


def _group(subject: Subject, maps: Sequence[str]) -> MeasurementsAndQualitativeEvaluations:
    """Make the measurement group (TID 1501) of the verdict's image or frame."""
    verdict, code = subject.verdict, subject.site.codes
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=derived_uid(subject.identifier, "tracking"), identifier=f"frame {verdict.frame}"
        ),
        algorithm_id=AlgorithmIdentification(
            name=long_string(verdict.bundle.name),
            version=long_string(verdict.bundle.version),
            parameters=[verdict.bundle.digest],
        ),
        measurements=[
            *(_measurement(result, code) for result in verdict.results if math.isfinite(result.value)),
            *(_plain(code(f"probability of {of.name}"), of.probability) for of in verdict.probabilities),
            *(_check(check, code) for check in verdict.checks),
        ],
        qualitative_evaluations=[QualitativeEvaluation(code("verdict-outcome"), code(f"verdict-{verdict.outcome}"))],
        source_images=_sources(subject),
    )
    items = group[0].ContentSequence
    # A number that is none has no item that all readers take.
    unknown = [f"{result.name} is no finite number" for result in verdict.results if not math.isfinite(result.value)]
    items.extend(_text(code("verdict-reason"), reason) for reason in (*verdict.reasons, *unknown))
    items.extend(_composites(subject))
    items.extend(_image(code("verdict-map"), CLASSES[kind], subject.uid(kind)) for kind in maps)
    return group


def _measurement(result: Result, code: Codes) -> Measurement:
    measurement = _plain(code(result.name), result.value, result.unit)
    expanded = (
        (codes.SCT.RangeOfUpperMeasurementUncertainty, result.high - result.value),
        (codes.SCT.RangeOfLowerMeasurementUncertainty, result.value - result.low),
        (code("std-uncertainty"), result.u),
        (code("u-aleatoric"), result.u_aleatoric),
        (code("u-epistemic"), result.u_epistemic),
        (code("u-input"), result.u_input),
    )
    coverage = (
        (code("coverage-factor"), result.coverage_factor),
        (code("coverage-level"), result.coverage_probability),
    )
    _add_properties(measurement, [(name, value, result.unit) for name, value in expanded])
    _add_properties(measurement, [(name, value, "1") for name, value in coverage])
    return measurement


def _check(check: CheckResult, code: Codes) -> Measurement:
    measurement = _plain(code(f"p-value of {check.name}"), check.p_value)
    _add_properties(measurement, [(code("check-alpha"), check.alpha, "1")])
    if check.statistic is not None:
        _add_properties(measurement, [(code("check-statistic"), check.statistic, "1")])
    measurement[0].ContentSequence.extend(_evidence_of(evidence, code) for evidence in check.evidence)
    return measurement


def _evidence_of(evidence: Evidence, code: Codes) -> TextContentItem:
    """Make the words on a feature, with its numbers below."""
    item = _text(code("check-evidence"), evidence.text, RelationshipTypeValues.HAS_PROPERTIES)
    numbers = (
        (code("feature-deviation"), evidence.deviation),
        (code("feature-usual-low"), evidence.low),
        (code("feature-usual-high"), evidence.high),
    )
    item.ContentSequence = ContentSequence(
        _properties((name, value, "1") for name, value in numbers if value is not None)
    )
    return item


def _plain(name: CodedConcept, value: float, unit: str = "1") -> Measurement:
    return Measurement(name, float(value), unit_of(unit))


def _add_properties(measurement: Measurement, numbers: Sequence[tuple[CodedConcept, float, str]]) -> None:
    """Give a measurement numbers of its own, each in its unit: highdicom would have those of TID 310 in none."""
    if "ContentSequence" not in measurement[0]:
        measurement[0].ContentSequence = ContentSequence()
    measurement[0].ContentSequence.extend(_properties(numbers))


def _properties(numbers: Iterable[tuple[CodedConcept, float, str]]) -> list[NumContentItem]:
    return [
        NumContentItem(name, float(value), unit_of(unit), relationship_type=RelationshipTypeValues.HAS_PROPERTIES)
        for name, value, unit in numbers
        if math.isfinite(value)
    ]


def _text(
    name: CodedConcept, text: str, relationship: RelationshipTypeValues = RelationshipTypeValues.CONTAINS
) -> TextContentItem:
    printable = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return TextContentItem(name, printable or "none", relationship_type=relationship)


def _image(name: CodedConcept, class_uid: str, instance_uid: str) -> ImageContentItem:
    return ImageContentItem(name, class_uid, instance_uid, relationship_type=RelationshipTypeValues.CONTAINS)


def _sources(subject: Subject) -> list[SourceImageForMeasurementGroup]:
    header = subject.header
    if not can_be_referred_to(header) or not _is_known(header.SOPClassUID):
        return []
    return [SourceImageForMeasurementGroup(header.SOPClassUID, header.SOPInstanceUID, subject.frames or None)]


def _composites(subject: Subject) -> list[CompositeContentItem]:
    """Make the reference to an image of a private class, which no reader would take for an image."""
    header = subject.header
    if not can_be_referred_to(header) or _is_known(header.SOPClassUID):
        return []
    name, contains = codes.DCM.SourceOfMeasurement, RelationshipTypeValues.CONTAINS
    return [CompositeContentItem(name, header.SOPClassUID, header.SOPInstanceUID, relationship_type=contains)]


def _is_known(class_uid: str) -> bool:
    return UID(class_uid).type == "SOP Class"


def _evidence(subject: Subject, maps: Sequence[str]) -> list[Dataset]:
    """Give what the report refers to, as far as references need it."""
    images = [subject.header] if can_be_referred_to(subject.header) else []
    for kind in maps:
        made = Dataset()
        made.SOPClassUID, made.SOPInstanceUID = CLASSES[kind], subject.uid(kind)
        made.StudyInstanceUID, made.SeriesInstanceUID = subject.header.StudyInstanceUID, subject.series_uid(kind)
        images.append(made)
    return images


def _references(subject: Subject, maps: Sequence[str]) -> list[Dataset]:
    """Make the evidence: the image, and the maps, each in its series."""
    study = Dataset()
    study.StudyInstanceUID = subject.header.StudyInstanceUID
    study.ReferencedSeriesSequence = []
    for of in _evidence(subject, maps):
        series = Dataset()
        series.SeriesInstanceUID = of.SeriesInstanceUID
        series.ReferencedSOPSequence = [reference_to(of.SOPClassUID, of.SOPInstanceUID)]
        study.ReferencedSeriesSequence.append(series)
    return [study] if study.ReferencedSeriesSequence else []
