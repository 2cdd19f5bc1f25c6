"""Image files: DICOM, PNG, TIFF and NumPy arrays, as the detector gave them."""

from .frame import Frame, Header, ImageFile
from .files import open_image

__all__ = ["Frame", "Header", "ImageFile", "open_image"]
