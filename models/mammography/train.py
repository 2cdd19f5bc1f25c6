"""Train the five members: `python -m fisherlens.models.mammography.train --weights members.pt`.

Simulates usual fields, trains each member from its own seed, prints its errors on fields it has not
seen, and writes all weights to one file, from which `publish` makes the bundle.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn

from ..training import descend
from ..weights import save
from .input import image_reader
from .network import ThresholdNetwork
from .observer import DIAMETERS_MM
from .population import FIELD, fields, usual

MEMBERS = 5
BATCH = 8
SPACING_WEIGHT = 10.0


@click.command()
@click.option("--weights", type=click.Path(path_type=Path), required=True, help="File to write.")
@click.option("--images", default=3200, show_default=True, help="Fields to train on.")
@click.option("--epochs", default=8, show_default=True)
def main(weights: Path, images: int, epochs: int) -> None:
    """Train the members of the mammography reference model."""
    training = simulate("training", images)
    validation = simulate("validation", 200)
    members = []
    for seed in range(MEMBERS):
        member = train(training, epochs, seed)
        members.append(member)
        report(f"member {seed}", [member], validation)
    report("ensemble", members, validation)
    save(members, weights)


@dataclass(frozen=True)
class SimulatedFields:
    """Usual fields as they are stored, [n, FIELD, FIELD], with logarithms of their thresholds in um, float32
    [n, 5], and of their pixel spacings in units of 0.07 mm, float32 [n, 1]."""

    fields: NDArray[np.uint16]
    thresholds: Tensor
    spacings: Tensor


def simulate(stream: str, count: int) -> SimulatedFields:
    """Simulate the first `count` usual fields of a stream."""
    data = np.empty((count, FIELD, FIELD), np.uint16)
    thresholds = np.empty((count, len(DIAMETERS_MM)), np.float32)
    for i, (field, truth) in enumerate(track(fields(stream, count), f"simulate {stream}", count)):
        data[i], thresholds[i] = field, np.log(truth)
    spacings = np.log([[usual(i, stream).detector.pixel_spacing / 0.07] for i in range(count)])
    return SimulatedFields(data, torch.from_numpy(thresholds), torch.from_numpy(spacings.astype(np.float32)))


def train(data: SimulatedFields, epochs: int, seed: int) -> ThresholdNetwork:
    """Train one member by the Gaussian negative log likelihood."""
    torch.manual_seed(seed)
    network = ThresholdNetwork()
    _start_at(network, data.thresholds)

    def loss_of(batch: Tensor, epoch: int) -> Tensor:
        known = network.described(_turned(images_of(data.fields[batch.numpy()])))
        loss = _loss(network.thresholds(known), data.thresholds[batch], variance=epoch >= epochs // 4)
        return loss + SPACING_WEIGHT * nn.functional.mse_loss(network.spacing(known), data.spacings[batch])

    descend(network, len(data.fields), BATCH, epochs, f"member {seed}", loss_of)
    return network.eval()


def images_of(fields: NDArray[np.uint16]) -> Tensor:
    """The networks' images, float32 [n, 1, FIELD, FIELD], of stored values [n, FIELD, FIELD]: of one batch, since
    they take twice the memory of what is stored."""
    return torch.from_numpy(np.concatenate([image_reader(field)() for field in fields]))


def _start_at(network: ThresholdNetwork, targets: Tensor) -> None:
    """Begin with the population's mean, and a standard deviation of a tenth."""
    with torch.no_grad():
        last = network.thresholds
        last.weight.mul_(0.1)
        last.bias.copy_(torch.cat([targets.mean(dim=0), torch.full((targets.shape[1],), -4.6)]))


def _turned(images: Tensor) -> Tensor:
    """Mirrored and transposed at random: none of it changes a threshold."""
    axes = [axis for axis in (2, 3) if torch.rand(()) < 0.5]
    images = images.flip(axes) if axes else images
    return images.transpose(2, 3) if torch.rand(()) < 0.5 else images


def _loss(outputs: Tensor, targets: Tensor, variance: bool) -> Tensor:
    """Gaussian negative log likelihood; in the first quarter the mean alone is learned, since a
    variance that shrinks early leaves the mean behind (Seitzer et al. 2022, arXiv 2203.09168)."""
    mean, log_variance = outputs.chunk(2, dim=1)
    if not variance:
        return 100.0 * nn.functional.mse_loss(mean, targets)
    return (0.5 * log_variance + 0.5 * (targets - mean) ** 2 * torch.exp(-log_variance)).mean()


def report(name: str, members: list[ThresholdNetwork], data: SimulatedFields) -> None:
    """Print the median relative error of the members' mean at each diameter."""
    count = data.thresholds.shape[1]
    with torch.no_grad():
        batches = [data.fields[i : i + BATCH] for i in range(0, len(data.fields), BATCH)]
        means = torch.stack(
            [torch.cat([member(images_of(batch)) for batch in batches])[:, :count] for member in members]
        ).mean(dim=0)
    errors = (torch.exp(means - data.thresholds) - 1).abs().median(dim=0).values
    by_diameter = ", ".join(f"{d} mm {100 * e:.1f} %" for d, e in zip(DIAMETERS_MM, errors, strict=True))
    print(f"{name}: median relative error {by_diameter}")


if __name__ == "__main__":
    main()
