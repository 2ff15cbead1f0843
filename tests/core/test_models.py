"""The basic types."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.models import Batch, BatchError, Counts, Ingestion, Priority, Status, batch_count, batch_id, roll_up


def test_the_weights_are_in_order_of_urgency() -> None:
    assert sorted(Priority) == [Priority.HIGH, Priority.MEDIUM, Priority.LOW]
    assert [int(priority) for priority in sorted(Priority)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        (Counts(yet_to_start=1), "yet_to_start"),
        (Counts(yet_to_start=9), "yet_to_start"),
        (Counts(triggered=1), "triggered"),
        (Counts(yet_to_start=1, triggered=1), "triggered"),
        (Counts(yet_to_start=1, completed=1), "triggered"),
        (Counts(yet_to_start=1, failed=1), "triggered"),
        (Counts(yet_to_start=1, cancelled=1), "triggered"),
        (Counts(triggered=1, completed=1, failed=1, cancelled=1), "triggered"),
        (Counts(completed=3), "completed"),
        (Counts(completed=3, failed=1), "failed"),
        (Counts(failed=1), "failed"),
        (Counts(cancelled=1), "cancelled"),
        (Counts(completed=3, cancelled=1), "cancelled"),
        (Counts(failed=3, cancelled=1), "cancelled"),
        (Counts(completed=1, failed=1, cancelled=1), "cancelled"),
    ],
)
def test_the_roll_up(counts: Counts, status: str) -> None:
    assert roll_up(counts) == status
    assert Ingestion("id", 1, Priority.LOW, 0.0, 9, 3, counts).status == status


@given(st.builds(Counts, *[st.integers(0, 3)] * 5).filter(any))
def test_the_roll_up_is_final_with_its_last_batch(counts: Counts) -> None:
    assert roll_up(counts).final == (counts.unfinished == 0)


def test_only_the_first_two_are_not_final() -> None:
    assert [status.value for status in Status if not status.final] == ["yet_to_start", "triggered"]


@pytest.mark.parametrize(("ids", "size", "count"), [(1, 3, 1), (3, 3, 1), (4, 3, 2), (5, 1, 5), (10**6, 10**4, 100)])
def test_into_how_many_batches_ids_are_cut(ids: int, size: int, count: int) -> None:
    assert batch_count(ids, size) == count
    assert Ingestion("id", 1, Priority.LOW, 0.0, ids, size, Counts()).batch_count == count


@given(st.uuids(version=4), st.integers(0, 10**9))
def test_a_batch_id_is_a_uuid_of_version_8(ingestion: uuid.UUID, position: int) -> None:
    text = batch_id(str(ingestion), position)
    made = uuid.UUID(text)
    assert str(made) == text
    assert (made.version, made.variant) == (8, uuid.RFC_4122)


@given(st.uuids(version=4))
def test_no_two_batches_share_an_id(ingestion: uuid.UUID) -> None:
    ids = {batch_id(str(ingestion), position) for position in range(500)}
    assert len(ids) == 500
    assert str(ingestion) not in ids


def test_the_last_node_is_followed_by_the_first() -> None:
    assert batch_id("12345678-1234-4234-9234-ffffffffffff", 0) == "12345678-1234-8234-9234-000000000000"


def test_a_batch_knows_its_id() -> None:
    batch = Batch(str(uuid.UUID(int=0, version=4)), 4, [1], Status.TRIGGERED, Priority.LOW)
    assert batch.id == "00000000-0000-8000-8000-000000000005"
    assert (batch.attempt, batch.asked, batch.alone) == (0, (), False)


def test_an_error_keeps_its_type_and_the_beginning_of_its_message() -> None:
    assert BatchError.of(ValueError("no such id")) == ("ValueError", "no such id")
    assert len(BatchError.of(ValueError("x" * 10**6)).message) == 2000


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("it cannot even be said")


def test_an_error_that_cannot_be_said_is_still_one() -> None:
    assert BatchError.of(SpeechlessError()) == ("SpeechlessError", "its message cannot be had: RuntimeError")
