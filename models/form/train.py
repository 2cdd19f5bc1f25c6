"""Train the members: `python -m fisherlens.models.form.train --weights members.pt`.

Simulates usual measurements, trains each member from its own seed, prints its errors on measurements it
has not seen, and writes all weights to one file, from which `publish` makes the bundle.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from ..training import descend
from ..weights import save
from .input import image_reader
from .interferometer import SOURCES_MM
from .linear import root_mean_square
from .network import FINE_UM, FormNetwork
from .population import measurements
from .surface import SIZE, within_aperture

MEMBERS = 3
BATCH = 16


@click.command()
@click.option("--weights", type=click.Path(path_type=Path), required=True, help="File to write.")
@click.option("--measurements", "count", default=6000, show_default=True, help="Measurements to train on.")
@click.option("--epochs", default=12, show_default=True)
def main(weights: Path, count: int, epochs: int) -> None:
    """Train the members of the form measurement model."""
    training = simulate("training", count)
    validation = simulate("validation", 200)
    stitched = [_error(validation.mean[i, 0], validation.truth[i]) for i in range(200)]
    print(f"stitched, before any network: median {np.median(stitched):.2f} nm RMS")
    members = []
    for seed in range(MEMBERS):
        members.append(train(training, epochs, seed))
        report(f"member {seed}", members[-1:], validation)
    report("ensemble", members, validation)
    save(members, weights)


@dataclass(frozen=True)
class StitchedMeasurements:
    """Usual measurements after alignment and stitching, with their truth, in um: float32 [n, 1, SIZE,
    SIZE], [n, sources, SIZE, SIZE] and [n, SIZE, SIZE], zero outside the aperture."""

    mean: Tensor
    residuals: Tensor
    truth: Tensor


def simulate(stream: str, count: int) -> StitchedMeasurements:
    """Simulate, align and stitch the first `count` usual measurements of a stream."""
    network = FormNetwork()
    mean = torch.empty(count, 1, SIZE, SIZE)
    residuals = torch.empty(count, len(SOURCES_MM), SIZE, SIZE)
    truth = torch.empty(count, SIZE, SIZE)
    with torch.no_grad():
        for i, (data, known) in enumerate(track(measurements(stream, count), f"simulate {stream}", count)):
            pictures = network.alignment(torch.from_numpy(image_reader(data)()))
            mean[i : i + 1], residuals[i : i + 1] = network.stitching(pictures)
            truth[i] = torch.from_numpy(np.nan_to_num(known))
    return StitchedMeasurements(mean, residuals, truth)


def train(data: StitchedMeasurements, epochs: int, seed: int) -> FormNetwork:
    """Train one member by the Gaussian negative log likelihood."""
    torch.manual_seed(seed)
    network = FormNetwork()

    def loss_of(batch: Tensor, epoch: int) -> Tensor:
        outputs = network.corrected(data.mean[batch], data.residuals[batch])
        return _loss(outputs, data.truth[batch], variance=epoch >= epochs // 5)

    descend(network, len(data.truth), BATCH, epochs, f"member {seed}", loss_of)
    return network.eval()


def _loss(outputs: Tensor, truth: Tensor, variance: bool) -> Tensor:
    """Gaussian negative log likelihood over the aperture, in units of FINE_UM; at first the squared error
    alone, since a variance that is learned early leaves the mean behind (Seitzer et al. 2022,
    arXiv 2203.09168)."""
    inside = torch.from_numpy(within_aperture())
    mean, log_variance = (part[:, 0, inside] for part in outputs.chunk(2, dim=1))
    squared = ((mean - truth[:, inside]) / FINE_UM) ** 2
    if not variance:
        return squared.mean()
    spread = log_variance - 2 * np.log(FINE_UM)
    return 0.5 * (spread + squared * torch.exp(-spread)).mean()


def report(name: str, members: list[FormNetwork], data: StitchedMeasurements) -> None:
    """Print median and 90th percentile of the errors of the members' mean, in nm RMS."""
    with torch.no_grad():
        means = torch.stack([predicted(member, data) for member in members]).mean(dim=0)
    errors = [_error(mean, truth) for mean, truth in zip(means, data.truth, strict=True)]
    print(f"{name}: {np.median(errors):.2f} nm RMS (median), {np.percentile(errors, 90):.2f} (90th percentile)")


def predicted(member: FormNetwork, data: StitchedMeasurements) -> Tensor:
    """A member's form deviations in um, [n, SIZE, SIZE]."""
    batches = zip(data.mean.split(BATCH), data.residuals.split(BATCH), strict=True)
    return torch.cat([member.corrected(mean, residuals) for mean, residuals in batches])[:, 0]


def _error(mean: Tensor, truth: Tensor) -> float:
    """The error of one measurement in nm RMS."""
    return 1e3 * root_mean_square((mean - truth).numpy().astype(np.float64))


if __name__ == "__main__":
    main()
