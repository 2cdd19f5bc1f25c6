"""What a reader answers of a file: frames, or in words why there are none."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fisherlens.edge.errors import ImageRefused
from fisherlens.edge.reading import open_image

from .meaning import Words

Frames = list[Words]
Read = Callable[[Path], Frames]
_SECONDS = 60


class NoAnswer(Exception):
    """A reader gives no frames of a file; the text says why."""


@dataclass(frozen=True)
class Oracle:
    """A reader that is not ours. name: with its version."""

    name: str
    read: Read


def ours(path: Path) -> Frames:
    """Read a file's frames as stored, by us."""
    try:
        file = open_image(path)
        return [file.frame(index).pixels for index in range(file.header.frames)]
    except ImageRefused as refused:
        raise NoAnswer(str(refused)) from None


def apart(read: Read, path: Path) -> Frames:
    """Let a reader read in a process of its own: some end theirs at odd files."""
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_send, args=(read, path, sender))
    process.start()
    sender.close()
    try:
        answer = receiver.recv() if receiver.poll(_SECONDS) else f"no answer within {_SECONDS} s"
    except EOFError:
        process.join()
        answer = f"its process ended by {signal.Signals(-(process.exitcode or -1)).name}"
    process.kill()
    process.join()
    if isinstance(answer, str):
        raise NoAnswer(answer)
    frames: Frames = answer
    return frames


def _send(read: Read, path: Path, sender: multiprocessing.connection.Connection) -> None:
    warnings.simplefilter("ignore")
    try:
        answer: Frames | str = read(path)
    except NoAnswer as said:
        answer = str(said)
    except Exception as error:  # each reader raises kinds of its own
        answer = " ".join(f"{type(error).__name__} {error}".split())[:120]
    with sender:
        sender.send_bytes(pickle.dumps(answer))


def first(oracles: Iterator[Oracle] | list[Oracle], path: Path) -> Iterator[tuple[Oracle, Frames | str]]:
    """Ask one oracle after the other; each gives frames or words."""
    for oracle in oracles:
        try:
            yield oracle, apart(oracle.read, path)
        except NoAnswer as said:
            yield oracle, str(said)
