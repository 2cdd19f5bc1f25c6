"""Reference networks, the physics that makes their training data, and their shipped bundles."""

# Sets, before anything here imports ONNX Runtime or OpenCV, what must be set by then.
from fisherlens import edge as edge
