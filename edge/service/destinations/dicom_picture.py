"""A verdict's map as a DICOM picture over the image with a legend (secondary capture). Made by highdicom."""

from __future__ import annotations

import numpy as np
from highdicom.sc import SCImage
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import DSfloat

from ...bundle.manifest import Input
from ...maps.legend import enlargement, with_legend
from ...verdict import CompactMap
from .dicom_codes import long_string
from .dicom_objects import SERIES, Subject, covered, equipment, put_into_study, source_images


def map_image(subject: Subject, overlay: NDArray[np.uint8], expected: Input | None = None) -> Dataset:
    """Make an RGB secondary capture of the map over the image with a legend beside it, in the same study. overlay:
    uint8 [rows, columns, 3], red first. expected: by which the frame became the image under the map; None for all of
    it."""
    verdict = subject.verdict
    assert verdict.map is not None
    drawn = np.ascontiguousarray(with_legend(np.ascontiguousarray(overlay[..., ::-1]), verdict.map)[..., ::-1])
    picture = SCImage(
        pixel_array=drawn,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=subject.header.StudyInstanceUID,
        series_instance_uid=subject.series_uid("picture"),
        series_number=SERIES["picture"],
        sop_instance_uid=subject.uid("picture"),
        instance_number=subject.instance_number(),
        manufacturer="",
        patient_orientation=("L", "F"),
        contributing_equipment=[equipment(subject)],
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description=long_string(f"Fisherlens: {verdict.map.kind} map"),
    )
    put_into_study(picture, subject)
    _describe(picture, subject, verdict.map)
    times = enlargement(overlay.shape)
    shown = overlay.shape[0] * times, overlay.shape[1] * times
    _space(picture, subject.header, covered(subject.header, expected), shown)
    return picture


def _describe(picture: Dataset, subject: Subject, compact: CompactMap) -> None:
    """State what the picture is of, and how it came about."""
    header = subject.header
    # highdicom wants an orientation, which may be empty (type 2C): nothing is claimed that the image does not say.
    picture.PatientOrientation = list(header.get("PatientOrientation") or [])
    # Of the image, not the series: both breasts' maps are one series.
    if laterality := header.get("ImageLaterality") or header.get("Laterality"):
        picture.ImageLaterality = laterality
    else:
        picture.Laterality = ""
    # The legend names nobody; what the image itself may show where it does not say is not known to be nothing.
    picture.BurnedInAnnotation = header.get("BurnedInAnnotation") or "YES"
    picture.ConversionType = "WSD"
    picture.DateOfSecondaryCapture, picture.TimeOfSecondaryCapture = picture.ContentDate, picture.ContentTime
    picture.DerivationDescription = f"{compact.kind} map ({compact.quantity}) over the image, with a legend"
    picture.ImageComments = "Not for diagnosis"
    if sources := source_images(subject):
        picture.SourceImageSequence = sources


def _space(picture: Dataset, header: Dataset, extent: tuple[int, int] | None, drawn: tuple[int, int]) -> None:
    """State the spacing of a picture that shows `extent` on so many `drawn` pixels, of the kind that the image has."""
    if extent is None:
        return

    def scaled(keyword: str) -> list[DSfloat]:
        sides = zip(header[keyword].value, extent, drawn, strict=True)
        return [DSfloat(float(side) * rows / pixels, auto_format=True) for side, rows, pixels in sides]

    if "PixelSpacing" in header:
        picture.PixelSpacing = scaled("PixelSpacing")
        if header.get("PixelSpacingCalibrationType") and header.get("PixelSpacingCalibrationDescription"):
            picture.PixelSpacingCalibrationType = header.PixelSpacingCalibrationType
            picture.PixelSpacingCalibrationDescription = header.PixelSpacingCalibrationDescription
    elif "ImagerPixelSpacing" in header:
        # The same in both: on the detector, not calibrated to the patient (PS3.3 10.7.1.3).
        picture.PixelSpacing = picture.ImagerPixelSpacing = scaled("ImagerPixelSpacing")
    elif "NominalScannedPixelSpacing" in header:
        picture.NominalScannedPixelSpacing = scaled("NominalScannedPixelSpacing")
