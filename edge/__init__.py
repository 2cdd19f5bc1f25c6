"""The device side: read images, run a bundle, keep the verdict. Needs no training framework."""

import os

# OpenCV reads this once, when it is first imported: no file may ask for more pixels than a frame
# can have here (see reading.header.MAX_PIXELS).
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**27))

from .errors import BundleRefused, EdgeError, ImageRefused
from .runtime import Runtime
from .verdict import Verdict

__all__ = ["BundleRefused", "EdgeError", "ImageRefused", "Runtime", "Verdict"]
