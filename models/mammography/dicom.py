"""Simulated images as DICOM: Digital Mammography X-Ray Image, for processing (PS3.3 A.27)."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import DigitalMammographyXRayImageStorageForProcessing, ExplicitVRLittleEndian, generate_uid

from fisherlens.edge.storage import write_whole

from .acquisition import Exposure
from .detector import BITS_STORED, Detector

_KVP = 29
_MAKER = "Fisherlens"


def write_dicom(
    path: Path,
    pixels: NDArray[np.uint16],
    exposure: Exposure,
    description: str,
    pixel_spacing: float = Detector.pixel_spacing,
) -> None:
    """Write one image: raw values proportional to exposure, so MONOCHROME1 with a linear, positive
    relation to intensity, as acquisition workstations store them before processing."""
    dataset = FileDataset("", {}, preamble=b"\0" * 128)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalMammographyXRayImageStorageForProcessing
    dataset.SOPInstanceUID = generate_uid()
    _describe_study(dataset, description)
    _describe_equipment(dataset)
    _describe_acquisition(dataset, exposure)
    _describe_view(dataset)
    _describe_pixels(dataset, pixels, pixel_spacing)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    write_whole(path, buffer.getvalue())


def _describe_study(dataset: Dataset, description: str) -> None:
    now = datetime.now(UTC)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = "CDMAM^Simulated", "PHANTOM"
    dataset.PatientBirthDate, dataset.PatientSex = "", "O"
    for stage in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{stage}Date", now.strftime("%Y%m%d"))
        setattr(dataset, f"{stage}Time", now.strftime("%H%M%S"))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.StudyID, dataset.AccessionNumber, dataset.ReferringPhysicianName = "1", "", ""
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.SeriesDescription = description
    dataset.Modality = "MG"
    dataset.PatientOrientation = ["A", "R"]
    dataset.QualityControlImage = "YES"
    dataset.BurnedInAnnotation = "NO"
    dataset.AcquisitionContextSequence = Sequence()


def _describe_equipment(dataset: Dataset) -> None:
    dataset.Manufacturer = _MAKER
    dataset.ManufacturerModelName = "simulated flat panel"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "0", "1"
    dataset.DetectorType = "SCINTILLATOR"
    dataset.DetectorConfiguration = "AREA"
    dataset.DetectorID = "SIMULATED"
    dataset.PresentationIntentType = "FOR PROCESSING"


def _describe_acquisition(dataset: Dataset, exposure: Exposure) -> None:
    dataset.KVP = _KVP
    dataset.AnodeTargetMaterial, dataset.FilterMaterial, dataset.FilterType = "TUNGSTEN", "RHODIUM", "STRIP"
    dataset.EstimatedRadiographicMagnificationFactor = round(exposure.pose.magnification, 4)
    dataset.PositionerType = "MAMMOGRAPHIC"
    dataset.PositionerPrimaryAngle = 0
    dataset.BodyPartThickness = 50
    dataset.ImageComments = f"air kerma at the detector {exposure.air_kerma:.1f} uGy"


def _describe_view(dataset: Dataset) -> None:
    dataset.ImageLaterality = "R"
    dataset.BodyPartExamined = "BREAST"
    dataset.OrganExposed = "BREAST"
    dataset.BreastImplantPresent = "NO"
    dataset.AnatomicRegionSequence = Sequence([_code("76752008", "SCT", "Breast")])
    view = _code("399162004", "SCT", "cranio-caudal")
    view.ViewModifierCodeSequence = Sequence()
    dataset.ViewCodeSequence = Sequence([view])


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _describe_pixels(dataset: Dataset, pixels: NDArray[np.uint16], pixel_spacing: float) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, BITS_STORED, BITS_STORED - 1
    dataset.PixelRepresentation = 0
    dataset.PresentationLUTShape = "INVERSE"
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LIN", 1
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, 0, "US"
    dataset.LossyImageCompression = "00"
    dataset.ImagerPixelSpacing = [round(pixel_spacing, 6)] * 2
    dataset.PixelData = pixels.astype("<u2").tobytes()
