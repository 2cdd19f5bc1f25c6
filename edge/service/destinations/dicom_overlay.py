"""A verdict's map as DICOM objects that viewers lay over the image themselves: a parametric map of its values, which
needs an image that says where it lies, and a segmentation, which does not. Made by highdicom."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from highdicom import AlgorithmIdentificationSequence, VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from ...bundle.manifest import Input
from ...maps.picture import upsampled
from ...verdict import CompactMap
from .dicom_codes import long_string, scheme, unit_of
from .dicom_objects import (
    SERIES,
    Subject,
    can_be_referred_to,
    covered,
    derived_uid,
    equipment,
    put_into_study,
    reference_to,
    source_images,
    stand_in,
)

_LEVELS = 2**16 - 1
"""Of a parametric map's stored values; 0 stands for pixels of which the map says nothing."""
_SHARES = (0.25, 0.5, 0.75)
"""Of the way from the map's lowest to its highest value: where the segments begin."""
_THICKNESS = 1.0
"""In mm, of an image's plane that does not say it."""
_PLACE = ("FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns")


def has_a_place(header: Dataset) -> bool:
    """Say whether an image says where its frame lies, which a parametric map must."""
    return can_be_referred_to(header) and all(keyword in header for keyword in _PLACE)


def parametric_map(subject: Subject, expected: Input | None = None) -> Dataset:
    """Make a parametric map, pixel for pixel over a frame that `has_a_place`, in the same study: the map's values,
    linear between the centres of its cells. expected: by which the frame became the image under the map; None for all
    of it."""
    verdict = subject.verdict
    assert verdict.map is not None
    stored = 1 + np.rint(_shares(verdict.map, subject.header, expected) * (_LEVELS - 1))
    frame = _on_the_frame(stored.astype(np.uint16), subject.header)
    made = ParametricMap(
        source_images=[_placed(stand_in(subject, *frame.shape), subject.header)],
        pixel_array=frame,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_mapping(verdict.map, subject)],
        voi_lut_transformations=[VOILUTTransformation(window_center=_LEVELS / 2, window_width=float(_LEVELS))],
        **_told(subject, "parametric map", "values"),
    )
    put_into_study(made, subject)
    _refer(made, subject)
    made.BurnedInAnnotation, made.Laterality = "NO", ""
    return made


def segmentation(subject: Subject, expected: Input | None = None) -> Dataset:
    """Make a segmentation, pixel for pixel over the frame of an image that `can_be_referred_to`, in the same study: the
    parts where the map is at least a quarter, a half and three quarters of the way from its lowest to its highest
    value. expected: as in `parametric_map`."""
    verdict = subject.verdict
    assert verdict.map is not None
    shares = _on_the_frame(_shares(verdict.map, subject.header, expected), subject.header)
    source = stand_in(subject, *shares.shape)
    made = Segmentation(
        source_images=[_placed(source, subject.header) if has_a_place(subject.header) else source],
        pixel_array=np.stack([shares >= share for share in _SHARES], axis=-1)[None].astype(np.uint8),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(number, share, subject) for number, share in enumerate(_SHARES, 1)],
        omit_empty_frames=False,
        **_told(subject, "segmentation", "levels"),
    )
    put_into_study(made, subject)
    _refer(made, subject)
    made.PatientOrientation = list(subject.header.get("PatientOrientation") or [])
    return made


def _told(subject: Subject, kind: str, shown: str) -> dict[str, Any]:
    """Give what highdicom is told of a map of either kind; equipment is stated by `put_into_study`."""
    compact = subject.verdict.map
    assert compact is not None
    return {
        "series_instance_uid": subject.series_uid(kind),
        "series_number": SERIES[kind],
        "sop_instance_uid": subject.uid(kind),
        "instance_number": subject.instance_number(),
        **dict.fromkeys(("manufacturer", "manufacturer_model_name", "software_versions", "device_serial_number"), ""),
        "contributing_equipment": [equipment(subject)],
        "content_label": "MAP",
        "content_description": long_string(compact.quantity),
        "series_description": long_string(f"Fisherlens: {compact.kind} map, {shown}"),
        "coding_schemes": [scheme()],
    }


