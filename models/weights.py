"""Trained members in one file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import onnx
import torch
from torch import nn

from fisherlens.edge.storage import write_whole
from fisherlens.export.network.forward import member_weights

Member = TypeVar("Member", bound=nn.Module)


def save(members: Sequence[nn.Module], path: Path) -> None:
    """Write all members' weights to one file, which is whole or absent."""
    buffer = BytesIO()
    torch.save([member.state_dict() for member in members], buffer)
    write_whole(path, buffer.getvalue())


def load(path: Path, make: Callable[[], Member]) -> list[Member]:
    """The members that `save` wrote, each made anew and given its weights."""
    members = []
    for state in torch.load(path, weights_only=True):
        member = make().eval()
        member.load_state_dict(state)
        members.append(member)
    return members


def members_in(path: Path, make: Callable[[], Member]) -> list[Member]:
    """The members in a file that `save` wrote, or in a bundle: see `load` and `members_of`."""
    return members_of(path, make) if path.suffix == ".onnx" else load(path, make)


def members_of(bundle: Path, make: Callable[[], Member]) -> list[Member]:
    """The members whose weights stand in a bundle's initializers, each made anew and given its weights. What a
    member has for its training alone is not in the bundle, and stays as `make` made it. Raises ValueError for members
    with batch normalisation, which a bundle has folded into other weights."""
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in make().modules()):
        raise ValueError(
            f"{bundle}: its members' batch normalisation is folded into their weights, which cannot be had back from "
            "it. Give the file that the training wrote."
        )
    members = []
    for weights in member_weights(onnx.load(bundle)):
        member = make().eval()
        known = {name: torch.from_numpy(array.copy()) for name, array in weights.items() if name in member.state_dict()}
        member.load_state_dict(known, strict=False)
        members.append(member)
    return members
