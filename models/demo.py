"""`fisherlens demo`: a reference model at work."""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path

import click

MODELS = ("mammography", "form")


@click.command()
@click.argument("model", type=click.Choice(MODELS), default=MODELS[0])
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-report"),
    show_default=True,
    help="Folder for the images and the report.",
)
def demo(model: str, output: Path) -> None:
    """Simulate measurements, score them, and write a report.

    mammography (the default): an acceptance test of a simulated X-ray system, usual acquisitions over a
    range of dose, a degraded detector, an adversarial perturbation, and an image that is no phantom.

    form: an asphere's topography by a simulated interferometer, usual measurements and such as the
    networks have not seen.
    """
    start = time.perf_counter()
    report = import_module(f".{model}.demo", __package__).run(output)
    click.echo(f"report: {report} ({time.perf_counter() - start:.0f} s)")
