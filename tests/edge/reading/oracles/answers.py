"""What a reader answers of a file: frames, or in words why there are none."""

from __future__ import annotations

import faulthandler
import multiprocessing
import multiprocessing.connection
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
FAULT = "unexpected"
_SECONDS = 20


class NoAnswer(Exception):
    """A reader gives no frames of a file; the text says why."""


@dataclass(frozen=True)
class Oracle:
    """A reader that is not ours. name: with its version. is_apart: whether it reads in a process of its own, since it
    ends its own at odd files."""

    name: str
    read: Read
    is_apart: bool = False


def ours(path: Path) -> Frames:
    """Read a file's frames as stored, by us."""
    try:
        file = open_image(path)
        return [file.frame(index).pixels for index in range(file.header.frames)]
    except ImageRefused as refused:
        raise NoAnswer(str(refused)) from None
    except Exception as error:  # a fault of ours, which no reason explains
        raise NoAnswer(f"{FAULT} {type(error).__name__} {error}") from None


def asked(oracle: Oracle, path: Path) -> Frames:
    """Let an oracle read."""
    if oracle.is_apart:
        return apart(oracle.read, path)
    answer = _answer(oracle.read, path)
    if isinstance(answer, str):
        raise NoAnswer(answer)
    return answer


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
    faulthandler.disable()
    with sender:
        sender.send_bytes(pickle.dumps(_answer(read, path)))


def _answer(read: Read, path: Path) -> Frames | str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read(path) or "no frames"
        except NoAnswer as said:
            return str(said)
        except Exception as error:  # each reader raises kinds of its own
            return " ".join(f"{type(error).__name__} {error}".split())[:120]


def first(oracles: Iterator[Oracle] | list[Oracle], path: Path) -> Iterator[tuple[Oracle, Frames | str]]:
    """Ask one oracle after the other; each gives frames or words."""
    for oracle in oracles:
        try:
            yield oracle, asked(oracle, path)
        except NoAnswer as said:
            yield oracle, str(said)
