"""Reverse-mode differentiation of ONNX graphs into ONNX graphs: the table of rules, and the passes that use it."""
