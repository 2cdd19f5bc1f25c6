"""The service as its users run it: a process of its own, a folder, a configuration."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fisherlens.edge.service.configuration import StoreTable
from fisherlens.edge.service.store import Store

PATIENCE_SECONDS = 60.0


@dataclass
class Running:
    """One service in a folder: `inbox` is watched, `lines` is where verdicts are delivered. piped: its
    standard input and output are the test's."""

    folder: Path
    bundle: Path
    extra: str = ""
    store_table: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    piped: bool = False
    process: subprocess.Popen[bytes] | None = None

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox"

    @property
    def lines(self) -> Path:
        return self.folder / "verdicts.jsonl"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    def configure(self) -> Path:
        self.inbox.mkdir(exist_ok=True)
        path = self.folder / "service.toml"
        path.write_text(
            f"""
            [bundle]
            path = "{self.bundle}"
            [store]
            folder = "store"
            {self.store_table}
            [[source.folder]]
            path = "inbox"
            settle-seconds = 0.2
            every-seconds = 0.1
            [[destination.json-lines]]
            name = "file"
            path = "verdicts.jsonl"
            {self.extra}
            """
        )
        return path

    def start(self, fault: str | None = None) -> None:
        command = [sys.executable, "-m", "fisherlens.edge.commands.main", "serve", str(self.configure())]
        environment = {**os.environ, **self.environment, **({"FISHERLENS_FAULT": fault} if fault else {})}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stderr=log,
                stdin=subprocess.PIPE if self.piped else None,
                stdout=subprocess.PIPE if self.piped else log,
                process_group=0,
            )

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        """Look every 50 ms until `condition` holds; fail in words if it does not in time, or the service ends."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < end, f"{what} did not happen within {PATIENCE_SECONDS:g} s"
            assert self.process is None or self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)

    def is_stopped(self) -> bool:
        """Whether a fault point holds it."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def lines_read(self) -> list[dict]:
        """What was delivered so far, in lines that are whole."""
        found = []
        for line in self.lines.read_bytes().splitlines() if self.lines.is_file() else []:
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(with_signal)
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """Kill the service alone, and wait until none is left of the processes that it had started: the kernel takes
        its time to end one that is killed, and files are open until then."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        end = time.monotonic() + PATIENCE_SECONDS
        with suppress(ProcessLookupError):
            while True:
                os.killpg(self.process.pid, 0)
                assert time.monotonic() < end, "a process of the killed service goes on"
                time.sleep(0.01)

    def store(self) -> Store:
        """The store as the service left it, or has it now."""
        return Store(StoreTable(folder=self.folder / "store"))
