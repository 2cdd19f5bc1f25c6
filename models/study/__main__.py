"""Study a network: `python -m fisherlens.models.study radiograph --data chest --weights members.pt --out DIR`."""

from __future__ import annotations

from pathlib import Path

import click

from .rivals.library import LibraryMissing
from .sets import Numbers
from .sources import Sources
from .study import study
from .subject import SubjectMissing
from .subjects import SUBJECTS, of_subject


@click.command()
@of_subject
@click.option("--images", default=200, show_default=True, help="Recognised images that are attacked and altered.")
@click.option("--usual", default=1000, show_default=True, help="Evaluation images that false alarms are counted on.")
@click.option("--calibration", default=4000, show_default=True, help="Calibration images: half fit, half count.")
@click.option("--choosing", default=100, show_default=True, help="Images that are altered to choose settings.")
@click.option("--runs", default=60, show_default=True, help="Runs that a cost is the median of.")
def main(
    subject: str, data: Path | None, weights: Path, out: Path,
    images: int, usual: int, calibration: int, choosing: int, runs: int,
) -> None:  # fmt: skip
    """Write OUT/SUBJECT.md and OUT/SUBJECT.png: what checks and rivals detect, and what they cost.

    Attacked images, bundles and scores are kept in OUT: a second run makes what is missing. Delete a bundle to have it
    exported and its scores made again.
    """
    out.mkdir(parents=True, exist_ok=True)
    try:
        made = SUBJECTS[subject](Sources(data, weights, calibration))
        study(made, Numbers(usual, images, choosing), runs, out)
    except (SubjectMissing, LibraryMissing) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{out / (subject + '.md')}, {out / (subject + '.png')}")


if __name__ == "__main__":
    main()
