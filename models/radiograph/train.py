"""Train the members: `python -m fisherlens.models.radiograph.train --data chest --weights members.pt`.

Each member starts from its own seed, and is written when it is trained: an interrupted training goes on with the next.
"""

from __future__ import annotations

from pathlib import Path

import click
import torch
from torch import Tensor, nn

from ..training import descend
from ..weights import load, save
from . import dataset
from .network import radiograph_network

MEMBERS = 3
BATCH = 32
EPOCHS = 12


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of the radiographs.")
@click.option("--weights", type=click.Path(path_type=Path), required=True, help="File to write.")
@click.option("--epochs", default=EPOCHS, show_default=True)
def main(data: Path, weights: Path, epochs: int) -> None:
    """Train the members that are not in WEIGHTS yet."""
    try:
        training, validation = (dataset.part(data, name) for name in ("training", "calibration"))
    except dataset.DatasetMissing as error:
        raise click.ClickException(str(error)) from error
    members = load(weights, radiograph_network) if weights.exists() else []
    for seed in range(len(members), MEMBERS):
        members.append(train(training, epochs, seed))
        save(members, weights)
        right = logits(members[-1], validation.images).argmax(dim=1) == validation.classes
        print(f"member {seed}: {100 * right.double().mean():.1f} % of the calibration images right")


def train(training: dataset.Part, epochs: int, seed: int) -> nn.Sequential:
    """Train one member by cross entropy, both classes weighed alike, on radiographs varied at random."""
    torch.manual_seed(seed)
    network = radiograph_network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    weights = 1.0 / torch.bincount(training.classes).float()
    weights = weights / weights.mean()

    def loss_of(batch: Tensor, epoch: int) -> Tensor:
        return nn.functional.cross_entropy(
            network(varied(training.images[batch])), training.classes[batch], weights, label_smoothing=0.02
        )

    descend(network, len(training), BATCH, epochs, f"member {seed}", loss_of)
    return network.eval().to(memory_format=torch.contiguous_format)


def varied(images: Tensor) -> Tensor:
    """Turned, moved, enlarged and changed in contrast, gain and noise, each a little, as exposures and postures are."""
    count = len(images)

    def spread(reach: float) -> Tensor:
        return reach * (2 * torch.rand(count) - 1)

    angle, zoom = spread(0.12), 1.0 + spread(0.12)
    turning = torch.stack([torch.cos(angle), -torch.sin(angle), torch.sin(angle), torch.cos(angle)], 1).view(-1, 2, 2)
    placed = torch.cat([turning * zoom.view(-1, 1, 1), torch.stack([spread(0.08), spread(0.08)], 1)[..., None]], dim=2)
    grid = nn.functional.affine_grid(placed, list(images.shape), align_corners=False)
    moved = nn.functional.grid_sample(images, grid, padding_mode="zeros", align_corners=False)
    curved = moved.clamp(min=1e-4) ** torch.exp(spread(0.3)).view(-1, 1, 1, 1)
    noise = 0.02 * torch.rand(count, 1, 1, 1) * torch.randn_like(moved)
    return (curved * (1.0 + spread(0.15)).view(-1, 1, 1, 1) + noise).clamp(0.0, 1.0)


def logits(network: nn.Module, images: Tensor) -> Tensor:
    """Logits of images [n, 1, SIDE, SIDE], float32 [n, classes]."""
    with torch.no_grad():
        return torch.cat([network(batch) for batch in images.split(64)])


if __name__ == "__main__":
    main()
