"""Verdicts as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import numpy as np
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from .verdict import ResultImage, Verdict

_STYLES = {"accepted": "green", "flagged": "yellow", "refused": "red"}


def print_table(verdicts: Sequence[Verdict], console: Console | None = None) -> None:
    """Print one row a verdict, the reasons below, and how many there are of each outcome."""
    console = console or Console(highlight=False)
    common = _common_words([result.name for verdict in verdicts for result in verdict.results])
    checks = dict.fromkeys(check.name for verdict in verdicts for check in verdict.checks)
    table = Table(
        Column("image", overflow="fold"),
        "outcome",
        Column("result", no_wrap=True),
        Column("\n".join(["p-value of", *checks]), no_wrap=True),
        show_lines=True,
        caption=_caption(verdicts, common),
    )
    for verdict in verdicts:
        table.add_row(
            Text(_where(verdict)),
            Text(verdict.outcome, style=_STYLES[verdict.outcome]),
            Text("\n".join(_measured(verdict, common))),
            Text("\n".join(f"{check.p_value:.2g}" for check in verdict.checks)),
        )
    console.print(table)
    for verdict in verdicts:
        for reason in verdict.reasons:
            line = Text(f"{_where(verdict)} {verdict.outcome}: {reason}", style=_STYLES[verdict.outcome])
            console.print(line, soft_wrap=True)
    counts = {outcome: sum(v.outcome == outcome for v in verdicts) for outcome in _STYLES}
    console.print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))


def _where(verdict: Verdict) -> str:
    return verdict.source if verdict.frame == 1 else f"{verdict.source} (frame {verdict.frame})"


def _measured(verdict: Verdict, common: str) -> list[str]:
    results = [f"{result.name.removeprefix(common)}: {result.text.split(',')[0]}" for result in verdict.results]
    results += [_measured_image(image, common) for image in verdict.result_images]
    best = sorted(verdict.probabilities, key=lambda p: p.probability, reverse=True)[:3]
    return results + [f"{p.name}: {100 * p.probability:.1f} %" for p in best]


def _measured_image(image: ResultImage, common: str) -> str:
    value, u = (np.frombuffer(data, "<f4") for data in (image.value, image.u))
    unit = "" if image.unit == "1" else f" {image.unit}"
    name = image.name.removeprefix(common)
    return f"{name}: {value.min():.3g} to {value.max():.3g}{unit},\n  median u {np.median(u):.2g}{unit}"


def _caption(verdicts: Sequence[Verdict], common: str) -> str | None:
    probabilities = {result.coverage_probability for verdict in verdicts for result in verdict.results}
    if not probabilities:
        return None
    covered = ", ".join(f"{100 * p:g} %" for p in sorted(probabilities))
    return f"{common}value ± expanded uncertainty U ({covered})"


def _common_words(names: Sequence[str]) -> str:
    """The words that all names begin with, which are said once, below the table."""
    if len(set(names)) < 2:
        return ""
    shared = takewhile(lambda words: len(set(words)) == 1, zip(*(name.split(" ") for name in names), strict=False))
    return "".join(f"{words[0]} " for words in shared)
