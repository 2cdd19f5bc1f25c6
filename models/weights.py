"""Trained members in one file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

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
