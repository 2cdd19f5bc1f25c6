"""What a run of the protocol found: criteria with what was measured, and what its report shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from fisherlens.edge.verdict import Verdict

from .session import Frame


@dataclass(frozen=True)
class Criterion:
    """One thing that must hold. part: of the protocol. subject: that was tested, as the fault. measured, limit: as
    they are told."""

    part: str
    subject: str
    name: str
    measured: str
    limit: str
    passed: bool


@dataclass(frozen=True)
class Day:
    """One point of the control chart."""

    day: int
    value: float
    U: float
    outcome: str
    condition: str


@dataclass(frozen=True)
class Example:
    """A flagged image that the report shows with its map."""

    frame: Frame
    verdict: Verdict


@dataclass
class Evidence:
    """Collected by all tests of a run. identity: of what was tested."""

    identity: dict[str, str] = field(default_factory=dict)
    criteria: list[Criterion] = field(default_factory=list)
    not_tested: list[tuple[str, str]] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    deadline: float | None = None
    measurand: str = ""
    days: list[Day] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)

    def judge(self, part: str, subject: str, name: str, measured: object, limit: object, passed: bool) -> None:
        """Note whether something holds. A test that noted something that does not hold fails when it ends."""
        self.criteria.append(Criterion(part, subject, name, str(measured), str(limit), bool(passed)))

    def judge_none(self, part: str, subject: str, name: str, found: Sequence[str]) -> None:
        """Note that there is none of something; what there is, is told."""
        measured = "none" if not found else f"{len(found)}: {'; '.join(found[:3])}"
        self.judge(part, subject, f"none {name}", measured, "none", not found)

    def as_json(self) -> dict[str, Any]:
        """Everything but pictures, for machines."""
        return {
            "criteria": [asdict(criterion) for criterion in self.criteria],
            "not_tested": [{"test": test, "reason": reason} for test, reason in self.not_tested],
            "deadline": {"seconds": self.deadline, "latencies_seconds": self.latencies},
            "constancy": {"measurand": self.measurand, "days": [asdict(day) for day in self.days]},
            "flagged": [example.frame.identity for example in self.examples],
        }
