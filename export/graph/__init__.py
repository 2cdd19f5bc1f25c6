"""Writing ONNX: a tape that appends operators, and the finished graph as a model."""
