"""The archive: rescoring what lies there with another bundle, and knowing what that changes. Built on Ray Data, Parquet
and DuckDB."""

# Sets, before anything here imports ONNX Runtime or OpenCV, what must be set by then.
from fisherlens import edge as edge
