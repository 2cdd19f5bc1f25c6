"""Image files: DICOM, PNG, TIFF and NumPy arrays, as the detector gave them."""

from .files import is_dicom, open_image
from .frame import Frame, Header, ImageFile

__all__ = ["Frame", "Header", "ImageFile", "is_dicom", "open_image"]
