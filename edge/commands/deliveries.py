"""`fisherlens deliveries`: what could not be delivered, and what an operator does about it."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ..errors import EdgeError
from ..service.configuration import read_configuration
from ..service.store import Store
from ..service.store.outbox import Outbox


@click.group()
def deliveries() -> None:
    """Verdicts that a destination does not take: list them, give one up, take it up again.

    The service may run meanwhile. It gives nothing up by itself.
    """


@deliveries.command("list")
@click.argument("configuration", type=click.Path(path_type=Path))
def list_(configuration: Path) -> None:
    """List deliveries that failed, and those that were given up."""
    table = Table(box=None)
    for column in ("verdict", "of", "destination", "state", "attempts"):
        table.add_column(column, no_wrap=True)
    table.add_column("last error", overflow="fold", min_width=20)
    found = _outbox(configuration).undelivered()
    for one in found:
        table.add_row(one.verdict, one.created, one.destination, one.state, str(one.attempts), one.error or "")
    console = Console(highlight=False, width=max(160, Console().width))
    console.print(table if found else "every delivery succeeded, or has not been tried yet")


@deliveries.command()
@click.argument("configuration", type=click.Path(path_type=Path))
@click.argument("verdict")
@click.argument("destination")
def abandon(configuration: Path, verdict: str, destination: str) -> None:
    """Give the delivery of VERDICT to DESTINATION up. The verdict itself stays in the store."""
    if not _outbox(configuration).abandon(verdict, destination):
        raise click.UsageError(f"verdict {verdict!r} is not to be delivered to {destination!r}")
    click.echo(f"{verdict} is not delivered to {destination} any more")


@deliveries.command("take-up")
@click.argument("configuration", type=click.Path(path_type=Path))
@click.argument("verdict")
@click.argument("destination")
def take_up(configuration: Path, verdict: str, destination: str) -> None:
    """Deliver VERDICT to DESTINATION after all."""
    if not _outbox(configuration).take_up(verdict, destination):
        raise click.UsageError(f"the delivery of verdict {verdict!r} to {destination!r} was not given up")
    click.echo(f"{verdict} is delivered to {destination} again")


def _outbox(configuration: Path) -> Outbox:
    try:
        return Store(read_configuration(configuration).store).outbox
    except EdgeError as refusal:
        raise click.UsageError(str(refusal)) from refusal
