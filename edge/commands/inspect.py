"""`fisherlens inspect`: what is in a bundle, and what it costs here."""

from __future__ import annotations

import json
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from ..bundle import Bundle, open_bundle
from ..bundle.cost import forward_seconds, verdict_seconds
from ..bundle.golden import read_golden, worst_difference
from ..bundle.manifest import Input
from ..errors import BundleRefused


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="All of it as one JSON object.")
def inspect(bundle: Path, as_json: bool) -> None:
    """Show BUNDLE's manifest, inputs, outputs, checks, digest and cost on this machine."""
    try:
        opened = open_bundle(bundle)
        golden = read_golden(opened)
    except BundleRefused as refusal:
        raise click.UsageError(str(refusal)) from refusal
    cost = {
        "forward alone": forward_seconds(opened, golden.image),
        "verdict": verdict_seconds(opened, golden.image, explain=False),
        "verdict with map": verdict_seconds(opened, golden.image, explain=True),
    }
    difference = worst_difference(opened, golden)
    if as_json:
        click.echo(json.dumps(_as_object(opened, cost, difference), indent=2))
    else:
        _print(opened, cost, difference)


def _as_object(bundle: Bundle, cost: dict[str, float], difference: float) -> dict:
    return {
        "digest": bundle.digest,
        "bytes": bundle.path.stat().st_size,
        "inputs": [[value.name, value.type, value.shape] for value in bundle.session.get_inputs()],
        "outputs": [[value.name, value.type, value.shape] for value in bundle.session.get_outputs()],
        "cost_seconds": cost,
        "golden_difference": difference,
        "manifest": msgspec.to_builtins(bundle.manifest),
    }


def _print(bundle: Bundle, cost: dict[str, float], difference: float) -> None:
    console = Console(highlight=False)
    manifest = bundle.manifest
    console.print(f"[bold]{manifest.name}[/bold] version {manifest.version}, made {manifest.created}")
    console.print(f"{bundle.digest}, {bundle.path.stat().st_size:,} bytes")
    tensors = Table("", "name", "type", "shape", title="Inputs and outputs", title_justify="left")
    for label, values in (("in", bundle.session.get_inputs()), ("out", bundle.session.get_outputs())):
        for value in values:
            tensors.add_row(label, value.name, value.type, str(value.shape))
    console.print(tensors)
    console.print("Accepted images, and what becomes of them", style="italic")
    console.print(_images(manifest.input))
    checks = Table("check", "alpha", "calibrated on", title="Checks", title_justify="left")
    for check in manifest.checks:
        alpha = f"{check.alpha:g}" if check.flags else "shown only"
        checks.add_row(check.name, alpha, f"{check.calibration_size} usual images")
    console.print(checks)
    costs = Table("", "median time", "times forward", title="Cost on this machine", title_justify="left")
    for name, seconds in cost.items():
        costs.add_row(name, f"{1e3 * seconds:.1f} ms", f"{seconds / cost['forward alone']:.2f}")
    console.print(costs)
    console.print(f"Golden vectors: outputs differ here by at most {difference:.1e} relative")
    console.print("Manifest", style="italic")
    console.print_json(msgspec.json.encode(manifest).decode())


def _images(expected: Input) -> Table:
    """What frames must be, and the way from their pixels to the graph's image; what is not demanded is left out."""
    table = Table(
        "", "", title="Images: what is accepted, and what becomes of it", title_justify="left", show_header=False
    )
    for name, value in msgspec.structs.asdict(expected).items():
        if value is not None:
            between = " to " if name == "pixel_spacing" else " x "
            shown = between.join(map(str, value)) if isinstance(value, tuple) else str(value)
            table.add_row(name.replace("_", " "), shown)
    return table
