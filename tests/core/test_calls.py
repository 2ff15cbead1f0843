"""Which batches share a call, in figures; tests/contract/test_riders.py has the stores follow."""

from __future__ import annotations

import pytest

from app.core import Batch, BatchError, Call, Priority, Status, key_of, merged, parted
from app.core.calls import error_of, refused_together
from app.errors import InvalidResult, PermanentError, UpstreamError
from tests.support.queueing import settings

INGESTION = "0189d5a8-0000-8000-8000-000000000000"
BOOM = BatchError("RuntimeError", "boom")


def batch(*ids: int, position: int = 0, attempt: int = 1) -> Batch:
    return Batch(INGESTION, position, list(ids), Status.TRIGGERED, Priority.LOW, attempt)


def test_a_full_batch_looks_at_nothing() -> None:
    assert Call(settings(fill=True), batch(1, 2, 3)).looks == 0
    assert Call(settings(fill=True), batch(1, 2, 3, 4)).looks == 0, "it was cut by a larger BATCH_SIZE"


def test_looks_are_bounded_and_end_with_the_last_place() -> None:
    call = Call(settings(fill=True, batch_size=4), batch(1, 1))
    assert (call.free, call.looks) == (3, 11)
    assert not call.takes(batch(2, 3, 4, 5))
    assert call.takes(batch(2, 1))
    assert (call.free, call.looks) == (2, 9)
    assert call.takes(batch(3, 4))
    assert (call.free, call.looks) == (0, 0)


def test_a_last_attempt_takes_nobody_along() -> None:
    assert Call(settings(fill=True, max_attempts=2), batch(1, attempt=2)).looks == 0
    call = Call(settings(fill=True, max_attempts=2), batch(1))
    assert not call.takes(batch(2, attempt=2))


def test_each_batch_gets_the_answers_to_its_ids() -> None:
    parts = [(2, 1), (3, 2), (2, 2)]
    ids = merged(parts)
    assert ids == (2, 1, 3)
    assert [list(one) for one in parted(parts, ids, ["b", "a", BOOM])] == [["b", "a"], [BOOM, "b"], ["b", "b"]]
    assert [list(one) for one in parted(parts, ids, ())] == [[], [], []], "without data all are null"


def test_the_key_of_a_call_is_that_of_its_batches() -> None:
    first, second = batch(1), batch(2, position=1)
    assert key_of([first]) == first.id
    assert key_of([first, second]) == key_of([first, second._replace(attempt=3)])
    part = second._replace(asked=(1,))
    assert len({key_of(some) for some in ([first], [first, second], [second, first], [first, part])}) == 4


def test_a_refusal_is_told_in_as_many_characters_as_an_error_may_have() -> None:
    told = refused_together(BatchError("ValueError", "x" * 1990)).message
    assert len(told) == 2000
    assert told.startswith("the call it shared was refused; the next is its own: ValueError: xxx")


SAID = "answered 500 to GET /patients/alice-1,bob-2"
STATUS = "the upstream answered 500 to a call that other callers shared; the log says more of a-call"
NOTHING = "nothing came of a call that other callers shared; the log says more of a-call"


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (UpstreamError(SAID, status=500), ("UpstreamError", STATUS)),
        (InvalidResult(SAID, status=500), ("InvalidResult", STATUS)),
        (PermanentError(SAID), ("PermanentError", NOTHING)),
        (KeyError(SAID), ("KeyError", NOTHING)),
    ],
)
def test_what_may_be_about_ids_of_others_is_not_kept(error: Exception, kept: tuple[str, str]) -> None:
    for owners in ({"alice", "bob"}, {"alice", None}):
        assert error_of(error, owners, "a-call") == kept
    for one in ("alice", None):
        assert error_of(error, {one}, "a-call") == (type(error).__name__, str(error))
