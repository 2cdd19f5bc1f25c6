"""Make the shipped bundle: `python -m fisherlens.models.radiograph.publish members.pt --data chest`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import track

from fisherlens.export.calibration.targets import Targets
from fisherlens.export.heads import Softmax
from fisherlens.export.network.source import from_modules
from fisherlens.export.pipeline import Request, export

from ..weights import load
from . import BUNDLE, CLASSES, SIDE, dataset
from .calibration import patients_apart
from .input import INPUT
from .network import radiograph_network

VERSION = "1.0.0"
REQUEST = Request(
    name="normal or pneumonia (paediatric chest radiographs)",
    version=VERSION,
    head=Softmax(),
    input=INPUT,
    classes=CLASSES,
)


@click.command()
@click.argument("weights", type=click.Path(path_type=Path, exists=True))
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of the radiographs.")
@click.option("--bundle", type=click.Path(path_type=Path), default=BUNDLE, show_default=True, help="File to write.")
def main(weights: Path, data: Path, bundle: Path) -> None:
    """Export the members in WEIGHTS, calibrated on patients that they have not learned from."""
    try:
        part = dataset.part(data, "calibration")
    except dataset.DatasetMissing as error:
        raise click.ClickException(str(error)) from error
    networks = from_modules(load(weights, radiograph_network), (1, 1, SIDE, SIDE), "radiograph")
    usual = part.taken(patients_apart(part.patients))
    readers = [lambda image=image: image[None].numpy() for image in usual.images]
    targets = Targets((), usual.classes.numpy())
    manifest = export(networks, readers, targets, REQUEST, bundle, lambda items, label: track(list(items), label))
    print(f"{bundle}: {bundle.stat().st_size:,} bytes")
    print(f"calibrated on {len(usual)} radiographs, of which every other counts, one of a patient")
    print(f"temperature {manifest.temperature:.2f}")
    print(f"parity: {manifest.parity.absolute:.3g} absolute, {manifest.parity.relative:.3g} relative")


if __name__ == "__main__":
    main()
