"""Trained members in one file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import onnx
import torch
from torch import nn

from fisherlens.export.network.forward import member_weights

Member = TypeVar("Member", bound=nn.Module)


def save(members: Sequence[nn.Module], path: Path) -> None:
    """Write all members' weights beside `path`, then put the file in place."""
    beside = path.with_name(path.name + ".part")
    torch.save([member.state_dict() for member in members], beside)
    os.replace(beside, path)


def load(path: Path, make: Callable[[], Member]) -> list[Member]:
    """The members that `save` wrote, each made anew and given its weights."""
    members = []
    for state in torch.load(path, weights_only=True):
        member = make().eval()
        member.load_state_dict(state)
        members.append(member)
    return members


def members_of(bundle: Path, make: Callable[[], Member]) -> list[Member]:
    """The members whose weights stand in a bundle's initializers, each made anew and given its weights. What a
    member has for its training alone is not in the bundle, and stays as `make` made it."""
    members = []
    for weights in member_weights(onnx.load(bundle)):
        member = make().eval()
        known = {name: torch.from_numpy(array.copy()) for name, array in weights.items() if name in member.state_dict()}
        member.load_state_dict(known, strict=False)
        members.append(member)
    return members
