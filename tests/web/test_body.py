"""A long list of ids is read piece by piece, with the same outcome as in one go."""

from __future__ import annotations

import json
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ids, priority, deadline, _ = check_request(parse_request(text.encode(), limits), limits, 0.0)
    except InvalidRequest as error:
        return error.faults
    return list(ids), priority, deadline


def outcome_in_one_go(text: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(body, "LARGE", len(text) + 1)
        return outcome(text)


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
