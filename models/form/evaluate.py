"""The figures of the model card: `python -m fisherlens.models.form.evaluate`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fisherlens.edge.bundle import Bundle, open_bundle

from . import BUNDLE
from .cases import CASES
from .input import image_reader
from .linear import LinearInverse, root_mean_square
from .population import Measurement, measurements
from .surface import within_aperture

REGULARISATIONS = tuple(10.0**power for power in (-4.0, -3.0, -2.5, -2.0, -1.5, -1.0, 0.0))


@dataclass(frozen=True)
class Evaluation:
    """Results of n measurements. network, linear: errors in nm RMS [n]. covered: share of pixels whose 95 %
    interval covers [n]. flagged: bool [n]."""

    network: NDArray[np.float64]
    linear: NDArray[np.float64]
    covered: NDArray[np.float64]
    flagged: NDArray[np.bool_]


def study(
    bundle: Bundle, inverse: LinearInverse, make: Callable[[int], Measurement], count: int, name: str
) -> Evaluation:
    """Evaluate `count` measurements of a kind by the networks and by the linear inverse."""
    assert bundle.manifest.coverage is not None
    factor = bundle.manifest.coverage.factors[0]
    inside = within_aperture()
    rows = []
    for number in track(range(count), name):
        measurement = make(number)
        data, truth = measurement.data(), measurement.truth
        outputs = bundle.run(image_reader(data)(), explain=False)
        error = outputs["value"][0].astype(float) - truth
        covered = np.abs(error[inside]) <= factor * outputs["u"][0][inside]
        rows.append(
            (
                1e3 * root_mean_square(error),
                1e3 * root_mean_square(inverse.evaluate(data) - truth),
                covered.mean(),
                bool(outputs["flagged"]),
            )
        )
    network, linear, shares, flagged = map(np.array, zip(*rows, strict=True))
    return Evaluation(network, linear, shares, flagged)


def best_inverse(count: int) -> LinearInverse:
    """The linear inverse with the regularisation that errs least on usual measurements."""
    known = list(measurements("regularisation", count))
    inverses = [LinearInverse(strength) for strength in REGULARISATIONS]
    errors = [
        np.median([root_mean_square(inverse.evaluate(data) - truth) for data, truth in known])
        for inverse in track(inverses, "regularisation")
    ]
    return inverses[int(np.argmin(errors))]


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path), default=BUNDLE, show_default="the shipped one")
@click.option("--usual", "count", default=1000, show_default=True, help="Fresh usual measurements.")
@click.option("--unusual", default=100, show_default=True, help="Measurements of each other kind.")
def main(bundle: Path, count: int, unusual: int) -> None:
    """Print errors, coverage and flags of a bundle, beside the regularised linear inverse."""
    opened = open_bundle(bundle)
    inverse = best_inverse(100)
    table = Table("", "network / nm RMS", "linear inverse / nm RMS", "pixels covered", "flagged")
    for name, make in CASES.items():
        found = study(opened, inverse, make, count if name == "usual" else unusual, name)
        table.add_row(
            name,
            *(f"{np.median(errors):.1f} ({np.percentile(errors, 90):.1f})" for errors in (found.network, found.linear)),
            f"{100 * found.covered.mean():.1f} %",
            f"{100 * found.flagged.mean():.1f} %",
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"{count} usual measurements, {unusual} of each other kind; medians (90th percentiles) of the error over the "
        f"aperture; 95 % intervals; alpha {100 * opened.manifest.alpha:g} %; "
        f"regularisation {inverse.regularisation:.2g}"
    )


if __name__ == "__main__":
    main()
