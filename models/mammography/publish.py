"""Make the shipped bundle: `python -m fisherlens.models.mammography.publish members.pt`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from fisherlens.edge.bundle.manifest import Input, Measurand
from fisherlens.export.calibration.targets import Targets
from fisherlens.export.heads import Gaussian
from fisherlens.export.network.source import from_modules
from fisherlens.export.pipeline import Request, export

from ..weights import load
from . import BUNDLE
from .detector import BITS_STORED
from .network import ThresholdNetwork
from .observer import DIAMETERS_MM
from .population import FIELD, PIXEL_SPACING_MM, fields

VERSION = "2.1.0"
MODALITY = "MG"

INPUT = Input(
    modality=MODALITY,
    bits_stored=BITS_STORED,
    pixel_spacing=PIXEL_SPACING_MM,
    photometric_interpretation="MONOCHROME1",
    crop=(FIELD, FIELD),
    scale=2.0**-BITS_STORED,
)
MEASURANDS = tuple(Measurand(name=f"threshold gold thickness, {d:.2f} mm", unit="um") for d in DIAMETERS_MM)
REQUEST = Request(
    name="mammography image quality (CDMAM 3.4, simulated)",
    version=VERSION,
    head=Gaussian(logarithmic=True),
    input=INPUT,
    probes=2,
)


@click.command()
@click.argument("weights", type=click.Path(path_type=Path, exists=True))
@click.option("--bundle", type=click.Path(path_type=Path), default=BUNDLE, show_default=True, help="File to write.")
@click.option("--images", default=1600, show_default=True, help="Usual images to calibrate on.")
def main(weights: Path, bundle: Path, images: int) -> None:
    """Export the members in WEIGHTS, calibrated on fresh usual images."""
    networks = from_modules(load(weights, ThresholdNetwork), (1, 1, FIELD, FIELD), "mammography")
    inputs, values = [], []
    for field, thresholds in track(fields("calibration", images), "simulate calibration", images):
        inputs.append(reader(field))
        values.append(thresholds)
    targets = Targets(MEASURANDS, np.array(values))
    manifest = export(networks, inputs, targets, REQUEST, bundle, lambda items, label: track(list(items), label))
    print(f"{bundle}: {bundle.stat().st_size:,} bytes")
    print(f"coverage factors {', '.join(f'{k:.2f}' for k in manifest.coverage.factors)}" if manifest.coverage else "")
    print(f"parity: {manifest.parity.absolute:.3g} absolute, {manifest.parity.relative:.3g} relative")


def reader(field: NDArray[np.uint16]) -> Callable[[], NDArray[np.float32]]:
    """The graph's image of a field, made when it is called for."""
    return lambda: field.astype(np.float32)[None, None] * np.float32(INPUT.scale)


if __name__ == "__main__":
    main()
