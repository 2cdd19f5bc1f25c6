"""`fisherlens serve`: the service."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import warnings
from pathlib import Path

import click

from ..errors import EdgeError
from ..service.service import Service
from ..service.systemd import notify

STOP_SECONDS = 20.0
_LOOK_SECONDS = 0.5

EXIT_BROKEN = 1


def _log_what_is_ours() -> None:
    """Log to standard error. Of libraries only errors, and of those that read DICOM nothing: what they say may quote
    a patient's data, and what matters of it is said by us."""
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(levelname)s %(message)s")
    logging.getLogger("fisherlens").setLevel(logging.INFO)
    for library in ("pydicom", "pynetdicom", "highdicom"):
        logging.getLogger(library).addHandler(logging.NullHandler())
        logging.getLogger(library).propagate = False
    warnings.simplefilter("ignore")


class _Asked:
    """The requests that came by signal."""

    def __init__(self) -> None:
        self.to_stop = self.to_reload = False
        self._event = threading.Event()
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):  # Windows has no SIGHUP: a new bundle needs a restart there
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._take)

    def wait(self, seconds: float) -> None:
        """Wait until something is asked for, but no longer than `seconds`."""
        self._event.wait(seconds)
        self._event.clear()

    def _take(self, number: int, _: object) -> None:
        if signal.Signals(number).name == "SIGHUP":
            self.to_reload = True
        else:
            self.to_stop = True
        self._event.set()


@click.command()
@click.argument("configuration", type=click.Path(path_type=Path))
def serve(configuration: Path) -> None:
    """Run the service that CONFIGURATION (TOML) describes, until SIGTERM or SIGINT.

    SIGHUP takes up a new bundle. Exit code: 0 stopped as asked, 1 a part of the service broke, 2 the configuration
    cannot be used.
    """
    _log_what_is_ours()
    asked = _Asked()
    try:
        service = Service(configuration)
        service.start()
    except (EdgeError, OSError) as refusal:
        raise click.UsageError(str(refusal)) from refusal
    notify("READY=1")
    while not asked.to_stop:
        if asked.to_reload:
            asked.to_reload = False
            service.reload()
        if not service.is_alive():
            logging.getLogger("fisherlens").error("ending all of the service: %s", ", ".join(service.troubles()))
            service.stop(STOP_SECONDS)
            sys.exit(EXIT_BROKEN)
        service.store.look_again()
        notify("WATCHDOG=1", f"STATUS={', '.join(service.troubles()) or 'running'}")
        asked.wait(_LOOK_SECONDS)
    notify("STOPPING=1")
    service.stop(STOP_SECONDS)
