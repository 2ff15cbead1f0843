"""What was sent, as a message repeats it."""

from __future__ import annotations

from typing import Any

import pytest

from app.core import plural, printable, shown
from app.core.quoting import as_sent, kind_of, tenths


def test_a_text_is_quoted_up_to_sixty_characters() -> None:
    assert shown("x" * 60) == f'"{"x" * 60}"'
    assert shown("x" * 61) == f'"{"x" * 60}\\u2026"'
    assert shown('a"\né') == r'"a\"\n\u00e9"'


def test_only_what_can_be_printed_is_left_as_it_is() -> None:
    assert printable("é €\t\x1b[31m\x9b'") == r"é €\t\x1b[31m\x9b'"


@pytest.mark.parametrize(
    ("count", "one", "told"),
    [(0, "batch", "0 batches"), (1, "batch", "1 batch"), (2, "attempt", "2 attempts"), (1, "attempt", "1 attempt")],
)
def test_one_is_no_plural(count: int, one: str, told: str) -> None:
    assert plural(count, one) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.0, "0.0"), (0.01, "0.1"), (0.1 + 0.2, "0.3"), (19.5, "19.5"), (20.001, "20.1")]
)
def test_what_is_too_long_never_reads_as_if_it_were_not(seconds: float, told: str) -> None:
    assert tenths(seconds) == told


def test_what_is_too_long_by_rounding_is_not() -> None:
    assert tenths(5.00004) == "5.0"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (-2.5, "-2.5"),
        (2**128 - 1, str(2**128 - 1)),
        (2**128, "a far greater number"),
        (-(2**128), "a far smaller number"),
        ({}, "an object"),
        ([1], "an array"),
        (b"x", "bytes"),
    ],
)
def test_a_value_is_told_by_its_kind(value: Any, told: str) -> None:
    assert kind_of(value) == as_sent(value) == told


def test_a_text_is_told_to_be_one_where_that_is_the_fault() -> None:
    assert (kind_of("7"), as_sent("7")) == ('the string "7"', '"7"')
