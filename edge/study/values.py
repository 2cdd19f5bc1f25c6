"""Values as their value representation has them (PS3.5 6.2): lengths, characters, dates that there are.

What can be written rightly without a loss is; what cannot is left out, since an identifier cut to its length is another
one. Names are the exception: they are cut, which no one takes for someone else's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Value:
    """A value as it may be written, empty where there is none. remark: what was done to it, empty for nothing."""

    text: str
    remark: str = ""


LEFT_OUT = "left out"
_LONGEST = {"CS": 16, "SH": 16, "LO": 64, "PN": 64, "UI": 64, "IS": 12, "DS": 16}
"""Characters of a value; of a person's name in each of its three groups."""
_CODE_STRING = re.compile(r"[A-Z0-9_ ]*")
_UID = re.compile(r"[0-2](\.(0|[1-9]\d*))+")
_DATE = re.compile(r"(\d{4})([-./]?)(\d\d)\2(\d\d)")
_TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)?\s*(Z|[+-]\d\d:?\d\d)?")
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
_NOT_PRINTED = ("Cc", "Cn", "Cs", "Zl", "Zp")
"""Unicode's categories of controls, noncharacters, surrogates and line separators."""
_WORDS = {"MALE": "M", "FEMALE": "F", "OTHER": "O"}
"""English words that say the same as DICOM's letters."""


def valid(representation: str, text: str) -> Value:
    """Make a text valid in its value representation. An unknown one has no rules here."""
    return _RULES.get(representation, _long_string)(text.strip("\0 "))


def one_of(allowed: tuple[str, ...], text: str) -> Value:
    """Make a text one of the defined terms of its attribute, which are code strings."""
    found = valid("CS", text).text
    found = _WORDS.get(found, found) if "M" in allowed else found
    if found in allowed or not text.strip("\0 "):
        return Value(found, "" if found == text.strip("\0 ") else "written as its defined term")
    return Value("", f"{LEFT_OUT}, not one of {', '.join(allowed)}")


def offset_from_utc(text: str) -> Value:
    """Make a text a Timezone Offset From UTC, &ZZXX from -1200 to +1400."""
    text = text.strip("\0 ")
    found = _OFFSET.fullmatch("+0000" if text == "Z" else text)
    if found and int(found[3]) < 60 and -1200 <= int(f"{found[1]}{found[2]}{found[3]}") <= 1400:
        return Value(f"{found[1]}{found[2]}{found[3]}".replace("-0000", "+0000"))
    return Value("", f"{LEFT_OUT}, no offset as &ZZXX" if text else "")


def _printable(text: str) -> Value:
    """Put spaces in the place of control characters and of what no encoding has."""
    plain = "".join(" " if unicodedata.category(char) in _NOT_PRINTED else char for char in text)
    return Value(text) if plain == text else Value(" ".join(plain.split()), "control characters left out")


def _string(longest: int) -> Callable[[str], Value]:
    def made(text: str) -> Value:
        if "\\" in text:
            return Value("", f"{LEFT_OUT}, more than one value")
        value = _printable(text)
        if len(value.text) > longest:
            return Value("", f"{LEFT_OUT}, longer than {longest} characters")
        return value

    return made


_long_string = _string(_LONGEST["LO"])


def _person_name(text: str) -> Value:
    """Up to three groups (alphabetic, ideographic, phonetic) of up to five components."""
    if "\\" in text:
        return Value("", f"{LEFT_OUT}, more than one value")
    value = _printable(text)
    groups = value.text.split("=")
    made = "=".join(_name_group(group) for group in groups[:3]).rstrip("= ")
    cut = any(len(group) > _LONGEST["PN"] or group.count("^") > 4 for group in groups) or len(groups) > 3
    return Value(made, "; ".join(filter(None, (value.remark, "shortened" if cut else ""))))


def _name_group(text: str) -> str:
    return "^".join(text.split("^")[:5])[: _LONGEST["PN"]].strip()


def _code_string(text: str) -> Value:
    upper = text.upper()
    if not _CODE_STRING.fullmatch(upper) or len(upper) > _LONGEST["CS"]:
        return Value("", f"{LEFT_OUT}, no code string")
    return Value(upper, "" if upper == text else "written in capitals")


def _uid(text: str) -> Value:
    if text and not (_UID.fullmatch(text) and text.isascii() and len(text) <= _LONGEST["UI"]):
        return Value("", f"{LEFT_OUT}, no valid UID")
    return Value(text)


def _date(text: str) -> Value:
    if not text:
        return Value("")
    found = _DATE.fullmatch(text)
    try:
        made = date(int(found[1]), int(found[3]), int(found[4])).strftime("%Y%m%d").rjust(8, "0") if found else ""
    except ValueError:
        made = ""
    if not made or not text.isascii():
        return Value("", f"{LEFT_OUT}, no date")
    return Value(made, "" if made == text else "written without separators")


def _time(text: str) -> Value:
    if not text:
        return Value("")
    found = _TIME.fullmatch(text)
    if not found or not text.isascii() or int(found[1]) > 23 or int(found[2] or 0) > 59 or int(found[3] or 0) > 59:
        return Value("", f"{LEFT_OUT}, no time of day")
    made = "".join(part or "" for part in found.group(1, 2, 3)) + (f".{found[4][:6]}" if found[4] else "")
    if found[5]:
        return Value(made, "offset from UTC left out")
    return Value(made, "" if made == text else "written without separators")


def _decimal(text: str) -> Value:
    try:
        number = float(text) if text else 0.0
    except ValueError:
        number = float("nan")
    if not abs(number) < float("inf") or "_" in text or not text.isascii():
        return Value("", f"{LEFT_OUT}, no number")
    return Value(text if len(text) <= _LONGEST["DS"] else f"{number:.9g}"[: _LONGEST["DS"]])


def _integer(text: str) -> Value:
    if text and not (re.fullmatch(r"[+-]?\d{1,11}", text) and text.isascii() and abs(int(text)) < 2**31):
        return Value("", f"{LEFT_OUT}, no whole number")
    return Value(text)


_RULES: dict[str, Callable[[str], Value]] = {
    "CS": _code_string,
    "DA": _date,
    "DS": _decimal,
    "IS": _integer,
    "LO": _long_string,
    "PN": _person_name,
    "SH": _string(_LONGEST["SH"]),
    "TM": _time,
    "UI": _uid,
    "US": _integer,
}
"""By value representation."""
