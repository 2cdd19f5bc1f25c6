"""Train the networks: `python -m fisherlens.models.fashion.train --folder weights`.

Writes one file a row of TRAININGS: the networks of all ten classes, those that never saw the last two, and those of
200 and 1,000 classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import click
import torch
from rich.progress import Progress
from torch import Tensor, nn

from fisherlens.edge.storage import write_whole

from . import dataset
from .networks import NETWORKS
from .poses import PLACED, TURNED, Poses

MEMBERS = 3
LEFT_OUT = 2
"""Classes, the last ones, that the networks `...-left-out` do not know."""

BATCH = 128


@dataclass(frozen=True)
class Training:
    """A network to train. network: its name in NETWORKS. seed: of weights and order. kinds: how many of the data set's
    classes it learns, the first ones. poses: in which it sees them, and which it tells apart as classes of their own;
    None for images as they are."""

    network: str
    epochs: int
    seed: int = 0
    kinds: int = 10
    poses: Poses | None = None

    @property
    def classes(self) -> int:
        """The number of classes that it tells apart."""
        return self.kinds * (len(self.poses) if self.poses else 1)

    def varied(self, images: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Change images [n, 1, H, W] of these kinds [n] at random, as often as they are learned from: mirrored, where
        that changes no class, and moved by up to a pixel. And their classes [n]."""
        if self.poses is None:
            return _moved(_mirrored(images)), kinds
        return self.poses.shown(_moved(images), kinds)

    def evaluation(self) -> tuple[Tensor, Tensor]:
        """Images and classes that it is evaluated on."""
        images, kinds = dataset.evaluation()
        known = kinds < self.kinds
        part = images[known], kinds[known]
        return self.poses.shown_once(*part) if self.poses else part


TRAININGS: dict[str, Training] = {
    "small": Training("small", 10),
    "small-left-out": Training("small", 10, kinds=10 - LEFT_OUT),
    **{f"residual-{seed}": Training("residual", 8, seed) for seed in range(MEMBERS)},
    "residual-left-out": Training("residual", 8, kinds=10 - LEFT_OUT),
    "small-200": Training("small", 3, poses=TURNED),
    "small-1000": Training("small", 5, poses=PLACED),
}
"""By the name of the file of weights."""


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Where the weights go.")
def main(folder: Path) -> None:
    """Train all networks that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for label in TRAININGS:
        once(folder, label)


def once(folder: Path, label: str) -> None:
    """Train the network of that row of TRAININGS, where it is not in the folder yet, and print its accuracy."""
    path, training = folder / f"{label}.pt", TRAININGS[label]
    if path.exists():
        return
    images, kinds = dataset.training()
    known = kinds < training.kinds
    network = train(training, images[known], kinds[known])
    buffer = BytesIO()
    torch.save(network.state_dict(), buffer)
    write_whole(path, buffer.getvalue())
    print(f"{label}: {100 * accuracy(network, *training.evaluation()):.2f} % right")


def train(training: Training, images: Tensor, kinds: Tensor) -> nn.Module:
    """Train a network by AdamW with a one-cycle schedule, on images [n, 1, H, W] of these kinds [n]."""
    torch.manual_seed(training.seed)
    network = NETWORKS[training.network](training.classes)
    steps = training.epochs * (len(images) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=5e-3, total_steps=steps)
    with Progress() as progress:
        task = progress.add_task("train", total=steps)
        for _ in range(training.epochs):
            for batch in torch.randperm(len(images)).split(BATCH)[: len(images) // BATCH]:
                seen, classes = training.varied(images[batch], kinds[batch])
                loss = nn.functional.cross_entropy(network(seen), classes)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                progress.update(task, advance=1, description=f"train, {training.classes} classes, loss {loss:.3f}")
    return network.eval()


def _mirrored(images: Tensor) -> Tensor:
    return torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)


def _moved(images: Tensor) -> Tensor:
    """By up to a pixel."""
    padded = nn.functional.pad(images, (1, 1, 1, 1))
    down, right = (int(torch.randint(0, 3, ())) for _ in range(2))
    return padded[:, :, down : down + 28, right : right + 28]


def accuracy(network: nn.Module, images: Tensor, classes: Tensor) -> float:
    """Share of images whose most probable class is theirs."""
    with torch.no_grad():
        right = [network(i).argmax(dim=1) == c for i, c in zip(images.split(500), classes.split(500), strict=True)]
    return float(torch.cat(right).double().mean())


def load(folder: Path, label: str) -> nn.Module:
    """Load the network that was trained by that row of TRAININGS. Raises ClickException where the folder has none."""
    path = folder / f"{label}.pt"
    if not path.is_file():
        raise click.ClickException(f"{path}: no such file. Train: python -m fisherlens.models.fashion.train")
    training = TRAININGS[label]
    network = NETWORKS[training.network](training.classes)
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


if __name__ == "__main__":
    main()
