"""An ingestion as JSON."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import Counts, Ingestion, Priority, ingestion_document, timestamp
from tests.support.clock import START

LAST = "9999-12-31T23:59:59.999Z"


@given(st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)))
def test_a_time_is_told_to_the_millisecond(moment: datetime) -> None:
    whole = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert timestamp(whole.timestamp()) == f"{whole:%Y-%m-%dT%H:%M:%S}.{whole.microsecond // 1000:03d}Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, None),
        (0.0, "1970-01-01T00:00:00.000Z"),
        (START + 61.0006, "2027-01-15T08:01:01.001Z"),
        (253_402_300_799.999, LAST),
        (253_402_300_800.0, LAST),
        (1e300, LAST),
    ],
)
def test_a_time_is_rounded_and_there_is_a_last_one(seconds: float | None, text: str | None) -> None:
    assert timestamp(seconds) == text


def test_its_owner_is_told_where_it_has_one() -> None:
    ingestion = Ingestion("id", 1, Priority.LOW, START, 4, 3, Counts(completed=2), START + 1, START + 2.5)
    document = {
        "ingestion_id": "id",
        "status": "completed",
        "priority": "LOW",
        "id_count": 4,
        "batch_count": 2,
        "counts": {"yet_to_start": 0, "triggered": 0, "completed": 2, "failed": 0, "cancelled": 0},
        "created_at": "2027-01-15T08:00:00.000Z",
        "started_at": "2027-01-15T08:00:01.000Z",
        "finished_at": "2027-01-15T08:00:02.500Z",
    }
    assert ingestion_document(ingestion) == document
    assert ingestion_document(ingestion._replace(owner="me")) == document | {"owner": "me"}
