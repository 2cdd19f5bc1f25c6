"""Trained members in one file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import onnx
import torch
from onnx import numpy_helper
from torch import nn

from fisherlens.edge.storage import write_whole

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


def members_of(bundle: Path, make: Callable[[], Member]) -> list[Member]:
    """The members whose weights stand in a bundle's initializers, each made anew and given its weights. What a
    member has for its training alone is not in the bundle, and stays as `make` made it."""
    states: dict[int, dict[str, torch.Tensor]] = {}
    for initializer in onnx.load(bundle).graph.initializer:
        named = re.fullmatch(r"member(\d+)\.(.+?)_\d+_\d+", initializer.name)
        if named:
            weights = torch.from_numpy(numpy_helper.to_array(initializer).copy())
            states.setdefault(int(named[1]), {})[named[2]] = weights
    members = []
    for _, state in sorted(states.items()):
        member = make().eval()
        member.load_state_dict({key: value for key, value in state.items() if key in member.state_dict()}, strict=False)
        members.append(member)
    return members
