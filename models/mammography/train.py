"""Train the five members: `python -m fisherlens.models.mammography.train --weights members.pt`.

Simulates usual fields, trains each member from its own seed, prints its errors on fields it has not
seen, and writes all weights to one file, from which `publish` makes the bundle.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
import numpy as np
import torch
from rich.progress import Progress, track
from torch import Tensor, nn

from .acquisition import BITS_STORED
from .network import ThresholdNetwork
from .observer import DIAMETERS_MM
from .population import FIELD, fields

MEMBERS = 5
BATCH = 8


@click.command()
@click.option("--weights", type=click.Path(path_type=Path), required=True, help="File to write.")
@click.option("--images", default=1000, show_default=True, help="Fields to train on.")
@click.option("--epochs", default=6, show_default=True)
def main(weights: Path, images: int, epochs: int) -> None:
    """Train the members of the mammography reference model."""
    data, targets = simulate("training", images)
    test_data, test_targets = simulate("validation", 200)
    members = []
    for seed in range(MEMBERS):
        member = train(data, targets, epochs, seed)
        members.append(member)
        report(f"member {seed}", [member], test_data, test_targets)
    report("ensemble", members, test_data, test_targets)
    save(members, weights)


def simulate(stream: str, count: int) -> tuple[Tensor, Tensor]:
    """Usual fields as uint16 [count, 1, FIELD, FIELD] and log thresholds float32 [count, 5]."""
    data = np.empty((count, 1, FIELD, FIELD), np.uint16)
    targets = np.empty((count, len(DIAMETERS_MM)), np.float32)
    for i, (field, thresholds) in enumerate(track(fields(stream, count), f"simulate {stream}", count)):
        data[i, 0], targets[i] = field, np.log(thresholds)
    return torch.from_numpy(data), torch.from_numpy(targets)


def train(data: Tensor, targets: Tensor, epochs: int, seed: int) -> ThresholdNetwork:
    """One member, by Adam on the Gaussian negative log likelihood with a one-cycle schedule."""
    torch.manual_seed(seed)
    network = ThresholdNetwork()
    _start_at(network, targets)
    steps = epochs * (len(data) // BATCH)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    with Progress() as progress:
        task = progress.add_task(f"train member {seed}", total=steps)
        for epoch in range(epochs):
            for batch in torch.randperm(len(data)).split(BATCH)[: len(data) // BATCH]:
                outputs = network(_flipped(as_input(data[batch])))
                loss = _loss(outputs, targets[batch], variance=epoch >= epochs // 4)
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                progress.update(task, advance=1, description=f"member {seed} loss {loss.item():+.2f}")
    return network.eval()


def as_input(data: Tensor) -> Tensor:
    """Stored values to the network's input: float32 in [0, 1]."""
    return data.to(torch.float32) / 2**BITS_STORED


def _start_at(network: ThresholdNetwork, targets: Tensor) -> None:
    """Begin with the population's mean, and a standard deviation of a tenth."""
    with torch.no_grad():
        last = network.head[-1]
        assert isinstance(last, nn.Linear)
        last.weight.mul_(0.1)
        last.bias.copy_(torch.cat([targets.mean(dim=0), torch.full((targets.shape[1],), -4.6)]))


def _flipped(images: Tensor) -> Tensor:
    axes = [axis for axis in (2, 3) if torch.rand(()) < 0.5]
    return images.flip(axes) if axes else images


def _loss(outputs: Tensor, targets: Tensor, variance: bool) -> Tensor:
    """Gaussian negative log likelihood; in the first quarter the mean alone is learned, since a
    variance that shrinks early leaves the mean behind (Seitzer et al. 2022, arXiv 2203.09168)."""
    mean, log_variance = outputs.chunk(2, dim=1)
    if not variance:
        return 100.0 * nn.functional.mse_loss(mean, targets)
    return (0.5 * log_variance + 0.5 * (targets - mean) ** 2 * torch.exp(-log_variance)).mean()


def report(name: str, members: list[ThresholdNetwork], data: Tensor, targets: Tensor) -> None:
    """Print the median relative error at each diameter."""
    with torch.no_grad():
        means = torch.stack(
            [torch.cat([m(as_input(batch)) for batch in data.split(BATCH)])[:, : targets.shape[1]] for m in members]
        ).mean(dim=0)
    errors = (torch.exp(means - targets) - 1).abs().median(dim=0).values
    by_diameter = ", ".join(f"{d} mm {100 * e:.1f} %" for d, e in zip(DIAMETERS_MM, errors, strict=True))
    print(f"{name}: median relative error {by_diameter}")


def save(members: list[ThresholdNetwork], path: Path) -> None:
    """Write all members' weights beside `path`, then put the file in place."""
    beside = path.with_name(path.name + ".part")
    torch.save([member.state_dict() for member in members], beside)
    os.replace(beside, path)


def load(path: Path) -> list[ThresholdNetwork]:
    """The members that `save` wrote."""
    members = []
    for state in torch.load(path, weights_only=True):
        member = ThresholdNetwork().eval()
        member.load_state_dict(state)
        members.append(member)
    return members


if __name__ == "__main__":
    main()
