"""The training loop of the reference models."""

from __future__ import annotations

from collections.abc import Callable

import torch
from rich.progress import Progress
from torch import Tensor, nn


def descend(
    network: nn.Module, count: int, batch_size: int, epochs: int, label: str, loss_of: Callable[[Tensor, int], Tensor]
) -> None:
    """Train by Adam with a one-cycle schedule. loss_of: gives the loss of a batch, the numbers of its examples below
    `count`, in an epoch."""
    steps = epochs * (count // batch_size)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    with Progress() as progress:
        task = progress.add_task(label, total=steps)
        for epoch in range(epochs):
            for batch in torch.randperm(count).split(batch_size)[: count // batch_size]:
                loss = loss_of(batch, epoch)
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                progress.update(task, advance=1, description=f"{label} loss {loss.item():+.3f}")
