"""A long list of ids is read piece by piece, with the same outcome as in one go."""

from __future__ import annotations

import json
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import Strings
from app.core.validation import check_request
from app.errors import InvalidRequest
from app.web import body
from app.web.body import parse_request
from tests.support.queueing import settings

MANY = 20_000
BODY = {"ids": list(range(1, MANY + 1)), "priority": "HIGH"}


def outcome(text: str, **changes: Any) -> Any:
    """What comes of a request: its ids, or its faults."""
    limits = settings(**changes)
    try:
        ids, priority, deadline, *_ = check_request(parse_request(text.encode(), limits), limits, 0.0)
    except InvalidRequest as error:
        return error.faults
    return list(ids), priority, deadline


def outcome_in_one_go(text: str, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(body, "LARGE", len(text) + 1)
        return outcome(text, **changes)


def test_many_ids_are_packed_without_the_whole_list() -> None:
    parsed = parse_request(json.dumps(BODY).encode(), settings())
    assert isinstance(parsed["ids"], array)
    assert list(parsed["ids"]) == BODY["ids"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f", {MANY}]", f", {MANY},]"),
        (f", {MANY}]", f", {MANY}, ]"),
        (f", {MANY}]", f", {MANY}"),
        ("[1, 2,", "[1,, 2,"),
        ("[1, 2,", "[true, 2,"),
        ("[1, 2,", "[0, 2,"),
        ("[1, 2,", "[1.0, 2,"),
        ("[1, 2,", "[[1], 2,"),
        ("[1, 2,", '["]", 2,'),
        ("[1, 2,", "[99999999999999999999, 2,"),
        ("9000,", "9000 9001,"),
        ("9000,", "NaN,"),
        ('"HIGH"', '"high"'),
        ('"HIGH"', '"HIGH", "ids": [1]'),
        ('"HIGH"', '"HIGH", "more": 1'),
        ('"priority": "HIGH"', '"priority": "LOW", "deadline": 60'),
        ("{", "[{"),
        ('{"ids"', '{"more": {"ids": [1]}, "ids"'),
        ('{"ids": [', '{"ids": [], "more": ['),
        ('{"ids": [', '{"priority": "LOW", "ids": ['),
    ],
)
def test_the_outcome_is_that_of_the_whole(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps(BODY)
    assert old in text
    changed = text.replace(old, new, 1)
    assert len(changed) > body.LARGE
    assert outcome(changed) == outcome_in_one_go(changed, monkeypatch)


@given(
    place=st.integers(0, 108_000), new=st.sampled_from(["", " ", ",", "]", "[", "1", "-", "}", '"', "\n", "e5", "null"])
)
def test_a_slip_anywhere_has_the_same_outcome(place: int, new: str) -> None:
    text = json.dumps(BODY)
    changed = text[:place] + new + text[place + 1 :]
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert outcome(changed) == outcome_in_one_go(changed, monkeypatch)


def test_too_many_ids_are_counted() -> None:
    assert "20000 members; at most 10000" in outcome(json.dumps(BODY), max_ids=10_000)[0].detail


WORDS = {"ids": [f"sku {number}, \u00fc" for number in range(1, 10_001)], "priority": "HIGH"}
"""Ids with commas, blanks and what JSON escapes."""


def test_many_strings_are_packed_without_the_whole_list() -> None:
    parsed = parse_request(json.dumps(WORDS).encode(), settings(id_type="string"))
    assert isinstance(parsed["ids"], Strings)
    assert list(parsed["ids"]) == WORDS["ids"]


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", " : "), (" ,\n", ":")])
@pytest.mark.parametrize("odd", ['",', '"', "\\", ",", '","', "]", "[", '"]', '\\",', "{", "x" * 200])
def test_ids_that_look_like_json_are_read_right(odd: str, separators: tuple[str, str]) -> None:
    ids = [*WORDS["ids"], odd] * 2
    text = json.dumps({"priority": "LOW", "ids": ids, "deadline": 60}, separators=separators)
    assert outcome(text, id_type="string")[0] == ids
    assert outcome(json.dumps({"ids": [odd] * 30_000, "priority": "LOW"}), id_type="string")[0] == [odd] * 30_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"]', '",]'),
        ('"]', '", ]'),
        ('"]', '", ""]'),
        ('"]', '", " a"]'),
        ('"]', '", "a\\n"]'),
        ('"]', '", 7]'),
        ('"]', '", null]'),
        ('"]', '", ["b"]]'),
        ('"]', '" "b"]'),
        ('"]', '", "b]'),
        ('"]', '", "\\ud800"]'),
        ('"]', f'", "{201 * "x"}"]'),
        ('["sku', '[["sku'),
        ('["sku', '["\t'),
        ('"HIGH"', '"HIGH", "ids": ["a"]'),
        ('"HIGH"', '"HIGH", "deadline": "]"'),
        ('{"ids"', '{"more": {"ids": ["a"]}, "ids"'),
        ('{"ids"', '{"priority": "\\"ids\\":[", "ids"'),
    ],
)
def test_of_strings_too_the_outcome_is_that_of_the_whole(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps(WORDS)
    assert old in text
    changed = text.replace(old, new, 1)
    expected = outcome_in_one_go(changed, monkeypatch, id_type="string")
    assert outcome(changed, id_type="string") == expected


@given(
    place=st.integers(0, 240_000),
    new=st.sampled_from(["", " ", ",", "]", "[", "1", "}", '"', '\\"', '",', "\\", "\n", "null"]),
)
def test_a_slip_anywhere_among_strings_has_the_same_outcome(place: int, new: str) -> None:
    text = json.dumps(WORDS)
    changed = text[:place] + new + text[place + 1 :]
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert outcome(changed, id_type="string") == outcome_in_one_go(changed, monkeypatch, id_type="string")
