"""Verdicts as DICOM objects of the image's own study: a structured report, and its map as a picture.

The report follows TID 1500 (PS3.16), each measurand with its expanded uncertainty (TID 310) in UCUM
units, each check with its p-value, and the outcome; bundle and software are told as algorithm (TID
4019) and contributing equipment. Made by highdicom.
"""

from __future__ import annotations

import hashlib
import uuid

import numpy as np
from highdicom import ContributingEquipment
from highdicom.sc import SCImage
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementProperties,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID

from ...verdict import Result, Verdict

MANUFACTURER = "Fisherlens"
_SCHEME = "99FISHERLENS"
_SERIES = 9800
_NAMESPACE = uuid.UUID("7a2f5b0e-3f55-5d0a-8a51-8e8f6c7f3b42")


def structured_report(header: Dataset, verdict: Verdict, identifier: str) -> Dataset:
    """Make a Comprehensive SR of a verdict, in the study of `header`, which is the image's without its pixels. The
    same identifier makes the same SOP Instance UID, so a report that is sent twice is one."""
    source = SourceImageForMeasurementGroup(header.SOPClassUID, header.SOPInstanceUID)
    measured = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=_uid(identifier, "tracking"), identifier=f"frame {verdict.frame}"),
        algorithm_id=_algorithm(verdict),
        measurements=[*map(_measurement, verdict.results), *_probabilities(verdict), *_checks(verdict)],
        qualitative_evaluations=[QualitativeEvaluation(_concept("outcome"), _concept(verdict.outcome))],
        source_images=[source],
    )
    device = DeviceObserverIdentifyingAttributes(
        uid=_uid(verdict.bundle.digest, "device"), name=MANUFACTURER, model_name=verdict.bundle.name[:64]
    )
    content = MeasurementReport(
        observation_context=ObservationContext(ObserverContext(codes.DCM.Device, device)),
        procedure_reported=codes.SCT.ImagingProcedure,
        imaging_measurements=[measured],
        title=codes.DCM.ImagingMeasurementReport,
    )
    report = ComprehensiveSR(
        evidence=[header],
        content=content,
        series_instance_uid=_uid(str(header.StudyInstanceUID), verdict.bundle.digest, "reports"),
        series_number=_SERIES,
        sop_instance_uid=_uid(identifier, "report"),
        instance_number=verdict.frame,
        manufacturer=MANUFACTURER,
        is_complete=True,
        contributing_equipment=[_equipment(verdict)],
        software_versions=verdict.software,
        series_description=f"Fisherlens: {verdict.bundle.name}"[:64],
        manufacturer_model_name=verdict.bundle.name[:64],
        device_serial_number="0",
    )
    return report


def map_image(header: Dataset, verdict: Verdict, overlay: NDArray[np.uint8], identifier: str) -> Dataset:
    """Make an RGB secondary capture of the map over the image, in the same study. overlay: uint8 [rows, columns, 3],
    red first."""
    picture = SCImage(
        pixel_array=overlay,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=header.StudyInstanceUID,
        series_instance_uid=_uid(str(header.StudyInstanceUID), verdict.bundle.digest, "maps"),
        series_number=_SERIES + 1,
        sop_instance_uid=_uid(identifier, "map"),
        instance_number=verdict.frame,
        manufacturer=MANUFACTURER,
        patient_id=header.get("PatientID"),
        patient_name=header.get("PatientName"),
        patient_birth_date=header.get("PatientBirthDate"),
        patient_sex=header.get("PatientSex"),
        accession_number=header.get("AccessionNumber"),
        study_id=header.get("StudyID"),
        study_date=header.get("StudyDate"),
        study_time=header.get("StudyTime"),
        referring_physician_name=header.get("ReferringPhysicianName"),
        patient_orientation=("L", "F"),
        contributing_equipment=[_equipment(verdict)],
        series_description=f"Fisherlens: {verdict.map.kind if verdict.map else ''} map"[:64],
    )
    # highdicom wants an orientation, which may be empty (type 2C): nothing is claimed that the image does not say.
    picture.PatientOrientation = list(header.get("PatientOrientation") or [])
    picture.Laterality = header.get("Laterality") or header.get("ImageLaterality") or ""
    return picture


def _measurement(result: Result) -> Measurement:
    return Measurement(
        name=_concept(result.name),
        value=result.value,
        unit=_unit(result.unit),
        properties=MeasurementProperties(
            upper_measurement_uncertainty=result.high - result.value,
            lower_measurement_uncertainty=result.value - result.low,
        ),
    )


def _probabilities(verdict: Verdict) -> list[Measurement]:
    return [
        Measurement(_concept(f"probability of {entry.name}"), entry.probability, _unit("1"))
        for entry in verdict.probabilities
    ]


def _checks(verdict: Verdict) -> list[Measurement]:
    return [Measurement(_concept(f"p-value of {check.name}"), check.p_value, _unit("1")) for check in verdict.checks]


def _algorithm(verdict: Verdict) -> AlgorithmIdentification:
    factors = [f"{r.name}: k = {r.coverage_factor:.4g}, coverage {r.coverage_probability:g}" for r in verdict.results]
    alphas = [f"{check.name}: alpha = {check.alpha:g}" for check in verdict.checks]
    return AlgorithmIdentification(
        name=verdict.bundle.name[:64],
        version=verdict.bundle.version,
        parameters=[verdict.bundle.digest, *factors, *alphas, *verdict.reasons],
    )


def _equipment(verdict: Verdict) -> ContributingEquipment:
    return ContributingEquipment(
        manufacturer=MANUFACTURER,
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name=verdict.bundle.name[:64],
        software_versions=[verdict.software, f"bundle {verdict.bundle.version}"],
        contribution_description=verdict.bundle.digest,
    )


def _unit(unit: str) -> CodedConcept:
    return CodedConcept(unit, "UCUM", "no units" if unit == "1" else unit)


def _concept(name: str) -> CodedConcept:
    """A code of our own scheme: the same name always has the same."""
    return CodedConcept(hashlib.sha256(name.encode()).hexdigest()[:16], _SCHEME, name[:64])


def _uid(*parts: str) -> UID:
    """The same UID for the same parts (PS3.5, B.2)."""
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, ' '.join(parts)).int}")
