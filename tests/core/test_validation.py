"""A submission is checked against its bounds, each to the last one that is allowed."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from app.core import Priority, check_priority, check_request, past_moment, printable
from app.errors import InvalidRequest
from tests.support.queueing import settings

NOW = 1_800_000_000.0
SECRET = "whsec_" + "A" * 32
DEADLINE = "deadline must be an RFC 3339 time with its offset, or seconds from now, not "


def checked(chosen: dict[str, Any] | None = None, **body: Any) -> tuple[list[Any], Priority, float | None]:
    ids, priority, deadline, *_ = check_request({"ids": [1], "priority": "LOW"} | body, settings(**chosen or {}), NOW)
    return [*ids], priority, deadline


def faults(chosen: dict[str, Any] | None = None, **body: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as refused:
        checked(chosen, **body)
    return {fault.pointer: fault.detail for fault in refused.value.faults}


def test_fresh_is_a_number_of_seconds_up_to_the_setting() -> None:
    chosen = settings(fresh=60)
    for fresh in (0, 60, 0.5):
        assert check_request({"ids": [1], "priority": "LOW", "fresh": fresh}, chosen, NOW)[-1] == fresh
    for wrong in (-1, 60.1, True, "1"):
        assert list(faults({"fresh": 60}, fresh=wrong)) == ["#/fresh"]
    assert list(faults(fresh=1)) == ["#/fresh"]


def test_a_move_names_a_priority_and_nothing_else() -> None:
    assert check_priority({"priority": "LOW"}) is Priority.LOW
    wrong: list[tuple[Any, list[str]]] = [
        ([], ["#"]),
        ({}, ["#/priority"]),
        ({"priority": "TOP"}, ["#/priority"]),
        ({"priority": "LOW", "a/b": 1}, ["#/a~1b"]),
    ]
    for body, pointers in wrong:
        with pytest.raises(InvalidRequest) as refused:
            check_priority(body)
        assert [fault.pointer for fault in refused.value.faults] == pointers


def test_what_a_program_hands_over_is_taken_as_it_is() -> None:
    assert check_request({"ids": array("q", [3]), "priority": Priority.HIGH}, settings(), NOW) == (
        array("q", [3]),
        Priority.HIGH,
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("deadline", "moment"),
    [
        (None, None),
        (10, NOW + 10),
        (0.25, NOW + 0.25),
        (9_999_999_999, NOW + 9_999_999_999),
        ("2027-01-15T08:00:10Z", NOW + 10),
        ("2027-01-15t09:00:10.5+01:00", NOW + 10.5),
    ],
)
def test_a_deadline_is_a_moment_or_seconds_from_now(deadline: Any, moment: float | None) -> None:
    assert checked(deadline=deadline) == ([1], Priority.LOW, moment)


@pytest.mark.parametrize(
    ("deadline", "told"),
    [(0, "0"), (1e10, "10000000000.0"), (True, "true"), ({}, "an object"), ("soon", 'the string "soon"')],
)
def test_any_other_deadline_is_quoted(deadline: Any, told: str) -> None:
    assert faults(deadline=deadline) == {"#/deadline": DEADLINE + told.removeprefix("the string ") + "."}


@pytest.mark.parametrize("ids", [[1, 5, 6], [6, 5, 1], [5, 1, -1], [-1, 1, 5]])
def test_one_id_outside_of_the_bounds_is_named_wherever_it_is(ids: list[int]) -> None:
    found = faults({"id_min": 0, "id_max": 5}, ids=ids)
    wrong = next(position for position, one in enumerate(ids) if not 0 <= one <= 5)
    assert found == {f"#/ids/{wrong}": f"ids[{wrong}] must be from 0 to 5, not {ids[wrong]}."}
    assert checked({"id_min": 0, "id_max": 5}, ids=[0, 5])[0] == [0, 5]


def test_ids_may_be_strings_instead() -> None:
    chosen = {"id_type": "string"}
    assert checked(chosen, ids=["a", "7"])[0] == ["a", "7"]
    assert faults(chosen, ids=["a", 7, " b", None]) == {
        "#/ids/1": "ids[1] must be a string, not 7.",
        "#/ids/2": "ids[2] must not begin or end with a blank.",
        "#/ids/3": "ids[3] must be a string, not null.",
    }
    assert faults(chosen, ids=[]) == {"#/ids": "ids is empty; at least one is needed."}
    assert list(faults(chosen, ids=["a", " b", "c\n"])) == ["#/ids/1", "#/ids/2"]
    assert faults(chosen, ids="a") == {"#/ids": 'ids must be an array of strings, not the string "a".'}
    assert faults(ids=["a"]) == {"#/ids/0": 'ids[0] must be an integer, not the string "a".'}


def test_a_hundred_wrong_ids_are_listed_and_the_rest_counted() -> None:
    assert list(faults(ids=[1, *[None] * 100])) == [f"#/ids/{position}" for position in range(1, 101)]
    found = faults(ids=[None] * 101)
    assert len(found) == 101
    assert found["#/ids"] == "1 more members of ids are wrong as well."


def test_a_hundred_unknown_members_are_listed_and_the_rest_counted() -> None:
    assert "#" not in faults(**{f"member{number}": 1 for number in range(100)})
    found = faults(**{f"member{number}": 1 for number in range(101)})
    assert len(found) == 101
    assert found["#"] == "1 more members are not known either."


@pytest.mark.parametrize(
    ("priority", "told"),
    [
        ("x" * 60, '"' + "x" * 60 + '"'),
        ("x" * 61, '"' + "x" * 60 + '\\u2026"'),
        (2**128 - 1, str(2**128 - 1)),
        (2**128, "a far greater number"),
        (1 - 2**128, str(1 - 2**128)),
        (-(2**128), "a far smaller number"),
        (False, "false"),
        ((1,), "tuple"),
    ],
)
def test_what_is_wrong_is_quoted_up_to_a_length(priority: Any, told: str) -> None:
    assert faults(priority=priority) == {"#/priority": f"priority must be HIGH, MEDIUM or LOW, not {told}."}


def test_the_name_of_an_unknown_member_is_shortened_in_its_pointer() -> None:
    assert list(faults(**{"x" * 200: 1, "y" * 201: 1})) == ["#/" + "x" * 200, "#/" + "y" * 200]


def test_a_callback_may_name_the_hosts_that_are_allowed() -> None:
    url, chosen = "https://hooks.example.org/in", settings(webhook_hosts="hooks.example.org", webhook_secret=SECRET)
    body = {"ids": [1], "priority": "LOW"}
    assert check_request(body | {"callback": url}, chosen, NOW)[3] == url
    assert check_request(body | {"callback": None}, chosen, NOW)[3] is None
    assert check_request(body | {"callback": None}, settings(), NOW)[3] is None


@pytest.mark.parametrize(
    ("hosts", "callback", "why"),
    [
        ("", "https://hooks.example.org/in", "callback is refused: WEBHOOK_HOSTS, the hosts it may name, is not set."),
        (
            "hooks.example.org",
            "https://example.org/in",
            'callback cannot be told: "example.org" is not among the hosts of WEBHOOK_HOSTS.',
        ),
        ("hooks.example.org", 7, "callback cannot be told: it must be a URL, not 7."),
        ("hooks.example.org", "ftp://a", "callback cannot be told: it must start with http:// or https://."),
    ],
)
def test_any_other_callback_is_refused(hosts: str, callback: Any, why: str) -> None:
    assert faults({"webhook_hosts": hosts, "webhook_secret": SECRET}, callback=callback) == {"#/callback": why}


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (0, NOW),
        (90.5, NOW - 90.5),
        (1e10, None),
        (-1, None),
        (True, None),
        ("2027-01-15T07:59:50Z", NOW - 10),
        ("yesterday", None),
        ("2027-01-15T08:00:00", None),
        (None, None),
        ([1], None),
    ],
)
def test_a_past_moment_is_a_time_or_seconds_ago(value: Any, moment: float | None) -> None:
    assert past_moment(value, NOW) == moment


def test_control_characters_are_shown_as_escapes() -> None:
    assert printable("a\nb\x1b[31m ü\u202e") == "a\\nb\\x1b[31m ü\\u202e"
