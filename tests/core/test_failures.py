"""Which failures a filter takes."""

from __future__ import annotations

from typing import Any

import pytest

from app.core import BatchError, Failure, FailureFilter, Priority, group_of

BOOM = BatchError("ValueError", "boom")
FAILURE = Failure((50.0, 7, 2), "12345678-1234-4234-9234-123456789abc", Priority.LOW, "web", BOOM)


@pytest.mark.parametrize(
    ("where", "taken"),
    [
        ({}, True),
        ({"priority": Priority.LOW}, True),
        ({"priority": Priority.HIGH}, False),
        ({"owner": "web"}, True),
        ({"owner": "cli"}, False),
        ({"since": 50.0}, True),
        ({"since": 50.1}, False),
        ({"until": 50.0}, True),
        ({"until": 49.9}, False),
        ({"group": group_of(BOOM).id}, True),
        ({"group": "another"}, False),
    ],
)
def test_each_part_of_a_filter_counts(where: dict[str, Any], taken: bool) -> None:
    assert FailureFilter(**where).takes(FAILURE) == taken
