"""The device side: read images, run a bundle, keep the verdict. Needs no training framework."""

import os

# OpenCV reads this once, when it is first imported: no file may ask for more pixels than a frame
# can have here (see reading.frame.MAX_PIXELS).
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**27))
# ONNX Runtime (seen in 1.32) otherwise keeps an identifier of the machine in its user's home, and sends it
# with the name of the process to its makers as soon as it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from .errors import BundleRefused, EdgeError, ImageRefused
from .runtime import Runtime
from .verdict import Verdict

__all__ = ["BundleRefused", "EdgeError", "ImageRefused", "Runtime", "Verdict"]
