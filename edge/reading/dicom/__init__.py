"""DICOM files through pydicom: the header first, then one frame at a time."""

from __future__ import annotations

import warnings
from pathlib import Path

from ..frame import Frame, ImageFile
from .attributes import Attributes
from .data_set import open_data_set
from .header import header_of
from .image_pixel import image_pixel_of
from .modality_lut import modality_lut_of
from .pixels import decoder_of, require_sound
from .stored_values import meant

__all__ = ["open_dicom"]


def open_dicom(path: Path) -> ImageFile:
    """Open a DICOM image.

    Of enhanced multi-frame images each frame has the header and modality LUT of its own functional groups.
    Raises ImageRefused for a file without an image, with an impossible header, or with pixels that
    cannot be decoded.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values are judged by what they are needed for; they may be a patient's
        data_set = open_data_set(path)
        first = Attributes(data_set.elements, 0)
        stored = image_pixel_of(first, data_set.pixel_keyword)
        header = header_of(first, stored, data_set)
        decoded = decoder_of(data_set, stored)
        identifier = first.text("SOPInstanceUID")

    def frame(index: int) -> Frame:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Not when the file is opened: who refuses it says which image it was.
            require_sound(data_set, stored)
            own = Attributes(data_set.elements, index)
            pixels = meant(decoded(index), stored, own, data_set.is_little_endian)
            return Frame(header_of(own, stored, data_set), pixels, modality_lut_of(own, header))

    return ImageFile(header, frame, identifier, first.alike)
