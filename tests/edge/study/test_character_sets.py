"""Text in any character set becomes Unicode. The oracles are Python's codecs and the examples of PS3.5."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fisherlens.edge.study.character_sets import GUESSED, REPLACED, codecs_of, decode

HONG = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"
YAMADA = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"
YAMADA_OF_13 = b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J"
ZHANG = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="


@pytest.mark.parametrize(
    ("declared", "value", "expected"),
    [
        (rb"\ISO 2022 IR 149", HONG, "Hong^Gildong=洪^吉洞=홍^길동"),
        (rb"\ISO 2022 IR 87", YAMADA, "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (rb"ISO 2022 IR 13\ISO 2022 IR 87", YAMADA_OF_13, "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        (rb"\ISO 2022 IR 58", ZHANG, "Zhang^XiaoDong=张^小东="),
        (rb"ISO 2022 IR 58", ZHANG, "Zhang^XiaoDong=张^小东="),
        (rb"ISO 2022 IR 6\ISO 2022 IR 149 ", HONG, "Hong^Gildong=洪^吉洞=홍^길동"),
        (b"ISO_IR 192", "Wang^XiaoDong=王^小东".encode(), "Wang^XiaoDong=王^小东"),
        (b"GB18030", "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
        (b"GBK", "Wang^XiaoDong=王^小东".encode("gbk"), "Wang^XiaoDong=王^小东"),
        (rb"ISO 2022 IR 100\ISO 2022 IR 144", "Müller^".encode("latin_1") + b"\x1b-L\xb8\xd2", "Müller^Ив"),
    ],
)  # fmt: skip
def test_names_are_read_as_the_standards_examples_have_them(declared: bytes, value: bytes, expected: str) -> None:
    assert decode(value, codecs_of(declared)).text == expected
    assert decode(value, codecs_of(declared)).remarks == ()


@pytest.mark.parametrize(
    ("number", "codec", "name"),
    [
        (100, "latin_1", "Müller^Jörg"), (101, "iso8859_2", "Žluťoučký^Kůň"), (109, "iso8859_3", "Ġużè"),
        (110, "iso8859_4", "Ķēniņš"), (144, "iso8859_5", "Люкceмбypг"), (127, "iso8859_6", "قباني^لنزار"),
        (126, "iso8859_7", "Διονυσιος"), (138, "iso8859_8", "שרון^דבורה"), (148, "iso8859_9", "Çavuşoğlu"),
        (203, "iso8859_15", "Œuvré^€"), (166, "iso8859_11", "นามสกุล"), (13, "shift_jis", "ﾔﾏﾀﾞ"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "spelling", ["ISO_IR {}", "ISO 2022 IR {}", "iso_ir {}", "ISO-IR {}", "ISO IR {}", "ISOIR{}", " ISO_IR_{} \0"]
)
def test_single_byte_sets_are_known_however_they_are_spelt(number: int, codec: str, name: str, spelling: str) -> None:
    found = decode(name.encode(codec), codecs_of(spelling.format(number).encode()))
    assert found.text == name
    assert not found.remarks


@pytest.mark.parametrize(
    ("declared", "codec", "name"),
    [(b"UTF-8", "utf-8", "王"), (b"utf8", "utf-8", "王"), (b"LATIN1", "latin_1", "Ö"), 
     (b"ISO 8859-2", "iso8859_2", "Ž"),
     (b"Shift_JIS", "shift_jis", "山田"), (b"windows-1251", "cp1251", "Иван"), (b"EUC-KR", "euc_kr", "홍")],
)  # fmt: skip
def test_sets_by_names_of_others_are_known(declared: bytes, codec: str, name: str) -> None:
    assert decode(name.encode(codec), codecs_of(declared)).text == name


@pytest.mark.parametrize("declared", [b"", b" ", b"ISO_IR 6", b"nonsense", b"ISO_IR 999", b"\xff\xfe"])
def test_what_nobody_declared_is_guessed_and_told(declared: bytes) -> None:
    for codec in ("utf_8", "latin_1"):
        found = decode("Müller".encode(codec), codecs_of(declared))
        assert found.text == "Müller"
        assert found.remarks == (GUESSED,)
    assert decode(b"Doe", codecs_of(declared)).remarks == ()


def test_korean_without_its_escape_sequences_is_read_by_the_set_that_is_declared() -> None:
    assert decode("홍^길동".encode("euc_kr"), codecs_of(rb"\ISO 2022 IR 149")).text == "홍^길동"


def test_an_escape_sequence_is_followed_across_a_delimiter_where_nothing_else_has_such_bytes() -> None:
    assert decode(b"=\x1b$)C\xfb\xf3^\xd1\xce\xd4\xd7", codecs_of(rb"\ISO 2022 IR 149")).text == "=洪^吉洞"


@pytest.mark.parametrize(
    ("declared", "value"),
    [(b"ISO_IR 192", "Müller".encode("latin_1")), (rb"\ISO 2022 IR 87", b"\x1b$B\x21"), (b"", b"a\x1b%Xb")],
)
def test_bytes_that_no_set_has_are_replaced_and_told(declared: bytes, value: bytes) -> None:
    found = decode(value, codecs_of(declared))
    assert REPLACED in found.remarks


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_are_some_text(declared: bytes, value: bytes) -> None:
    found = decode(value, codecs_of(declared))
    found.text.encode("utf_8")


@given(st.text(max_size=40))
def test_utf_8_is_read_as_it_was_written(text: str) -> None:
    plain = text.encode("utf_8", "ignore").decode().replace("\x1b", "")
    assert decode(plain.encode(), codecs_of(b"ISO_IR 192")).text == plain
