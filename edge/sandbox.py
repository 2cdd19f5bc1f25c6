"""A process of its own for what comes from outside: parsing and decoding files.

It has a limit of memory and of time, and may die: the service says so in the verdict, and starts another. It does not
outlive the process that started it.
What it answers is parsed as data of stated types and never unpickled.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import numpy as np
from pydicom.dataset import Dataset

from .bundle.manifest import Input
from .decode import Decoded, decode
from .digest import PREFIX
from .errors import EdgeError, refusal_of
from .reading import is_dicom
from .study import STUDY, Study, read_study
from .study.opening import open_header

MOST_BYTES, MOST_SECONDS = 4 * 2**30, 60.0
"""Memory and time that the child may take for one frame, unless more or less is asked for."""
_LARGEST_ANSWER = 2**31 - 1
_START_SECONDS = 60.0


class SandboxFailed(EdgeError):
    """The child process died or took too long: nothing is known of the file."""


class _Died(SandboxFailed):
    """The child process died."""


class _Question(msgspec.Struct):
    """input: to make the graph's image of frame `index`; None asks for what the DICOM header says of that frame and its
    study, with `further` keywords."""

    path: str
    index: int
    input: Input | None
    further: tuple[str, ...] = ()


class _Answer(msgspec.Struct):
    """frames, name, lossy: see `Decoded`. refusal: empty, or why there is no image. header: in DICOM's JSON (PS3.18
    annex F). remarks: see `Study`."""

    frames: int = 1
    name: str = ""
    lossy: bool | None = None
    refusal: str = ""
    shape: tuple[int, ...] = ()
    image: bytes = b""
    header: str = ""
    remarks: tuple[str, ...] = ()


class Sandbox:
    """Decodes frames in a child process; used by one thread."""

    def __init__(self, most_bytes: int = MOST_BYTES, most_seconds: float = MOST_SECONDS) -> None:
        self.most_bytes = most_bytes
        self.most_seconds = most_seconds
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection
        self._life: Connection

    def decode(self, path: Path, index: int, expected: Input) -> Decoded:
        """Decode a frame as `decode` does. name: of a DICOM file without a readable SOP Instance UID, its digest."""
        try:
            answer = self._asked(_Question(os.fsdecode(path), index, expected))
        except SandboxFailed as failure:
            return Decoded(1, None, str(failure))
        if answer.refusal:
            return Decoded(answer.frames, None, answer.refusal, answer.name, answer.lossy)
        image = np.frombuffer(answer.image, np.float32).reshape(answer.shape)
        return Decoded(answer.frames, image, "", answer.name, answer.lossy)

    def study(self, path: Path, frame: int = 1, further: tuple[str, ...] = ()) -> Study | None:
        """Read what a DICOM image says of its study and of a frame, made valid, with `further` keywords; None where
        the file is not one.

        Raises SandboxFailed where that could not be found out.
        """
        answer = self._asked(_Question(os.fsdecode(path), frame - 1, None, further))
        return None if answer.refusal else Study(Dataset.from_json(answer.header), answer.remarks)

    def header(self, path: Path, further: tuple[str, ...] = ()) -> Dataset | None:
        """Read as `study` does, without its remarks."""
        study = self.study(path, further=further)
        return None if study is None else study.header

    def _asked(self, question: _Question) -> _Answer:
        """One that died is asked once more, anew: what killed it may have come from outside of it."""
        try:
            return self._asked_once(question)
        except _Died:
            return self._asked_once(question)

    def _asked_once(self, question: _Question) -> _Answer:
        try:
            self._ensure_running()
            self._pipe.send_bytes(msgspec.msgpack.encode(question))
            if not self._pipe.poll(self.most_seconds):
                self.close()
                raise SandboxFailed(f"reading it took longer than {self.most_seconds:g} s")
            return msgspec.msgpack.decode(self._pipe.recv_bytes(_LARGEST_ANSWER), type=_Answer)
        except (EOFError, OSError, msgspec.DecodeError) as error:
            self.close()
            raise _Died(f"the process that read it died; it may use {self.most_bytes:,} bytes of memory") from error

    def close(self) -> None:
        """End the child process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._life.close()
            self._process = None

    def _ensure_running(self) -> None:
        if self._process is not None and self._process.is_alive():
            return
        self.close()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        life, self._life = context.Pipe(duplex=False)
        process = context.Process(target=_serve, args=(theirs, life, self.most_bytes), daemon=True)
        process.start()
        self._process = process
        _kill_at_the_end_of(life, process)
        life.close()
        theirs.close()
        if not self._pipe.poll(_START_SECONDS):
            raise EOFError
        self._pipe.recv_bytes(16)


def _serve(pipe: Connection, life: Connection, most_bytes: int) -> None:
    """The child: answer questions until the pipe closes. life: see `_kill_at_the_end_of`."""
    if sys.platform != "linux":
        threading.Thread(target=_exit_at_the_end_of, args=(life,), daemon=True).start()
    _limit(most_bytes)
    warnings.simplefilter("ignore")  # they may quote a patient's data
    pipe.send_bytes(b"ready")
    while True:
        try:
            question = msgspec.msgpack.decode(pipe.recv_bytes(), type=_Question)
        except EOFError:
            return
        try:
            answer = msgspec.msgpack.encode(_answered(question))
        except MemoryError:
            answer = msgspec.msgpack.encode(_Answer(refusal="does not fit into memory"))
        pipe.send_bytes(answer)


def _kill_at_the_end_of(life: Connection, child: multiprocessing.process.BaseProcess) -> None:
    """Let the kernel kill the child once nobody can write to `life` any more: once this process has ended, in whatever
    way. The child keeps `life` open, or the kernel forgets it.

    Unlike PR_SET_PDEATHSIG this holds before the child has run a line, and does not take the end of the thread that
    started the child for the end of the process.
    """
    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(life.fileno(), fcntl.F_SETOWN, child.pid or 0)
        fcntl.fcntl(life.fileno(), fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(life.fileno(), fcntl.F_SETFL, fcntl.fcntl(life.fileno(), fcntl.F_GETFL) | os.O_ASYNC)


def _exit_at_the_end_of(life: Connection) -> None:
    """In the child, where the kernel does not do it: what decodes without letting other threads run is ended late."""
    with suppress(EOFError, OSError):
        life.recv_bytes()
    os._exit(1)


def _answered(question: _Question) -> _Answer:
    path = Path(question.path)
    if question.input is None:
        return _header(path, question.index + 1, question.further)
    decoded = decode(path, question.index, question.input)
    # A DICOM file's name may be a patient's: where no SOP Instance UID can be read, the digest that it lies under.
    name = decoded.name or (PREFIX + path.name if is_dicom(path) else "")
    if decoded.image is None:
        return _Answer(decoded.frames, name, decoded.lossy, decoded.refusal)
    return _Answer(decoded.frames, name, decoded.lossy, shape=decoded.image.shape, image=decoded.image.tobytes())


def _header(path: Path, frame: int, further: tuple[str, ...]) -> _Answer:
    try:
        study = read_study(open_header(path, (*STUDY, *further)), frame, further)
        if study.is_nobodys:
            return _Answer(refusal="without SOPInstanceUID, SeriesInstanceUID, PatientID and PatientName")
        return _Answer(header=study.header.to_json(), remarks=study.remarks)
    except Exception as error:  # pydicom raises many kinds on damaged files
        return _Answer(refusal=refusal_of(error))


def _limit(most_bytes: int) -> None:
    """Memory, core files and further processes; Windows has no such limits."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
