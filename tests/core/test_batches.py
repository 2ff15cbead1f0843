"""A page of batches, as objects and as JSON text."""

from __future__ import annotations

import json
import uuid
from array import array
from itertools import accumulate
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.core import timestamp
from app.core.batches import NEW, RUNNING, Batches
from app.core.models import Batch, BatchError, Priority, Status, batch_id
from app.web.status import status_page

ERROR = BatchError("ValueError", 'no "such" city\n')
LAST_DIGITS = ("000000000000", "fffffffffff8", "ffffffffffff")
"""Possible ends of an ingestion's id: the number in its batches' ids wraps around after 48 bits."""


@st.composite
def stretches(draw: st.DrawFn) -> Batches:
    size, first = draw(st.integers(1, 4)), draw(st.integers(0, 5))
    # Long runs of equal states, as a queue produces them.
    states = b"".join(bytes([state]) * count for state, count in draw(_RUNS))
    short = draw(st.integers(0, size - 1)) if states else 0
    ids = array("q", range(1, len(states) * size + 1 - short))
    gaps = draw(st.lists(st.integers(1, 3), min_size=len(states), max_size=len(states)))
    places = draw(st.sampled_from([range(first, first + len(states)), list(accumulate(gaps, initial=first))[:-1]]))
    positions = st.sampled_from(places or [first])
    attempts = draw(st.dictionaries(positions, st.integers(0, 5), max_size=3)) if states else {}
    errors = draw(st.dictionaries(positions, st.just(ERROR), max_size=3)) if states else {}
    dues = draw(st.dictionaries(positions, TIMES, max_size=3)) if states else {}
    ever = draw(st.integers(0, len(states)))
    started, finished = (array("d", draw(st.lists(TIMES, min_size=ever, max_size=ever))) for _ in range(2))
    ingestion_id = str(uuid.UUID(int=draw(st.integers(0, 2**128 - 1)), version=4))[:24] + draw(
        st.sampled_from(LAST_DIGITS)
    )
    # What has ended without a known time was ended by version 0.1.0; what never started has none.
    states = bytes(state if nth < ever else 0 for nth, state in enumerate(states))
    return Batches(
        ingestion_id,
        Priority.LOW,
        size,
        places,
        ids,
        states,
        started,
        finished,
        attempts=attempts,
        errors=errors,
        dues=dues,
        cancelled=draw(st.booleans()),
    )


TIMES = st.sampled_from([0.0, 1_800_000_000.0, 1_800_000_059.9996, 1_800_000_123.25])
_RUNS = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 30)), max_size=6)


LOOKS = st.builds(
    lambda states, started, finished, attempts, errors, dues, cancelled: Batches(
        "8d0b2a4e-1c3f-4a5b-9c7d-000000000000",
        Priority.LOW,
        1,
        range(2),
        array("q", [7, 8]),
        bytes(states),
        array("d", started),
        array("d", finished),
        attempts=attempts,
        errors=errors,
        dues=dues,
        cancelled=cancelled,
    ),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    st.tuples(TIMES, TIMES),
    st.tuples(TIMES, TIMES),
    st.dictionaries(st.integers(0, 1), st.integers(2, 3)),
    st.dictionaries(st.integers(0, 1), st.sampled_from([ERROR, ERROR._replace(message="2")])),
    st.dictionaries(st.integers(0, 1), TIMES),
    st.booleans(),
)
"""Reads the same two batches."""


def look_at(
    states: bytes, *, started: tuple[float, float] = (0.0, 0.0), finished: tuple[float, float] = (0.0, 0.0), **more: Any
) -> Batches:
    """Two batches of an id each."""
    times, ids = (array("d", moments) for moments in (started, finished)), array("q", [7, 8])
    told = {"attempts": {}, "errors": {}, "dues": {}, "cancelled": False} | more
    id_ = "8d0b2a4e-1c3f-4a5b-9c7d-000000000000"
    return Batches(id_, Priority.LOW, 1, range(2), ids, states, *times, **told)


