"""What the rig's books say of a service, held against defects that are put into them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fisherlens.edge.verdict import BundleReference, Result, Verdict

from .audit import Sent, account, normalised_errors
from .session import Frame
from .verdict_lines import Told, VerdictLines

TRUTH = 1.0
U = 0.1


def frame(number: int) -> Frame:
    return Frame(Path(f"{number}.dcm"), f"1.2.{number}", "sha256:0", "a frame", truth=(TRUTH,))


def told(number: int, identifier: str, value: float = TRUTH, outcome: str = "accepted", bundle: str = "b") -> Told:
    result = Result(
        name="a", unit="1", value=value, u_aleatoric=0, u_epistemic=0, u_input=0, u=U / 2, coverage_factor=2,
        coverage_probability=0.95, U=U, low=0, high=0, text="",
    )  # fmt: skip
    verdict = Verdict(
        schema=3, outcome=outcome, reasons=[], source=f"1.2.{number}", frame=1, input_digest=None,  # type: ignore[arg-type]
        bundle=BundleReference(name="n", version="1", digest=bundle), software="", created="", results=[result],
        result_images=[], probabilities=[], entropy=None, mutual_information=None, class_image=None, checks=[],
        map=None,
    )  # fmt: skip
    return Told(identifier, verdict, 0.0)


FATES = st.sampled_from(["well", "lost", "doubled", "wrong", "flagged and wrong", "delivered again", "not taken"])


@settings(deadline=None)
@given(fates=st.lists(FATES, max_size=20))
def test_what_is_lost_doubled_or_wrong_is_found_and_nothing_else(fates: list[str]) -> None:
    lines = []
    for number, fate in enumerate(fates):
        if fate in ("lost", "not taken"):
            continue
        value = TRUTH + (3 * U if "wrong" in fate else 0)
        outcome = "flagged" if "flagged" in fate else "accepted"
        lines.append(told(number, f"{number}", value, outcome))
        if fate == "doubled":
            lines.append(told(number, f"{number} again"))
        if fate == "delivered again":
            lines.append(told(number, f"{number}"))
    sent = [Sent(frame(number), fate != "not taken", 0.0) for number, fate in enumerate(fates)]
    found = account(sent, lines, lambda frame, verdict: "")

    def of(*wanted: str) -> list[str]:
        return [f"1.2.{number}" for number, fate in enumerate(fates) if fate in wanted]

    assert found.lost == of("lost")
    assert found.doubled == of("doubled")
    assert [line.partition(":")[0] for line in found.silent] == of("wrong")
    assert found.sent == len(fates)
    assert found.acknowledged == len(fates) - len(of("not taken"))
    assert not found.strangers


def test_another_bundles_verdict_is_no_double_and_a_stranger_is_told() -> None:
    sent = [Sent(frame(0), True, 0.0)]
    found = account(sent, [told(0, "a"), told(0, "b", bundle="c"), told(9, "d")], lambda frame, verdict: "")
    assert not found.doubled
    assert found.strangers == ["1.2.9"]


def test_a_verdict_that_differs_is_told_in_words() -> None:
    found = account([Sent(frame(0), True, 0.0)], [told(0, "a")], lambda frame, verdict: "value 2, expected 1")
    assert found.different == ["1.2.0: value 2, expected 1"]


def test_normalised_errors_are_those_of_iso_13528() -> None:
    assert normalised_errors(frame(0), told(0, "a", TRUTH - 0.05).verdict) == pytest.approx([0.5])


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_lines_are_read_whole_however_they_come(cuts: list[int]) -> None:
    records = b"".join(
        msgspec.json.encode({"id": str(number), "verdict": told(number, "").verdict}) + b"\n" for number in range(3)
    )
    lines = VerdictLines()
    for end in [*sorted(cuts), len(records)]:
        lines.take(records[lines.offset : end])
    assert [line.id for line in lines.told] == ["0", "1", "2"]
