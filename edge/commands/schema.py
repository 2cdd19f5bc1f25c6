"""`fisherlens schema`: the JSON Schema of a verdict."""

from __future__ import annotations

import json

import click

from ..verdict import json_schema


@click.command()
def schema() -> None:
    """Print the JSON Schema of the records of `score --json`."""
    click.echo(json.dumps(json_schema(), indent=2))
