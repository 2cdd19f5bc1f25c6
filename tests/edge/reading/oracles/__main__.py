"""Compare every public file with oracles: `python -m tests.edge.reading.oracles [--pictures FOLDER]`.

Needs `pip install '.[oracles]'` and Debian's dcmtk. Without a folder of pictures, pip fetches the source archives of
Pillow and imagecodecs, which have 600 of them, into .public-images. Prints a table of what differs and why, and a
summary; exit code 1 where something is not explained.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from .comparison import Row, compare
from .dicom import dicom_oracles
from .files import dicom_files, pictures
from .rasters import png_oracles, tiff_oracles

HERE = Path(".public-images")


def rows(folder: Path, fetch: bool) -> Iterator[tuple[str, list[Row]]]:
    """Compare all files, each with its kind."""
    oracles = dicom_oracles()
    for path in dicom_files():
        yield "DICOM", compare(path, path.name, oracles)
    png, tiff = png_oracles(), tiff_oracles()
    for path in pictures(folder, fetch):
        kind, asked = ("TIFF", tiff) if path.suffix.lower().startswith(".tif") else ("PNG", png)
        yield kind, compare(path, str(path.relative_to(folder)), asked)


@click.command()
@click.option("--pictures", "folder", type=click.Path(path_type=Path), help="A folder of PNG and TIFF files.")
@click.option("--all", "whole", is_flag=True, help="Print equal files too.")
def main(folder: Path | None, whole: bool) -> None:
    """Compare every public file with oracles. Without a folder, pip fetches source archives that have pictures."""
    counts: Counter[tuple[str, str]] = Counter()
    faults = 0
    print("| file | ours | oracle | outcome | why |\n|---|---|---|---|---|")
    for kind, made in rows(folder or HERE, fetch=folder is None):
        for row in made:
            if whole or row.outcome != "equal":
                print(f"| {row.file} | {row.ours} | {row.oracle} | {row.outcome} | {row.reason} |", flush=True)
        faults += not all(row.explained for row in made)
        counts[kind, _summary(made)] += 1
    print("\n| format | outcome | files |\n|---|---|---|")
    for (kind, outcome), count in sorted(counts.items()):
        print(f"| {kind} | {outcome} | {count} |")
    print(f"\n{faults} files whose difference or refusal is not explained")
    sys.exit(faults > 0)


def _summary(made: list[Row]) -> str:
    if not all(row.explained for row in made):
        return "not explained"
    last = made[-1]
    if last.ours.startswith("refused"):
        return "refused, as by all" if last.oracle == "all" else "refused for a reason"
    return "equal" if last.outcome == "equal" else "differs for a reason"


if __name__ == "__main__":
    main()