def document(batch: Batch) -> dict[str, Any]:
    told: dict[str, Any] = {"batch_id": batch.id, "ids": batch.ids, "status": batch.status.value}
    if batch.attempt:
        told["attempts"] = batch.attempt
    moments = {name: timestamp(getattr(batch, name)) for name in ("started_at", "finished_at", "next_attempt_at")}
    told |= {name: moment for name, moment in moments.items() if moment}
    if batch.error:
        told["error"] = batch.error._asdict()
    return told


@given(stretches())
def test_the_text_says_what_the_batches_say(batches: Batches) -> None:
    page = json.loads("".join(status_page('{"some":1', batches)))
    assert page == {"some": 1, "batches": [document(batch) for batch in batches]}


@given(LOOKS, LOOKS)
def test_where_the_marks_are_the_same_so_is_the_text(look: Batches, other: Batches) -> None:
    assert look.mark() != other.mark() or status_page("{", look) == status_page("{", other)


def test_the_mark_stays_while_nothing_changes() -> None:
    one, two = (
        look_at(bytes([2, 2]), attempts=dict(notes), errors=dict(errors))
        for notes, errors in (
            ([(0, 2), (1, 3)], [(0, ERROR), (1, ERROR)]),
            ([(1, 3), (0, 2)], [(1, ERROR), (0, ERROR)]),
        )
    )
    assert one.mark() == two.mark()


@given(stretches())
def test_every_batch_has_its_place_and_its_ids(batches: Batches) -> None:
    listed = list(batches)
    assert [batch.position for batch in listed] == list(batches.positions)
    assert [one for batch in listed for one in batch.ids] == batches.ids.tolist()
    assert [batches[nth] for nth in range(len(batches))] == listed
    assert len({batch.id for batch in listed}) == len(listed)
    assert all(uuid.UUID(batch.id).version == 8 for batch in listed)


def test_the_id_of_a_batch_counts_on_from_the_one_before() -> None:
    ingestion_id = "8d0b2a4e-1c3f-4a5b-9c7d-fffffffffffe"
    assert batch_id(ingestion_id, 0) == "8d0b2a4e-1c3f-8a5b-9c7d-ffffffffffff"
    assert batch_id(ingestion_id, 1) == "8d0b2a4e-1c3f-8a5b-9c7d-000000000000"


def test_of_an_attempt_nothing_is_noted_until_it_is_not_the_first() -> None:
    batches = look_at(bytes([NEW, 3]))
    assert [batch.attempt for batch in batches] == [0, 1]


def test_full_batches_of_equal_state_are_one_run_and_what_is_odd_comes_by_itself() -> None:
    assert list(look_at(bytes([NEW, NEW])).runs()) == [(range(2), Status.YET_TO_START, 0)]
    running = look_at(bytes([RUNNING, RUNNING]), started=(5.0, 6.0))
    assert list(running.runs()) == [(range(2), Status.TRIGGERED, 1)]
    ended = look_at(bytes([3, 3]), started=(5.0, 6.0), finished=(7.0, 0.0))
    assert list(ended.runs()) == [(range(1), Status.COMPLETED, 1), ended[1]]
    odd = look_at(bytes([NEW, 2]))
    assert list(odd.runs()) == [(range(1), Status.YET_TO_START, 0), odd[1]]


def test_a_time_that_is_not_known_is_none() -> None:
    batch = look_at(bytes([3, NEW]))[0]
    assert (batch.status, batch.started_at, batch.finished_at) == (Status.COMPLETED, None, None)


def test_a_retry_that_was_cancelled_is_not_due() -> None:
    waiting, cancelled = (look_at(bytes([2, NEW]), dues={0: 5.0}, cancelled=one)[0] for one in (False, True))
    assert (waiting.status, waiting.next_attempt_at) == (Status.TRIGGERED, 5.0)
    assert (cancelled.status, cancelled.next_attempt_at) == (Status.CANCELLED, None)
