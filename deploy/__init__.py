"""Installing where there is no network: one archive with everything, and what installs it."""

# Sets, before anything here imports ONNX Runtime or OpenCV, what must be set by then.
from fisherlens import edge as edge
