"""The roll-out of a bundle: rescoring an archive with it before it goes onto devices, and knowing what that changes.
Built on Ray Data, Parquet and DuckDB."""
