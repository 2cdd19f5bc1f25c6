"""`fisherlens export`: from a trained network and usual images to a bundle."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, get_args

import click
import msgspec

from fisherlens.edge.bundle.manifest import Combination, Design, Input, Manifest

from .calibration.accepted import PHOTOMETRIC, InputOptions, accepted, default_photometric
from .calibration.images import Folder
from .checks import CHECKS
from .heads import HEADS, Head, HeadOptions
from .maps import MAPS
from .options import Bits, Code, ascending_limits

if TYPE_CHECKING:
    from .checks.judgement import Procedure
    from .heads.input_noise import InputNoise
    from .pipeline import Request

_SIZE = (click.IntRange(1), click.IntRange(1))
_SHOWN_AFTER = 2.0
"""Seconds of reading headers before their progress is shown."""


@click.command("export")
@click.argument("networks", nargs=-1, required=True, metavar="NETWORK...")
@click.option("--images", "folder", required=True, type=click.Path(path_type=Path), help="Folder of usual images.")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path, dir_okay=False), help="Bundle to write.")
@click.option("--head", type=click.Choice(list(HEADS)), required=True)
@click.option(
    "--targets",
    type=click.Path(path_type=Path),
    help="CSV: file, and `name [unit]` columns or `class`; or a folder of `name [unit]` sub-folders of .npy images.",
)
@click.option(
    "--network-output",
    "selected",
    type=click.IntRange(0),
    multiple=True,
    help="Which of the network's outputs the head reads, from 0; by default all.",
)
@click.option("--logarithmic", is_flag=True, help="The network predicts the logarithm of the measurand.")
@click.option("--dropout-masks", type=click.IntRange(2), help="Monte-Carlo dropout: so many masks, drawn now.")
@click.option("--input-noise", type=click.FloatRange(0, min_open=True), help="Standard deviation of the image's noise.")
@click.option(
    "--input-noise-proportional",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Variance that grows with the pixel, per image unit.",
)
@click.option(
    "--input-noise-correlation",
    type=click.Path(path_type=Path),
    help="Kernel [k, k] (.npy) that white noise is filtered by.",
)
@click.option("--input-draws", type=click.IntRange(2), help="Propagate noise by so many draws, not to first order.")
@click.option("--classes", help="Names of the classes, separated by commas.")
@click.option("--name", help="The bundle's name; by default the output's.")
@click.option("--bundle-version", default="1", show_default=True)
@click.option("--check", "checks", multiple=True, type=click.Choice(list(CHECKS)), help="Repeat for several.")
@click.option(
    "--combination",
    type=click.Choice(get_args(Combination)),
    help="How several checks flag: each at its share of alpha, one statistic of all together, or a cascade, which "
    "computes those that take a derivative on doubtful images alone. By default a cascade; each, of checks asked for.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, True, True),
    default=0.01,
    show_default=True,
    help="Share of usual images flagged.",
)
@click.option("--coverage", type=click.FloatRange(0, 1, True, True), default=0.95, show_default=True)
@click.option("--groups", type=click.IntRange(1), help="Groups of channels in the profile; default by the images.")
@click.option("--probes", type=click.IntRange(0), help="Random probes of the Fisher information; 0 for exact.")
@click.option(
    "--cost",
    type=click.FloatRange(1, min_open=True),
    help="What checks may take on average, as a multiple of the forward pass: they are chosen for it.",
)
@click.option("--map", "map_kind", type=click.Choice(list(MAPS)), default="fisher", show_default=True)
@click.option("--map-bytes", type=click.IntRange(1), default=2048, show_default=True, help="What a map may take.")
@click.option("--modality", type=Code(), metavar="CODE|any", help="What frames must be, as MG or DX.")
@click.option("--any-size", is_flag=True, help="Frames may have any size that --resize or --crop can take.")
@click.option("--bits", "bits_stored", type=Bits(), metavar="N|any", help="Bits stored that frames must have.")
@click.option(
    "--photometric",
    "photometric_interpretation",
    type=click.Choice(PHOTOMETRIC, case_sensitive=False),
    help="What the numbers mean: the lowest is white (1) or black (2), or colours. Others are turned round.",
)
@click.option(
    "--pixel-spacing",
    nargs=2,
    type=float,
    callback=ascending_limits,
    metavar="LOW HIGH",
    help="Smallest and largest side of a pixel on the detector, in mm, which frames must state; by default none.",
)
@click.option(
    "--presentation-intent", "presentation_intent_type", type=Code(), metavar="CODE|any", help="As FOR PROCESSING."
)
@click.option("--pixel-intensity-relationship", type=Code(), metavar="CODE|any", help="As LIN or LOG.")
@click.option("--crop", nargs=2, type=_SIZE, help="Rows and columns cut from the middle of each frame.")
@click.option("--resize", nargs=2, type=_SIZE, help="Rows and columns that the crop is resampled to.")
@click.option("--offset", type=float, default=0.0, show_default=True, help="image = (pixel - offset) * scale")
@click.option("--scale", type=float, help="By default 1 / (2^bits - 1), or 1 for floating pixels.")
@click.option("--tolerance", type=float, default=1e-3, show_default=True, help="Largest relative parity difference.")
def export_command(
    networks: tuple[str, ...], folder: Path, output: Path, targets: Path | None, **options: object
) -> None:
    """Write a bundle from NETWORK (package.module:factory, or a forward .onnx file; several are an
    ensemble's members) and a folder of usual images that it was not trained on."""
    from .errors import ExportError

    of_input = msgspec.convert({name: options.pop(name) for name in InputOptions.__struct_fields__}, InputOptions)
    try:
        manifest = _exported(networks, folder, output, targets, of_input, msgspec.convert(options, ExportOptions))
    except ExportError as error:
        raise click.ClickException(str(error)) from error
    _report(manifest, output)


class ExportOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The command line's options, beside networks, images, targets and those of the input."""

    head: str
    selected: tuple[int, ...]
    logarithmic: bool
    dropout_masks: int | None
    input_noise: float | None
    input_noise_proportional: float
    input_noise_correlation: Path | None
    input_draws: int | None
    classes: str | None
    name: str | None
    bundle_version: str
    checks: tuple[str, ...]
    combination: Combination | None
    alpha: float
    coverage: float
    groups: int | None
    probes: int | None
    cost: float | None
    map_kind: str
    map_bytes: int
    tolerance: float


def _exported(
    networks: tuple[str, ...],
    folder: Path,
    output: Path,
    targets: Path | None,
    of_input: InputOptions,
    options: ExportOptions,
) -> Manifest:
    from rich.console import Console
    from rich.progress import Progress

    from .calibration.targets import read_targets
    from .network.source import load, select
    from .pipeline import export

    calibration = _opened(folder)
    accepted = _accepted(calibration, of_input)
    images = calibration.images(accepted)
    shape = images[0]().shape
    known = read_targets(targets, calibration.paths) if targets else None
    with Progress(console=Console(stderr=True)) as display:

        def progress(items: Iterable[Any], label: str) -> Iterable[Any]:
            return display.track(list(items), description=label)

        masks = options.dropout_masks
        loaded = [member for network in progress(networks, "trace") for member in load(network, shape, masks)]
        members = [select(member, options.selected) for member in loaded]
        head = HEADS[options.head].of(HeadOptions(options.logarithmic, options.coverage, members[0].posterior))
        return export(members, images, known, _request(head, accepted, output, options), output, progress)


def _opened(folder: Path) -> Folder:
    """The folder with its headers, whose progress is shown where it takes long."""
    from rich.console import Console
    from rich.progress import Progress

    display, begun = Progress(console=Console(stderr=True)), monotonic()

    def progress(items: Iterable[Any], label: str) -> Iterable[Any]:
        task = display.add_task(label, total=len(list(items)))
        for item in items:
            yield item
            display.advance(task)
            if not display.live.is_started and monotonic() - begun > _SHOWN_AFTER:
                display.start()

    try:
        return Folder.open(folder, progress)
    finally:
        if display.live.is_started:
            display.stop()


def _accepted(folder: Folder, options: InputOptions) -> Input:
    """What a frame must be, said before the long work begins; what the numbers mean is asked where no image says."""
    likely = default_photometric(folder.headers)
    if likely and options.photometric_interpretation is None and sys.stdin.isatty():
        click.echo(
            "No image says what its numbers mean: the lowest value is white (MONOCHROME1) or black (MONOCHROME2)."
        )
        told = click.prompt("photometric interpretation", likely, type=click.Choice(PHOTOMETRIC, case_sensitive=False))
        options = msgspec.structs.replace(options, photometric_interpretation=told)
    found = accepted(folder, options)
    widths = [max(len(getattr(row, part)) for row in found.attributes) for part in ("name", "text")]
    click.echo(f"accepted frames, from {len(folder.paths)} images:")
    for row in found.attributes:
        click.echo(f"  {row.name:{widths[0]}}  {row.text:{widths[1]}}  {row.origin}")
    return found.input


def _report(manifest: Manifest, output: Path) -> None:
    """Print what was written, and how it was calibrated."""
    click.echo(f"{output}: {output.stat().st_size:,} bytes, {len(manifest.fisher.layers)} layers")
    if manifest.coverage:
        click.echo("coverage factors: " + ", ".join(f"{k:.3g}" for k in manifest.coverage.factors))
    if manifest.temperature is not None:
        click.echo(f"temperature: {manifest.temperature:.4g}")
    if manifest.budget:
        for label, design in (("chosen", manifest.budget.chosen), ("best at any cost", manifest.budget.best)):
            click.echo(f"{label}: {_described(design)}")
        click.echo(f"measured on {manifest.budget.images} images with {manifest.budget.perturbation}")
    agreement = manifest.parity
    click.echo(
        f"parity with {agreement.framework} over {agreement.images} images: worst difference {agreement.absolute:.3g} "
        f"absolute, {agreement.relative:.3g} relative (at most {agreement.tolerance:g})"
    )


def _request(head: Head, accepted: Input, output: Path, options: ExportOptions) -> Request:
    from .pipeline import Request

    return Request(
        name=options.name or output.stem,
        version=options.bundle_version,
        head=head,
        input=accepted,
        classes=tuple(options.classes.split(",")) if options.classes else (),
        procedure=_procedure(options),
        input_noise=_input_noise(options),
        alpha=options.alpha,
        coverage_probability=options.coverage,
        groups=options.groups,
        probes=options.probes,
        map_kind=options.map_kind,
        map_bytes=options.map_bytes,
        cost=options.cost,
        tolerance=options.tolerance,
    )


def _procedure(options: ExportOptions) -> Procedure:
    """The checks asked for, in the table's order, or the default ones."""
    from .checks.judgement import Procedure
    from .errors import CalibrationError

    if options.cost is not None and (options.checks or options.combination):
        raise CalibrationError(
            "--cost with --check or --combination: a cost chooses the checks itself. Give the one or the other."
        )
    checks = tuple(name for name in CHECKS if name in options.checks)
    return Procedure(checks, options.combination or ("each" if checks else "cascade"))


def _input_noise(options: ExportOptions) -> InputNoise | None:
    from .errors import CalibrationError
    from .heads.input_noise import InputNoise, read_correlation

    kernel = options.input_noise_correlation
    if options.input_noise is None:
        if options.input_noise_proportional or options.input_draws or kernel:
            raise CalibrationError("input noise without --input-noise, its constant part in the image's unit")
        return None
    noise = InputNoise(
        options.input_noise, options.input_noise_proportional, None if kernel is None else read_correlation(kernel)
    )
    draws = options.input_draws
    return noise if draws is None else replace(noise, method="draws", draws=draws)


def _described(design: Design) -> str:
    return (
        f"{' and '.join(design.first)} of every image, {' and '.join(design.closer)} of {100 * design.doubtful:.0f} %: "
        f"{design.cost:.2f} times the forward pass, {design.worst_cost:.2f} where doubtful; "
        f"{100 * design.power:.0f} % detected, AUROC {design.auroc:.3f}"
    )
