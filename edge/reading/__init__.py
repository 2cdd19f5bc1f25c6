"""Image files, as the detector gave them: DICOM, pictures of a module a format, and NumPy arrays."""

from .files import is_dicom, open_image
from .frame import Frame, Header, ImageFile

__all__ = ["Frame", "Header", "ImageFile", "is_dicom", "open_image"]