def _segment(number: int, share: float, subject: Subject) -> SegmentDescription:
    compact, bundle = subject.verdict.map, subject.verdict.bundle
    assert compact is not None
    value = compact.low + share * (compact.high - compact.low)
    return SegmentDescription(
        number,
        long_string(f"{compact.kind} map, at least {value:.3g}"),
        codes.SCT.SpatialAndRelationalConcept,
        subject.site.codes("verdict-map"),
        SegmentAlgorithmTypeValues.AUTOMATIC,
        AlgorithmIdentificationSequence(
            long_string(bundle.name), codes.DCM.ArtificialIntelligence, long_string(bundle.version)
        ),
    )


def _shares(compact: CompactMap, header: Dataset, expected: Input | None) -> NDArray[np.float32]:
    """Give the map on the pixels of the frame that it covers, from 0 at its lowest value to 1 at its highest."""
    extent = covered(header, expected) or (compact.rows * compact.cell, compact.columns * compact.cell)
    shape = (expected.resize if expected is not None else None) or extent
    values = upsampled(compact, shape)
    if values.shape != tuple(extent):
        values = np.asarray(cv2.resize(values, extent[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    span = compact.high - compact.low
    return np.clip((values - compact.low) / span, 0.0, 1.0) if span > 0 else np.zeros_like(values)


def _on_the_frame(part: NDArray, header: Dataset) -> NDArray:
    """Put what was cut from the middle of the frame back there, with zeros around it."""
    rows, columns = header.get("Rows") or 0, header.get("Columns") or 0
    if rows < part.shape[0] or columns < part.shape[1]:
        return part
    frame = np.zeros((rows, columns), part.dtype)
    top, left = (rows - part.shape[0]) // 2, (columns - part.shape[1]) // 2
    frame[top : top + part.shape[0], left : left + part.shape[1]] = part
    return frame


def _mapping(compact: CompactMap, subject: Subject) -> RealWorldValueMapping:
    span = compact.high - compact.low
    slope = span / (_LEVELS - 1) if span > 0 else 1.0
    return RealWorldValueMapping(
        lut_label=long_string(compact.kind)[:16],
        lut_explanation=long_string(compact.quantity),
        unit=unit_of("1"),
        value_range=(1, _LEVELS),
        slope=slope,
        intercept=compact.low - slope,
        quantity_definition=subject.site.codes("verdict-map"),
    )


def _placed(source: Dataset, header: Dataset) -> Dataset:
    """Tell a map's source where the frame lies."""
    source.PixelSpacing, source.SliceThickness = list(header.PixelSpacing), _THICKNESS
    source.FrameOfReferenceUID = header.FrameOfReferenceUID
    source.ImagePositionPatient = list(header.ImagePositionPatient)
    source.ImageOrientationPatient = list(header.ImageOrientationPatient)
    return source


def _refer(made: Dataset, subject: Subject) -> None:
    """Refer to the image itself in the place of its stand-in, and derive what highdicom draws at random."""
    header, organization = subject.header, derived_uid(subject.identifier, "dimensions")
    for item in (*made.get("DimensionIndexSequence", ()), *made.get("DimensionOrganizationSequence", ())):
        item.DimensionOrganizationUID = organization
    for keyword in ("ReferencedSeriesSequence", "SourceImageSequence"):
        if keyword in made:
            delattr(made, keyword)
    for group in (*made.SharedFunctionalGroupsSequence, *made.PerFrameFunctionalGroupsSequence):
        for derivation in group.get("DerivationImageSequence", ()):
            derivation.SourceImageSequence = source_images(subject)
    series = Dataset()
    series.SeriesInstanceUID = header.SeriesInstanceUID
    series.ReferencedInstanceSequence = [reference_to(header.SOPClassUID, header.SOPInstanceUID, subject.frames)]
    made.ReferencedSeriesSequence = [series]
