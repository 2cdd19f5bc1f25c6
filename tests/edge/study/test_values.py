"""Values are what PS3.5 6.2 allows, made so where nothing is lost, else left out."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fisherlens.edge.study.values import offset_from_utc, one_of, valid


@pytest.mark.parametrize(
    ("representation", "text", "expected"),
    [
        ("DA", "20260102", "20260102"), ("DA", "2026-01-02", "20260102"), ("DA", "2026.01.02", "20260102"),
        ("DA", "2026/01/02", "20260102"), ("DA", " 20260102\0", "20260102"), ("DA", "19700000", ""),
        ("DA", "20260230", ""), ("DA", "99999999", ""), ("DA", "2026-0102", ""), ("DA", "02.01.2026", ""),
        ("DA", "20260102101112", ""), ("DA", "20260101-20260102", ""), ("DA", "２０２６０１０２", ""),
        ("DA", "today", ""),
        ("TM", "101112", "101112"), ("TM", "10:11:12", "101112"), ("TM", "10:11", "1011"), ("TM", "10", "10"),
        ("TM", "101112.123456", "101112.123456"), ("TM", "101112.1234567", "101112.123456"),
        ("TM", "10:11:12.5", "101112.5"), ("TM", "101112+0100", "101112"), ("TM", "101112.5 Z", "101112.5"),
        ("TM", "250000", ""), ("TM", "1061", ""), ("TM", "noon", ""), ("TM", "1", ""),
        ("SH", "A" * 16, "A" * 16), ("SH", "A" * 26, ""), ("SH", "A\\B", ""), ("SH", " A ", "A"),
        ("LO", "Ž" * 64, "Ž" * 64), ("LO", "Ž" * 65, ""), ("LO", "A\r\nB", "A B"), ("LO", "A\x00B\x1b", "A B"),
        ("PN", "Doe^\r\nJane", "Doe^ Jane"), ("PN", "A" * 70, "A" * 64), ("PN", "a^b^c^d^e^f", "a^b^c^d^e"),
        ("PN", "a=b=c=d", "a=b=c"), ("PN", "=山田", "=山田"), ("PN", "A\\B", ""),
        ("UI", "1.2.840.10008", "1.2.840.10008"), ("UI", "1.2.3\0", "1.2.3"), ("UI", "1.02.3", ""), ("UI", "1..2", ""),
        ("UI", "<script>", ""), ("UI", "1." + "2" * 63, ""), ("UI", "1.2.", ""), ("UI", "1.２", ""),
        ("CS", "yes", "YES"), ("CS", "A-B", ""), ("IS", "3", "3"), ("IS", "1A", ""), ("IS", "1.5", ""),
        ("IS", "99999999999", ""), ("DS", "0.1", "0.1"), ("DS", "0,1", ""), ("DS", "inf", ""),
        ("DS", "0.12345678901234567", "0.123456789"),
    ],
)  # fmt: skip
def test_a_value_is_made_valid_or_left_out(representation: str, text: str, expected: str) -> None:
    made = valid(representation, text)
    assert made.text == expected
    assert bool(made.remark) == (not expected or (expected != text.strip("\0 ") and representation != "DS"))
    assert text not in made.remark


@pytest.mark.parametrize(
    ("text", "expected"),
    [("F", "F"), ("f ", "F"), ("female", "F"), ("Male", "M"), ("W", ""), ("X", ""), ("U", ""), ("F\\M", ""), ("", "")],
)
def test_a_patients_sex_is_one_of_its_three_letters(text: str, expected: str) -> None:
    made = one_of(("M", "F", "O"), text)
    assert made.text == expected
    assert bool(made.remark) == (text.strip() != expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("+0100", "+0100"), ("-0330", "-0330"), ("+01:00", "+0100"), ("-0000", "+0000"), ("Z", "+0000"), ("+1500", ""),
     ("CET", ""), ("", "")],
)  # fmt: skip
def test_an_offset_is_as_the_standard_writes_it(text: str, expected: str) -> None:
    assert offset_from_utc(text).text == expected


PATTERNS = {
    "DA": r"(\d{8})?",
    "TM": r"(\d\d){0,3}(\.\d{1,6})?",
    "UI": r"([0-9.]{3,64})?",
    "SH": r"[^\\]{0,16}",
    "LO": r"[^\\]{0,64}",
    "CS": r"[A-Z0-9_ ]{0,16}",
    "IS": r"([+-]?\d{1,11})?",
    "PN": r"[^\\=]{0,64}(=[^\\=]{0,64}){0,2}",
    "DS": r"[^\\]{0,16}",
}


@pytest.mark.parametrize("representation", PATTERNS)
@given(text=st.text(max_size=200))
def test_whatever_comes_in_is_valid_when_it_goes_out_and_stays_as_it_is(representation: str, text: str) -> None:
    made = valid(representation, text).text
    assert re.fullmatch(PATTERNS[representation], made, re.ASCII)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", made)
    made.encode("utf_8")
    assert valid(representation, made).text == made
