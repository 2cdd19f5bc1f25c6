"""The sets of images of a study, made when they are asked for; attacked images are made once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn

from fisherlens.edge.storage import write_whole
from fisherlens.export.calibration.images import COUNTING

from .attacks import Attack, attacked
from .subject import Part, Sets, Subject

EVALUATION = "usual"
COUNTED = "usual, counting"
KINDS = "usual images of one kind"
ATTACKS, UNUSUAL = "attacks", "unusual"
CHOOSING_ATTACKS, CHOOSING_UNUSUAL = "choosing: attacks", "choosing: unusual"

BATCH = 50


@dataclass(frozen=True)
class ImageSet:
    """Images of one kind. group: which of the study's groups it belongs to. key: tells what they are made of. images:
    makes or reads them, float32 [n, C, H, W]."""

    name: str
    group: str
    key: str
    images: Callable[[], Tensor]


@dataclass(frozen=True)
class Numbers:
    """Counts of the images that a study takes at most: of the evaluation part, and of each kind of usual images, for
    false alarms; of the former, recognised ones that are attacked and altered; of the counting ones, recognised ones
    that are attacked and altered to choose settings."""

    evaluation: int
    images: int
    choosing: int


def image_sets(subject: Subject, numbers: Numbers, folder: Path) -> list[ImageSet]:
    """All sets of a study, in the order of its tables. folder: where attacked images are kept."""
    network = _only_for_images(subject.network)
    counting = subject.calibration.taken(COUNTING)
    everyday = subject.evaluation.mixed(numbers.evaluation)
    reported = recognised(subject, network, subject.evaluation.mixed(len(subject.evaluation)), numbers.images)
    choosing = recognised(subject, network, counting.mixed(len(counting)), numbers.choosing)
    return [
        _as_they_are(EVALUATION, EVALUATION, everyday),
        _as_they_are(COUNTED, COUNTED, counting),
        *(_as_they_are(name, KINDS, part.mixed(numbers.evaluation)) for name, part in subject.kinds.items()),
        *_made(network, subject, reported, subject.reported, (ATTACKS, UNUSUAL), folder),
        *_made(network, subject, choosing, subject.choosing, (CHOOSING_ATTACKS, CHOOSING_UNUSUAL), folder),
    ]


def _as_they_are(name: str, group: str, part: Part) -> ImageSet:
    return ImageSet(name, group, digest_of_arrays(part.images), lambda: part.images)


def recognised(subject: Subject, network: nn.Module, part: Part, count: int) -> Part:
    """The first `count` images, at most, of which the subject's network gives a right result."""
    found: list[Part] = []
    for start in range(0, len(part), BATCH):
        batch = part.taken(slice(start, start + BATCH))
        with torch.no_grad():
            found.append(batch.taken(subject.task.right(network(batch.images), batch.known)))
        if sum(map(len, found)) >= count:
            break
    images, known = (torch.cat([getattr(right, name) for right in found]) for name in ("images", "known"))
    return Part(images[:count], known[:count])


def _only_for_images(network: nn.Module) -> nn.Module:
    """A copy that is differentiated in its images alone, laid out as convolutions run fastest: attacks take half the
    time."""
    return deepcopy(network).eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def accuracy(subject: Subject) -> float:
    """Share of the evaluation images whose result is right."""
    count = len(subject.evaluation)
    return len(recognised(subject, subject.network, subject.evaluation, count)) / count


def digest_of_arrays(*tensors: Tensor) -> str:
    """Eight hexadecimal digits that tell weights and images from others: what was made of them is kept by these."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(np.ascontiguousarray(tensor.detach().numpy()).tobytes())
    return found.hexdigest()[:8]


def _made(
    network: nn.Module, subject: Subject, part: Part, sets: Sets, groups: tuple[str, str], folder: Path
) -> list[ImageSet]:
    of_attacks, of_unusual = groups
    key = digest_of_arrays(*network.state_dict().values(), part.images)

    def kept(name: str, attack: Attack) -> Tensor:
        path = folder / f"{subject.name}-attacked-{key}" / f"{name.replace('/', ' of ')}.npy"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            shown = partial(track, description=f"attack, {name}")
            found = attacked(network, part.images, part.known, attack, subject.task.wrong, subject.bounds, shown)
            buffer = BytesIO()
            np.save(buffer, found.numpy())
            write_whole(path, buffer.getvalue())
        return torch.from_numpy(np.load(path))

    return [
        *(ImageSet(name, of_attacks, key, partial(kept, name, attack)) for name, attack in sets.attacks.items()),
        *(ImageSet(name, of_unusual, key, partial(alter, part.images)) for name, alter in sets.unusual.items()),
    ]
