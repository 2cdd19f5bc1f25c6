"""Before a bundle goes onto devices: rescoring an archive with it, and knowing what that changes. Built on Ray Data,
Parquet and DuckDB."""
