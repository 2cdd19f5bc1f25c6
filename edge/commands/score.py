"""`fisherlens score`: a verdict on each image."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import BundleRefused, ImageRefused
from ..maps.finer import finer_map
from ..maps.picture import as_codes, as_png, map_picture, overlay_picture, upsampled
from ..reading import open_image
from ..reading.arrays import as_npy
from ..runtime import Explain, Image, Runtime
from ..storage import write_whole
from ..verdict import CompactMap, Verdict

EXIT_UNWRITTEN, EXIT_FLAGGED, EXIT_REFUSED = 1, 10, 11


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE...")
@click.option("--json", "as_json", is_flag=True, help="One JSON record a line on standard output.")
@click.option("--map-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder for maps and overlays (PNG).")
@click.option(
    "--map-phases",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Refine maps this many times along each axis, by as many shifted runs squared.",
)
@click.option("--map-values", is_flag=True, help="In the map's folder, its values for every pixel too (.npy).")
@click.option(
    "--explain",
    type=click.Choice(["always", "flagged", "never"]),
    default="flagged",
    show_default=True,
    help="When to give the map.",
)
def score(
    bundle: Path,
    images: tuple[Path, ...],
    as_json: bool,
    map_dir: Path | None,
    map_phases: int,
    map_values: bool,
    explain: Explain,
) -> None:
    """Score IMAGEs (DICOM, TIFF, PNG, JPEG, BMP, PGM, PPM, .npy) with BUNDLE.

    Exit code: 0 all accepted, 10 something flagged, 11 something refused, 2 wrong usage, 1 a map could not be made or
    written (all images are scored nevertheless).
    """
    try:
        runtime = Runtime.open(bundle)
    except BundleRefused as refusal:
        raise click.UsageError(str(refusal)) from refusal
    if map_dir:
        _make(map_dir)
    outcomes: set[str] = set()
    for_table: list[Verdict] = []
    unwritten = 0
    for path, verdict, image in _examined(runtime, images, explain):
        outcomes.add(verdict.outcome)
        if as_json:
            click.echo(msgspec.json.encode(verdict))
        else:
            for_table.append(verdict)
        if map_dir and verdict.map and image is not None:
            maps = FrameMap(verdict.map, image, _finer(runtime, path, verdict.frame, map_phases))
            written = _written(map_dir, _picture_name(verdict, images), maps, map_values)
            unwritten += not written or (map_phases > 1 and maps.finer is None)
    if not as_json:
        from ..verdict_table import print_table

        print_table(for_table)
    sys.exit(EXIT_UNWRITTEN if unwritten else _exit_code(outcomes))


def _examined(
    runtime: Runtime, images: tuple[Path, ...], explain: Explain
) -> Iterator[tuple[Path, Verdict, Image | None]]:
    """All frames of all images, with a progress bar for people on standard error."""
    with click.progressbar(images, label="scoring", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        for path in bar:
            yield from ((path, *examined) for examined in runtime.examine_file(path, explain))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"--map-dir {folder}: {error.strerror}") from error


def _picture_name(verdict: Verdict, images: tuple[Path, ...]) -> str:
    """The file's own name, with its folders where another image has the same, and the frame."""
    path = Path(verdict.source)
    shared = Counter(image.name for image in images)[path.name] > 1
    name = "_".join(part for part in path.parts if part not in ("/", "..", ".")) if shared else path.name
    return name if verdict.frame == 1 else f"{name}.frame{verdict.frame}"


@dataclass(frozen=True)
class FrameMap:
    """The map of one frame that is to be written: compact, with the graph's image, and a finer map's values
    [rows, columns] if one was asked for."""

    compact: CompactMap
    image: Image
    finer: NDArray[np.float32] | None


def _finer(runtime: Runtime, path: Path, number: int, phases: int) -> NDArray[np.float32] | None:
    """The finer map of a frame, with a progress bar for people on standard error; None, and why, where
    there is none."""
    if phases == 1:
        return None
    try:
        frame = open_image(path).frame(number - 1)
        with ExitStack() as shown:

            def progress(shifts: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
                bar = click.progressbar(shifts, label="finer map", file=sys.stderr, hidden=not sys.stderr.isatty())
                return shown.enter_context(bar)

            return finer_map(runtime.bundle, frame, phases, progress)
    except (ImageRefused, ValueError) as error:
        click.echo(f"{path}: no finer map: {error}", err=True)
        return None


def _written(folder: Path, name: str, maps: FrameMap, values: bool) -> bool:
    """Write the map and its overlay; say on standard error if that fails."""
    codes = map_picture(maps.compact) if maps.finer is None else as_codes(maps.finer)
    try:
        write_whole(folder / f"{name}.map.png", as_png(codes))
        write_whole(folder / f"{name}.overlay.png", as_png(overlay_picture(maps.compact, maps.image, codes=codes)))
        if values:
            full = upsampled(maps.compact, maps.image.shape[2:]) if maps.finer is None else maps.finer
            write_whole(folder / f"{name}.map.npy", as_npy(full))
    except OSError as error:
        click.echo(f"{folder / name}: the map cannot be written: {error.strerror}", err=True)
        return False
    return True


def _exit_code(outcomes: set[str]) -> int:
    if "refused" in outcomes:
        return EXIT_REFUSED
    return EXIT_FLAGGED if "flagged" in outcomes else 0
