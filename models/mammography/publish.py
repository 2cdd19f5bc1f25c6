"""Make the shipped bundle: `python -m fisherlens.models.mammography.publish members.pt`."""

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
from .network import ThresholdNetwork
from .observer import DIAMETERS_MM
from .population import FIELD, fields

VERSION = "2.1.1"
MEASURANDS = tuple(Measurand(name=f"threshold gold thickness, {d:.2f} mm", unit="um") for d in DIAMETERS_MM)
REQUEST = Request(
    name="mammography image quality (CDMAM 3.4, simulated)",
    version=VERSION,
    head=Gaussian(logarithmic=True),
    input=INPUT,
    probes=2,
    procedure=Procedure(("fisher_trace", "fisher_profile"), "each"),
)


@click.command()
@click.argument("weights", type=click.Path(path_type=Path, exists=True))
@click.option("--bundle", type=click.Path(path_type=Path), default=BUNDLE, show_default=True, help="File to write.")
@click.option("--images", default=1600, show_default=True, help="Usual images to calibrate on.")
def main(weights: Path, bundle: Path, images: int) -> None:
    """Export the members in WEIGHTS, the file of a training or a bundle, calibrated on fresh usual images."""
    networks = from_modules(members_in(weights, ThresholdNetwork), (1, 1, FIELD, FIELD), "mammography")
    inputs, values = [], []
    for field, thresholds in track(fields("calibration", images), "simulate calibration", images):
        inputs.append(image_reader(field))
        values.append(thresholds)
    targets = Targets(MEASURANDS, np.array(values))
    manifest = export(networks, inputs, targets, REQUEST, bundle, lambda items, label: track(list(items), label))
    print(f"{bundle}: {bundle.stat().st_size:,} bytes")
    print(f"coverage factors {', '.join(f'{k:.2f}' for k in manifest.coverage.factors)}" if manifest.coverage else "")
    print(f"parity: {manifest.parity.absolute:.3g} absolute, {manifest.parity.relative:.3g} relative")


if __name__ == "__main__":
    main()
