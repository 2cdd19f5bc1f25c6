"""`fisherlens serve`: the service."""

from __future__ import annotations

import logging
import signal
import sys
import time
from pathlib import Path

import click

from ..errors import EdgeError
from ..service.service import Service
from ..service.systemd import notify

STOP_SECONDS = 20.0
_LOOK_SECONDS = 0.5

EXIT_BROKEN = 1


@click.command()
@click.argument("configuration", type=click.Path(path_type=Path))
def serve(configuration: Path) -> None:
    """Run the service that CONFIGURATION (TOML) describes, until SIGTERM or SIGINT.

    SIGHUP takes up a new bundle. Exit code: 0 stopped as asked, 1 a part of the service broke, 2 the configuration
    cannot be used.
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    asked: set[signal.Signals] = set()
    for wanted in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(wanted, lambda number, _: asked.add(signal.Signals(number)))
    try:
        service = Service(configuration)
        service.start()
    except (EdgeError, OSError) as refusal:
        raise click.UsageError(str(refusal)) from refusal
    notify("READY=1")
    while not asked & {signal.SIGTERM, signal.SIGINT}:
        if signal.SIGHUP in asked:
            asked.remove(signal.SIGHUP)
            service.reload()
        if not service.is_alive():
            logging.error("ending all of the service: %s", ", ".join(service.troubles()))
            service.stop(STOP_SECONDS)
            sys.exit(EXIT_BROKEN)
        notify("WATCHDOG=1", f"STATUS={', '.join(service.troubles()) or 'running'}")
        time.sleep(_LOOK_SECONDS)
    notify("STOPPING=1")
    service.stop(STOP_SECONDS)
