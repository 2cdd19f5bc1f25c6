"""The archive: rescoring what lies there with another bundle, and knowing what that changes. Built on Ray Data, Parquet
and DuckDB."""
