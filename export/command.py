"""`fisherlens export`: from a trained network and usual images to a bundle."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec

from fisherlens.edge.bundle.manifest import Input

from .checks.judgement import CHECKS, DEFAULT_CHECKS, PROFILE
from .heads import HEADS, Asked, Head
from .maps import MAPS

_SIZE = (click.IntRange(1), click.IntRange(1))


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
@click.option("--input-draws", type=click.IntRange(2), help="Propagate noise by so many draws, not to first order.")
@click.option("--classes", help="Names of the classes, separated by commas.")
@click.option("--name", help="The bundle's name; by default the output's.")
@click.option("--bundle-version", default="1", show_default=True)
@click.option("--check", "checks", multiple=True, type=click.Choice(CHECKS), help="Repeat for several.")
@click.option("--combine", is_flag=True, help="One statistic of all checks flags, not each with its share of alpha.")
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
    help="What the check may take, as a multiple of the forward pass: layers and probes are chosen for it.",
)
@click.option("--map", "map_kind", type=click.Choice(list(MAPS)), default="fisher", show_default=True)
@click.option("--map-bytes", type=click.IntRange(1), default=2048, show_default=True, help="What a map may take.")
@click.option("--crop", nargs=2, type=_SIZE, help="Rows and columns cut from the middle of each frame.")
@click.option("--resize", nargs=2, type=_SIZE, help="Rows and columns that the crop is resampled to.")
@click.option("--offset", type=float, default=0.0, show_default=True, help="image = (pixel - offset) * scale")
@click.option("--scale", type=float, help="By default 1 / (2^bits - 1), or 1 for floating pixels.")
@click.option("--tolerance", type=float, default=1e-3, show_default=True, help="Largest relative parity difference.")
def export_command(networks: tuple[str, ...], folder: Path, output: Path, targets: Path | None, **options: Any) -> None:
    """Write a bundle from NETWORK (package.module:factory, or a forward .onnx file; several are an
    ensemble's members) and a folder of usual images that it was not trained on."""
    from .errors import ExportError

    try:
        _export(networks, folder, output, targets, options)
    except ExportError as error:
        raise click.ClickException(str(error)) from error


def _export(
    networks: tuple[str, ...], folder: Path, output: Path, targets: Path | None, options: dict[str, Any]
) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from .calibration.images import Folder, read_targets
    from .network.source import load, select
    from .pipeline import export

    calibration = Folder.open(folder)
    accepted = _input(calibration.accepted(), options)
    images = calibration.images(accepted)
    shape = images[0]().shape
    known = read_targets(targets, calibration.paths) if targets else None
    with Progress(console=Console(stderr=True)) as display:

        def progress(items: Iterable[Any], label: str) -> Iterable[Any]:
            return display.track(list(items), description=label)

        masks = options["dropout_masks"]
        loaded = [member for network in progress(networks, "trace") for member in load(network, shape, masks)]
        members = [select(member, options["selected"]) for member in loaded]
        asked = Asked(options["logarithmic"], options["coverage"], members[0].posterior)
        request = _request(HEADS[options["head"]](asked), accepted, output, options)
        manifest = export(members, images, known, request, output, progress)
    agreement = manifest.parity
    click.echo(f"{output}: {output.stat().st_size:,} bytes, {len(manifest.fisher.layers)} layers")
    if manifest.coverage:
        click.echo("coverage factors: " + ", ".join(f"{k:.3g}" for k in manifest.coverage.factors))
    if manifest.temperature is not None:
        click.echo(f"temperature: {manifest.temperature:.4g}")
    if manifest.budget:
        for label, design in (("chosen", manifest.budget.chosen), ("best at any cost", manifest.budget.best)):
            click.echo(f"{label}: {_described(design)}")
        click.echo(f"measured on {manifest.budget.images} images with {manifest.budget.perturbation}")
    click.echo(
        f"parity with {agreement.framework} over {agreement.images} images: worst difference {agreement.absolute:.3g} "
        f"absolute, {agreement.relative:.3g} relative (at most {agreement.tolerance:g})"
    )


def _input(accepted: Input, options: dict[str, Any]) -> Input:
    """What the calibration images are, and the way from their pixels to the graph's image."""
    scale = options["scale"]
    if scale is None:
        scale = 1.0 if accepted.bits_stored is None else 1.0 / (2**accepted.bits_stored - 1)
    geometry = {key: tuple(options[key]) if options[key] else None for key in ("crop", "resize")}
    return msgspec.structs.replace(accepted, **geometry, offset=options["offset"], scale=scale)


def _request(head: Head, accepted: Input, output: Path, options: dict[str, Any]) -> Any:
    from .pipeline import Request

    return Request(
        name=options["name"] or output.stem,
        version=options["bundle_version"],
        head=head,
        input=accepted,
        classes=tuple(options["classes"].split(",")) if options["classes"] else (),
        checks=_checks(options),
        input_noise=_input_noise(options),
        alpha=options["alpha"],
        combine=options["combine"],
        coverage_probability=options["coverage"],
        groups=options["groups"],
        probes=options["probes"],
        map_kind=options["map_kind"],
        map_bytes=options["map_bytes"],
        cost=options["cost"],
        tolerance=options["tolerance"],
    )


def _checks(options: dict[str, Any]) -> tuple[str, ...]:
    """Those asked for; all by default, within a budget the one that can be cut to it."""
    default = DEFAULT_CHECKS if options["cost"] is None else (PROFILE,)
    return tuple(name for name in CHECKS if name in (options["checks"] or default))


def _input_noise(options: dict[str, Any]) -> Any:
    from .errors import CalibrationError
    from .heads.input_noise import InputNoise

    constant, proportional = options["input_noise"], options["input_noise_proportional"]
    if constant is None:
        if proportional or options["input_draws"]:
            raise CalibrationError("input noise without --input-noise, its constant part in the image's unit")
        return None
    draws = options["input_draws"]
    if draws is None:
        return InputNoise(constant, proportional)
    return InputNoise(constant, proportional, method="draws", draws=draws)


def _described(design: Any) -> str:
    return (
        f"{design.cost:.2f} times the forward pass, {design.probes} probes, activations of {len(design.activations)} "
        f"and parameters of {len(design.parameters)} layers, {100 * design.power:.0f} % detected, "
        f"AUROC {design.auroc:.3f}"
    )
