"""A request to redrive or cancel all that match is checked, and every fault of it is named."""

from __future__ import annotations

from typing import Any

import pytest

from app.core import Counts, Ingestion, Priority, Status, SweepFilter, check_sweep, steps
from app.errors import InvalidRequest

NOW = 1_800_000_000.0


def faults(body: Any, verb: str = "redrive") -> list[str]:
    with pytest.raises(InvalidRequest) as refused:
        check_sweep(verb, body, NOW)
    return [fault.pointer for fault in refused.value.faults]


def test_each_member_is_a_part_of_the_filter() -> None:
    body = {"status": "failed", "priority": "LOW", "owner": "web", "group": "g", "since": 60, "until": 0}
    where = SweepFilter(Status.FAILED, Priority.LOW, "web", "g", NOW - 60, NOW)
    assert check_sweep("redrive", body, NOW) == (where, False)
    assert check_sweep("redrive", body | {"dry_run": True}, NOW) == (where, True)
    assert check_sweep("cancel", {"failed": True}, NOW) == (SweepFilter(failed=True), False)
    assert check_sweep("cancel", {"status": "triggered"}, NOW) == (SweepFilter(Status.TRIGGERED), False)
    assert check_sweep("cancel", {"until": "2027-01-15T08:00:00Z"}, NOW) == (SweepFilter(until=NOW), False)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ([], ["#"]),
        ({}, ["#"]),
        ({"dry_run": True}, ["#"]),
        ({"a/b~c": 1}, ["#/a~1b~0c"]),
        ({"owner": "web", "dry_run": 1}, ["#/dry_run"]),
        ({"owner": 1, "group": None}, ["#/owner", "#/group"]),
        ({"status": "lost", "priority": 1}, ["#/status", "#/priority"]),
        ({"failed": False}, ["#/failed"]),
        ({"failed": "true"}, ["#/failed"]),
        ({"since": "yesterday", "until": -1}, ["#/since", "#/until"]),
    ],
)
def test_what_is_none_is_refused_by_name(body: Any, pointers: list[str]) -> None:
    assert faults(body) == pointers


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_what_is_final_cannot_be_cancelled(status: str) -> None:
    assert faults({"status": status}, "cancel") == ["#/status"]


def test_a_sweep_takes_what_has_not_ended_or_failed_unless_it_is_cancelled() -> None:
    told = [
        Counts(3),
        Counts(1, 0, 1),
        Counts(0, 1, 0, 1),
        Counts(completed=3),
        Counts(failed=3),
        Counts(0, 1, 0, 1, 1),
    ]
    listed = [Ingestion(str(nth), 9 - nth, Priority.LOW, NOW, 9, 3, counts) for nth, counts in enumerate(told)]

    def taken(verb: str) -> list[str]:
        found = steps(verb, SweepFilter(owner="web"), lambda *_, **__: listed, lambda _: iter(()))
        return [one.id for some, _ in found for one in some]

    assert taken("cancel") == ["0", "1", "2"]
    assert taken("redrive") == ["2", "4"]
