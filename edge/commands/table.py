"""Verdicts as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..verdict import Verdict

_STYLES = {"accepted": "green", "flagged": "yellow", "refused": "red"}


def print_table(verdicts: Sequence[Verdict], console: Console | None = None) -> None:
    """Print one row a verdict, and how many of each outcome."""
    table = Table("image", "outcome", "result", "p-values", "reason", show_lines=True)
    for verdict in verdicts:
        source = verdict.source if verdict.frame == 1 else f"{verdict.source} (frame {verdict.frame})"
        table.add_row(
            Text(source, overflow="fold"),
            Text(verdict.outcome, style=_STYLES[verdict.outcome]),
            Text(_measured(verdict)),
            Text("\n".join(f"{check.name} {check.p_value:.2g}" for check in verdict.checks)),
            Text("\n".join(verdict.reasons)),
        )
    console = console or Console()
    console.print(table)
    counts = {outcome: sum(v.outcome == outcome for v in verdicts) for outcome in _STYLES}
    console.print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))


def _measured(verdict: Verdict) -> str:
    lines = [f"{result.name}: {result.text}" for result in verdict.results]
    best = sorted(verdict.probabilities, key=lambda p: p.probability, reverse=True)[:3]
    return "\n".join(lines + [f"{p.name}: {100 * p.probability:.1f} %" for p in best])
