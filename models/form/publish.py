"""Make the shipped bundle: `python -m fisherlens.models.form.publish members.pt`."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from rich.progress import track

from fisherlens.edge.bundle.manifest import Measurand
from fisherlens.export.calibration.targets import Targets
from fisherlens.export.checks.judgement import Procedure
from fisherlens.export.heads import Gaussian
from fisherlens.export.network.source import from_modules
from fisherlens.export.pipeline import Request, export

from ..weights import members_in
from . import BUNDLE
from .input import INPUT, image_reader
from .interferometer import SOURCES_MM
from .network import FormNetwork
from .population import measurements
from .surface import SIZE

VERSION = "1.2.0"

MEASURAND = Measurand(name="form deviation", unit="um")
REQUEST = Request(
    name="form of an asphere (tilted-wave interferometer, simulated)",
    version=VERSION,
    head=Gaussian(),
    input=INPUT,
    probes=2,
    procedure=Procedure(("image_texture", "ensemble_disagreement", "fisher_trace", "fisher_profile"), "each"),
)


@click.command()
@click.argument("weights", type=click.Path(path_type=Path, exists=True))
@click.option("--bundle", type=click.Path(path_type=Path), default=BUNDLE, show_default=True, help="File to write.")
@click.option("--measurements", "count", default=1600, show_default=True, help="Usual measurements to calibrate on.")
def main(weights: Path, bundle: Path, count: int) -> None:
    """Export the members in WEIGHTS, the file of a training or a bundle, calibrated on fresh usual measurements."""
    networks = from_modules(members_in(weights, FormNetwork), (1, len(SOURCES_MM), SIZE, SIZE), "form")
    inputs, values = [], []
    for data, truth in track(measurements("calibration", count), "simulate calibration", count):
        inputs.append(image_reader(data))
        values.append(truth[None])
    targets = Targets((MEASURAND,), np.array(values))
    manifest = export(networks, inputs, targets, REQUEST, bundle, lambda items, label: track(list(items), label))
    print(f"{bundle}: {bundle.stat().st_size:,} bytes")
    print(f"coverage factor {manifest.coverage.factors[0]:.2f}" if manifest.coverage else "")
    print(f"parity: {manifest.parity.absolute:.3g} absolute, {manifest.parity.relative:.3g} relative")


if __name__ == "__main__":
    main()
