"""Which characters ids and names may hold."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest

from app.core import UNPRINTABLE, name_fault, string_fault

REFUSED = re.compile(f"[{UNPRINTABLE}]")


def test_they_are_described_as_they_are_refused_each_of_them() -> None:
    for character in map(chr, range(sys.maxunicode + 1)):
        is_half = "\ud800" <= character <= "\udfff"
        refused = bool(REFUSED.fullmatch(character)) or is_half
        assert (name_fault(character) is not None) == refused, ascii(character)
        assert (string_fault(f"a{character}b") is not None) == refused, ascii(character)


def test_refused_is_what_controls_formats_or_separates_in_the_first_plane() -> None:
    of_unicode = [
        one
        for one in map(chr, range(0x10000))
        if unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp", "Zs") and one != " "
    ]
    assert REFUSED.findall("".join(map(chr, range(0x10000)))) == of_unicode


@pytest.mark.parametrize("text", ["a b", "\U0001fae8", "\ue000", "\u0378", "\U000e0067"])
def test_what_a_version_of_unicode_does_not_know_may_be_a_character(text: str) -> None:
    assert name_fault(text) is None
    assert string_fault(text) is None


@pytest.mark.parametrize(("text", "at"), [("\x7fab", 1), ("ab\u200b", 3), ("a\U0001fae8\u2028", 3)])
def test_an_id_says_which_of_its_characters_is_wrong(text: str, at: int) -> None:
    assert string_fault(text) == f"must be printable, but its character {at} is U+{ord(text[at - 1]):04X}."
