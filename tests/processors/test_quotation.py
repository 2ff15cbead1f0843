"""What is kept secret of what an upstream repeats, however it writes it."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from functools import reduce
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.processors.http.quotation import Quotation

KEY = "s3cr3t/t+k n&99=="

WAYS: list[Callable[[str], str]] = [
    str,
    str.upper,
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: json.dumps(text).replace("/", "\\/"),  # PHP
    lambda text: json.dumps(text).replace("&", "\\u0026").replace("/", "\\u002F"),  # Go, and PHP on request
    quote,
    quote_plus,
    lambda text: quote(text, safe=""),
    lambda text: quote(text, safe="").lower(),
    lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    html.escape,
    lambda text: "".join(f"&#{ord(one)};" for one in text),
    lambda text: "".join(f"&#x{ord(one):x};" for one in text),
]
"""How an upstream may write what it was sent."""


@pytest.mark.parametrize("way", WAYS)
def test_however_a_key_is_written_it_is_masked(way: Callable[[str], str]) -> None:
    shown = Quotation([KEY])(f"no such key: {way(KEY)}!")
    assert shown.replace('"', "") == "no such key: ***!"


LATIN = st.characters(codec="latin-1", exclude_categories=["C", "Z"], exclude_characters="ß")  # in capitals, it is SS


@given(
    st.text(LATIN, min_size=6, max_size=50).filter(lambda key: key == key.strip("\\")),  # at an end it may stay
    st.lists(st.sampled_from(WAYS), max_size=3),
)
def test_so_is_any_key_and_one_that_is_written_in_several_ways(key: str, ways: list[Callable[[str], str]]) -> None:
    written = reduce(lambda text, way: way(text), ways, key)
    shown = Quotation([key]).masked(written)
    assert shown.count("***") == 1, written
    assert len(shown) <= 3 + 2 * len(reduce(lambda text, way: way(text), ways, "")), "but for quotes"


@pytest.mark.parametrize("key", ["00\\000", "%41%42", "&lt;ab"])
def test_so_is_one_that_would_be_read_as_a_shorter_word(key: str) -> None:
    assert Quotation([key, "\\" * 6])(f"no such key: {key}!") == "no such key: ***!"


@pytest.mark.parametrize(
    "header",
    [
        'Token token="s3cr3ttoken99"',
        "Bearer s3cr3ttoken99",
        "s3cr3ttoken99",
        "key=s3cr3ttoken99, other=1",
        "Digest username='joe', response='s3cr3ttoken99'",
        "session=1; auth=s3cr3ttoken99",
        "Basic am9lOnMzY3IzdHRva2VuOTk=",
    ],
)
def test_each_word_of_a_header_is_masked_by_itself(header: str) -> None:
    assert Quotation([header])("unknown token s3cr3ttoken99 of joe") == "unknown token *** of joe"


def test_a_short_word_is_not_and_nothing_is_without_secrets() -> None:
    assert Quotation(["Token abcde"])("Token abcde or abcde") == "*** or abcde"
    assert Quotation([])("abc  def") == Quotation(["", "short"])("abc\n def") == "abc def"


def test_what_is_shown_is_short_and_no_secret_is_cut_off() -> None:
    key = "k3y" * 3000
    assert Quotation([key])(f"{key} and {'x' * 300}") == f"*** and {'x' * 192}…"
    quoted = Quotation(["s3cr3t"])
    assert quoted(" " * 100 + "x" * 197 + "s3cr3t") == "x" * 197 + "***"
    assert quoted.masked("x" * 20_000 + "s3cr3t") == "x" * 20_000 + "***"


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("Bearer k3y-of-ours", "Missing Bearer token"),
        ("active", "record 4711 is inactive"),
    ],
)
def test_words_of_a_language_stay(secret: str, said: str) -> None:
    quoted = Quotation([secret])
    assert quoted(said) == said
    assert quoted(f"not {secret}!") == "not ***!"
