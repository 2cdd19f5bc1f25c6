"""`fisherlens compare`: what a new bundle changes, before it goes onto devices."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console

from fisherlens.edge.errors import EdgeError
from fisherlens.edge.maps.picture import as_png, coloured_map
from fisherlens.edge.pages import inline, png, write_page
from fisherlens.edge.storage import write_whole
from fisherlens.edge.verdict import CompactMap

from .differences import SIDES, Comparer, Comparison
from .records import OUTCOMES

EXIT_BEYOND = 1
PAGE, RESULT = "compare.html", "compare.json"
_COLOURS = dict(zip(SIDES, ("C0", "C1"), strict=True))
_MOST_DEVICES = 6


class Limit(NamedTuple):
    """A limit on what may change: the value that was found, the largest that is allowed, and whether it is met."""

    name: str
    value: float
    most: float
    met: bool


@click.command("compare")
@click.argument("folder_a", metavar="DIR_A", type=click.Path(path_type=Path))
@click.argument("folder_b", metavar="DIR_B", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("comparison"), show_default=True,
              help="Folder of the report and of its JSON.")  # fmt: skip
@click.option("--max-flips", type=click.FloatRange(0, 1), help="Largest share of verdicts whose outcome may change.")
@click.option("--max-en", type=click.FloatRange(min=0), help="Largest normalised error |E_n| of any result.")
@click.option("--examples", default=12, show_default=True, help="Flipped verdicts that the report shows.")
def compare_command(
    folder_a: Path, folder_b: Path, out: Path, max_flips: float | None, max_en: float | None, examples: int
) -> None:
    """Compare the records in DIR_A with those in DIR_B, which rescore made of the same images.

    Exit code: 0 within the limits, 1 beyond one, 2 wrong usage.
    """
    try:
        comparer = Comparer(folder_a, folder_b)
        with Console(stderr=True).status("compare"):
            found = comparer.compare(examples)
        limits = _limits(found, max_flips, max_en)
        out.mkdir(parents=True, exist_ok=True)
        _write(out, comparer, found, limits)
    except EdgeError as refusal:
        raise click.UsageError(str(refusal)) from refusal
    except OSError as error:
        raise click.UsageError(f"{error.filename or out}: {error.strerror}") from error
    click.echo(f"{found.images} images: {found.flips} verdicts flip, largest |E_n| {found.largest_en:.3g}")
    click.echo(out / PAGE)
    for limit in limits:
        click.echo(f"{limit.name}: {limit.value:.4g}, at most {limit.most:g}: {'met' if limit.met else 'not met'}")
    sys.exit(0 if all(limit.met for limit in limits) else EXIT_BEYOND)


def _limits(found: Comparison, max_flips: float | None, max_en: float | None) -> list[Limit]:
    asked = (("share of flips", found.flip_share, max_flips), ("largest |E_n|", found.largest_en, max_en))
    return [Limit(name, value, most, value <= most) for name, value, most in asked if most is not None]


def _write(out: Path, comparer: Comparer, found: Comparison, limits: list[Limit]) -> None:
    held = {limit.name: {"found": limit.value, "at most": limit.most, "met": limit.met} for limit in limits}
    write_whole(out / RESULT, msgspec.json.format(msgspec.json.encode({"limits": held, "comparison": found})))
    examples = []
    for flip in found.examples:
        maps = comparer.maps(flip)
        examples.append((flip, _map(maps.a), _map(maps.b)))
    write_page(
        out / PAGE,
        Path(__file__).with_name(PAGE),
        c=found,
        limits=limits,
        outcomes=OUTCOMES,
        shifts_picture=_shifts(found) if found.shifts else None,
        checks_picture=_checks(found) if found.checks else None,
        periods_picture=_periods(found) if found.periods else None,
        examples=examples,
    )


def _map(compact: CompactMap | None) -> str | None:
    if compact is None:
        return None
    coloured = coloured_map(compact)
    scale = max(1, 380 // max(coloured.shape[:2]))
    return inline(as_png(coloured.repeat(scale, axis=0).repeat(scale, axis=1)))


def _shifts(found: Comparison) -> str:
    count = len(found.shifts)
    figure = Figure(figsize=(min(2.6 * count, 13), 2.6), layout="constrained")
    for axes, shift in zip(np.atleast_1d(figure.subplots(1, count)), found.shifts, strict=True):
        edges = np.linspace(-2, 2, len(shift.histogram) + 1)
        axes.stairs(shift.histogram, edges, fill=True)
        axes.set_title(shift.name, fontsize=8)
        axes.set_xlabel("$E_n$")
    return inline(png(figure))


def _checks(found: Comparison) -> str:
    names = list(dict.fromkeys(use.name for use in found.checks))
    figure = Figure(figsize=(min(4.2 * len(names), 13), 2.8), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        for use in found.checks:
            if use.name == name:
                total = max(1, sum(use.p_values))
                heights = np.array(use.p_values) / total * len(use.p_values)
                edges = np.linspace(0, 1, len(heights) + 1)
                axes.stairs(heights, edges, color=_COLOURS[use.side], label=use.side.upper())
        axes.axhline(1.0, color="0.5", lw=1)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("p-value")
        axes.legend(fontsize=8)
    return inline(png(figure))


def _periods(found: Comparison) -> str:
    devices = sorted(
        dict.fromkeys(period.device for period in found.periods),
        key=lambda device: -sum(period.images for period in found.periods if period.device == device),
    )[:_MOST_DEVICES]
    months = sorted({period.month for period in found.periods})
    figure = Figure(figsize=(11, 2.6 * len(devices)), layout="constrained")
    panels = np.atleast_2d(figure.subplots(len(devices), 2, squeeze=False))
    for (share, value), device in zip(panels, devices, strict=True):
        own = [period for period in found.periods if period.device == device]
        places = [months.index(period.month) for period in own]
        for i, side in enumerate(SIDES):
            style = {"marker": "o", "ms": 3, "color": _COLOURS[side], "label": side.upper()}
            share.plot(places, [100 * period.flagged[i] for period in own], **style)
            value.plot(places, [np.nan if (v := period.value[i]) is None else v for period in own], **style)
        share.set_ylabel("flagged / %")
        value.set_ylabel(f"mean of\n{found.shifts[0].name}" if found.shifts else "")
        for axes in (share, value):
            axes.set_title(device, fontsize=9)
            axes.set_xticks(range(len(months)), months, rotation=45, fontsize=7)
            axes.legend(fontsize=8)
    return inline(png(figure))
