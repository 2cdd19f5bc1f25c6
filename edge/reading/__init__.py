"""Image files: DICOM, PNG, TIFF and NumPy arrays, as the detector gave them."""

from .files import open_image
from .frame import Frame, Header, ImageFile

__all__ = ["Frame", "Header", "ImageFile", "open_image"]
