"""Character sets: the bytes of a text in a DICOM header become Unicode (PS3.5 6.1 and annex H to K, PS3.3 C.12.1.1.2).

Headers name their sets in ways that the standard does not know, leave them out, or have bytes that do not belong to
them. Whatever cannot be read as it is declared is told beside the text.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_CODECS = {
    "6": "ascii", "100": "latin_1", "101": "iso8859_2", "109": "iso8859_3", "110": "iso8859_4", "144": "iso8859_5",
    "127": "iso8859_6", "126": "iso8859_7", "138": "iso8859_8", "148": "iso8859_9", "203": "iso8859_15",
    "166": "iso8859_11", "13": "shift_jis", "87": "iso2022_jp_2", "159": "iso2022_jp_2", "149": "cp949",
    "58": "gb18030", "192": "utf_8",
}  # fmt: skip
"""Python's codecs by the numbers of ISO's register, of the defined terms ISO_IR n and ISO 2022 IR n;
of Korean and Chinese sets those with all that the sets have and more."""
_TERM = re.compile(r"(?:ISO)?[ _-]*(?:2022)?[ _-]*IR[ _-]*(\d{1,3})", re.IGNORECASE)
_ESCAPE = re.compile(rb"\x1b[\x20-\x2f]*[\x30-\x7e]")
_ESCAPED = {
    b"\x1b-A": "latin_1", b"\x1b-B": "iso8859_2", b"\x1b-C": "iso8859_3", b"\x1b-D": "iso8859_4",
    b"\x1b-L": "iso8859_5", b"\x1b-G": "iso8859_6", b"\x1b-F": "iso8859_7", b"\x1b-H": "iso8859_8",
    b"\x1b-M": "iso8859_9", b"\x1b-b": "iso8859_15", b"\x1b-T": "iso8859_11", b"\x1b)I": "shift_jis",
    b"\x1b$)C": "cp949", b"\x1b$)A": "gb18030",
}  # fmt: skip
"""Escape sequences for the upper half of the code table, G1 (PS3.3 tables C.12-3 and C.12-4)."""
_WIDE = (b"\x1b$B", b"\x1b$@", b"\x1b$(D")
"""Those that put two bytes for a character into the lower half, G0."""
_NARROW = (b"\x1b(B", b"\x1b(J")
"""Those that put ASCII, or its Japanese variant, back there."""
_DELIMITERS = re.compile(rb"([\r\n\f\t\\^=])")
"""Bytes after which the first character set is valid again (PS3.5 6.1.2.5.3)."""
GUESSED, REPLACED = "read in a character set that is not declared", "bytes that no declared character set has"


@dataclass(frozen=True)
class Text:
    """A text in Unicode. remarks: what had to be guessed, or was lost; empty for a header as it should be."""

    text: str
    remarks: tuple[str, ...] = ()


def codecs_of(declared: bytes) -> tuple[str, ...]:
    """Give Python's codecs for a Specific Character Set, in its order; the first is the one that texts begin with.
    What nobody knows is left out. Nothing declared is ASCII."""
    found = [_codec_of(term) for term in declared.decode("ascii", "replace").strip("\0 ").split("\\")]
    return tuple(codec for codec in found if codec) or ("ascii",)


def decode(value: bytes, declared: tuple[str, ...]) -> Text:
    """Decode a text in the character sets that `codecs_of` gave."""
    if b"\x1b" in value:
        return _escaped(value, declared)
    return _plain(value, declared)


def _codec_of(term: str) -> str | None:
    term = term.strip("\0 ")
    if not term:
        return "ascii"
    if number := _TERM.fullmatch(term):
        return _CODECS.get(number[1].lstrip("0"))
    if term.upper().replace("ISO 2022 ", "") in ("GBK", "GB18030", "GB2312"):
        return "gb18030"
    try:
        codec = codecs.lookup(re.sub(r"[\s-]+", "_", term))
    except (LookupError, ValueError):
        return None
    return codec.name if codec._is_text_encoding else None


def _plain(value: bytes, declared: tuple[str, ...]) -> Text:
    """Without escape sequences: in the first set; else, where that is ASCII, in whichever of the others has it."""
    for codec in declared if declared[0] == "ascii" else declared[:1]:
        text = _strictly(value, codec)
        if text is not None:
            return Text(text)
    if declared[0] != "ascii":
        return Text(value.decode(declared[0], "replace"), (REPLACED,))
    text = _strictly(value, "utf_8")
    return Text(value.decode("latin_1") if text is None else text, (GUESSED,))


def _strictly(value: bytes, codec: str) -> str | None:
    try:
        return value.decode(codec)
    except UnicodeDecodeError:
        return None


def _escaped(value: bytes, declared: tuple[str, ...]) -> Text:
    """With escape sequences, which are followed whether or not they are declared."""
    runs = _ESCAPE.split(value)
    escapes = [b"", *_ESCAPE.findall(value)]
    upper, wide = declared[0], b""
    found: list[str] = []
    remarks: set[str] = set()
    for escape, run in zip(escapes, runs, strict=True):
        if escape in _ESCAPED:
            upper = _ESCAPED[escape]
        elif escape in (*_WIDE, *_NARROW):
            wide = escape if escape in _WIDE else b""
        elif escape:
            remarks.add(REPLACED)
        if wide:
            text = Text((wide + run).decode("iso2022_jp_2", "replace"))
            remarks |= {REPLACED} if "\ufffd" in text.text else set()
            found.append(text.text)
        else:
            pieces, upper = _run(run, upper, declared)
            found += [piece.text for piece in pieces]
            remarks |= {remark for piece in pieces for remark in piece.remarks}
    return Text("".join(found), tuple(sorted(remarks)))


def _run(run: bytes, upper: str, declared: tuple[str, ...]) -> tuple[list[Text], str]:
    """Decode up to the next escape sequence. A delimiter ends what `upper` stands for; but a first set that has no
    upper half leaves no doubt what bytes of it mean."""
    pieces = []
    for piece in _DELIMITERS.split(run):
        pieces.append(_plain(piece, (upper,) if upper != "ascii" else declared))
        if _DELIMITERS.fullmatch(piece) and declared[0] != "ascii":
            upper = declared[0]
    return pieces, upper
