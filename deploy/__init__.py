"""The administrator's side: installing without a network, and the roll-out of a new bundle."""

# Sets, before anything here imports ONNX Runtime or OpenCV, what must be set by then.
from fisherlens import edge as edge
