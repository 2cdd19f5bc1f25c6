"""Train the networks: `python -m fisherlens.models.fashion.train --folder weights`.

Writes small.pt, residual-0.pt to residual-2.pt (an ensemble, of which the first is the residual network),
and for each network one that never saw the last two classes.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import click
import torch
from rich.progress import Progress
from torch import Tensor, nn

from fisherlens.edge.storage import write_whole

from . import dataset
from .networks import NETWORKS

MEMBERS = 3
LEFT_OUT = 2
"""Classes, the last ones, that the networks `...-left-out` do not know."""

EPOCHS = {"small": 10, "residual": 8}
BATCH = 128


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Where the weights go.")
def main(folder: Path) -> None:
    """Train all networks that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    images, classes = dataset.training()
    known = classes < 10 - LEFT_OUT
    for name in NETWORKS:
        for seed in range(MEMBERS if name == "residual" else 1):
            label = f"{name}-{seed}" if name == "residual" else name
            _once(folder / f"{label}.pt", name, images, classes, 10, seed)
        _once(folder / f"{name}-left-out.pt", name, images[known], classes[known], 10 - LEFT_OUT, 0)


def _once(path: Path, name: str, images: Tensor, classes: Tensor, count: int, seed: int) -> None:
    if path.exists():
        return
    network = train(name, images, classes, count, seed)
    buffer = BytesIO()
    torch.save(network.state_dict(), buffer)
    write_whole(path, buffer.getvalue())
    test_images, test_classes = dataset.evaluation()
    known = test_classes < count
    print(f"{path.stem}: {100 * accuracy(network, test_images[known], test_classes[known]):.2f} % right")


def train(name: str, images: Tensor, classes: Tensor, count: int, seed: int) -> nn.Module:
    """Train a network of that name by AdamW with a one-cycle schedule, on images mirrored and shifted at random."""
    torch.manual_seed(seed)
    network = NETWORKS[name](count)
    steps = EPOCHS[name] * (len(images) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=5e-3, total_steps=steps)
    with Progress() as progress:
        task = progress.add_task(f"train {name}", total=steps)
        for _ in range(EPOCHS[name]):
            for batch in torch.randperm(len(images)).split(BATCH)[: len(images) // BATCH]:
                loss = nn.functional.cross_entropy(network(_varied(images[batch])), classes[batch])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                progress.update(task, advance=1, description=f"train {name}, loss {loss.item():.3f}")
    return network.eval()


def _varied(images: Tensor) -> Tensor:
    """Mirrored at random, and moved by up to a pixel."""
    mirrored = torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)
    padded = nn.functional.pad(mirrored, (1, 1, 1, 1))
    down, right = (int(torch.randint(0, 3, ())) for _ in range(2))
    return padded[:, :, down : down + 28, right : right + 28]


def accuracy(network: nn.Module, images: Tensor, classes: Tensor) -> float:
    """Share of images whose most probable class is theirs."""
    with torch.no_grad():
        right = [network(i).argmax(dim=1) == c for i, c in zip(images.split(500), classes.split(500), strict=True)]
    return float(torch.cat(right).double().mean())


def load(folder: Path, label: str) -> nn.Module:
    """Load the network that was trained to LABEL.pt in a folder. Raises ClickException where there is none."""
    path = folder / f"{label}.pt"
    if not path.is_file():
        raise click.ClickException(f"{path}: no such file. Train: python -m fisherlens.models.fashion.train")
    state = torch.load(path, weights_only=True)
    name = label.split("-")[0]
    last = [value for key, value in state.items() if key.endswith("bias")][-1]
    network = NETWORKS[name](len(last))
    network.load_state_dict(state)
    return network.eval()


if __name__ == "__main__":
    main()
