"""Some ids of a batch fail: the others keep their results, and only those that failed go again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import BatchError, Claim, Priority, Status, Wait
from app.errors import QuotaFull
from app.outcomes import Outcome
from app.store import Store
from tests.support.clock import START, FakeClock
from tests.support.queueing import ack, bury, claimed, ended, estimate_of, release, submit
from tests.support.simulation import BOOM, EPSILON

GONE = BatchError("Failed", "no such record")


def known(store: Store, ingestion_id: str) -> dict[int, str | BatchError]:
    return dict(store.results(ingestion_id, failed=True))


def test_the_data_of_the_others_is_kept(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    ingestion = submit(store, [10, 20, 30, 40])
    first, second = claimed(store, 2)
    after = ended(store, first, Outcome.ack(['"a"', GONE, '"c"']))
    assert after is not None
    assert after.counts.failed == 1
    ack(store, second, ['"d"'])
    assert store.get(ingestion.id).status is Status.FAILED
    assert list(store.results(ingestion.id)) == [(10, '"a"'), (30, '"c"'), (40, '"d"')]
    assert list(known(store, ingestion.id).items()) == [(10, '"a"'), (20, GONE), (30, '"c"'), (40, '"d"')]
    failed = store.batches(ingestion.id)[1][0]
    assert failed.error == BatchError("Failed", "1 of 3 ids failed; the first: no such record")


def test_a_batch_that_failed_as_a_whole_tells_its_error_for_each_id(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    ingestion = submit(store, [1, 2])
    (claim,) = claimed(store)
    bury(store, claim, BOOM)
    assert list(store.results(ingestion.id)) == []
    assert known(store, ingestion.id) == {1: BOOM, 2: BOOM}


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.ack([]), {1: "null", 2: "null"}),
        (Outcome.ack(["null", "2"]), {1: "null", 2: "2"}),
        (Outcome.bury(BOOM), {1: BOOM, 2: BOOM}),
        (Outcome.ack([GONE, "2"]), {1: GONE, 2: "2"}),
    ],
)
def test_after_a_redrive_of_all_ids_the_latest_answers_are_told(
    new_store: Callable[..., Store], outcome: Outcome, expected: dict[int, Any]
) -> None:
    store = new_store(interval=0)
    ingestion = submit(store, [1, 2])
    ended(store, claimed(store)[0], Outcome.ack([GONE, GONE]))
    assert known(store, ingestion.id) == {1: GONE, 2: GONE}
    store.redrive(ingestion.id)
    ended(store, claimed(store)[0], outcome)
    assert known(store, ingestion.id) == expected


def test_results_come_once_however_many_batches_are_read_at_once(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0, batch_size=1)
    ingestion = submit(store, range(2002))
    claims = claimed(store, 2002)
    for position in (0, 999, 1000, 1999, 2001):
        ack(store, claims[position], [str(position)])
    told = list(store.results(ingestion.id))
    assert told == [(position, str(position)) for position in (0, 999, 1000, 1999, 2001)]


def test_a_redrive_sends_only_what_failed(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    ingestion = submit(store, [10, 20, 30])
    (claim,) = claimed(store)
    ended(store, claim, Outcome.ack([GONE, '"b"', GONE]))
    store.redrive(ingestion.id)
    assert known(store, ingestion.id) == {20: '"b"'}
    (again,) = claimed(store)
    assert (again.batch.ids, again.batch.attempt) == ([10, 30], 1)
    assert again.batch.key not in (claim.batch.key, again.batch.id)
    release(store, again)
    (again,) = claimed(store)
    ended(store, again, Outcome.ack(['"a"', GONE]))
    assert known(store, ingestion.id) == {10: '"a"', 20: '"b"', 30: GONE}
    store.redrive(ingestion.id)
    (last,) = claimed(store)
    assert last.batch.ids == [30]
    ack(store, last, [])
    assert store.get(ingestion.id).status is Status.COMPLETED
    assert list(store.results(ingestion.id)) == [(10, '"a"'), (20, '"b"'), (30, "null")]


def test_only_the_ids_that_go_again_count_for_a_quota(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0, key_quota=6)
    ingestion = submit(store, [10, 20, 30, 40], owner="me")
    first, second = claimed(store, 2)
    ended(store, first, Outcome.ack([GONE, '"b"', GONE]))
    bury(store, second, BOOM)
    store.redrive(ingestion.id)
    with pytest.raises(QuotaFull, match="3 of your ids are waiting and at most 6 may; 4 more"):
        submit(store, [1, 2, 3, 4], owner="me")
    claimed(store)
    with pytest.raises(QuotaFull, match="1 of your ids are waiting and at most 6 may; 6 more"):
        submit(store, range(1, 7), owner="me")
    claimed(store)
    submit(store, range(1, 7), owner="me")


class TestSplitting:
    """With SPLIT_FAILED, the ids of a batch that failed as a whole go again one by one."""

    def test_each_id_has_a_start_of_its_own(self, new_store: Callable[..., Store], clock: FakeClock) -> None:
        store = new_store(interval=5, split_failed=True)
        ingestion = submit(store, [10, 20, 30])
        later = submit(store, [40])
        (claim,) = claimed(store)
        found = store.end(claim, Outcome.bury(BOOM))
        assert found is not None
        assert (found.ingestion.status, found.error) == (Status.TRIGGERED, BOOM)
        told = estimate_of(store, later.id)
        assert told is not None
        assert (told.batches_ahead, told.start) == (3, START + 20)
        assert [at for _, at in store.upcoming(9)] == [START + 5, START + 10, START + 15, START + 20]
        keys = set()
        for one, outcome in ((10, Outcome.ack(['"a"'])), (20, Outcome.bury(GONE)), (30, Outcome.ack(['"c"']))):
            assert isinstance(store.claim(1), Wait)
            clock.advance(5)
            (claim,) = claimed(store)
            assert (claim.batch.ids, claim.batch.alone, claim.batch.attempt) == ([one], True, 1)
            keys.add(claim.batch.key)
            store.end(claim, outcome)
        assert len(keys | {claim.batch.id}) == 4
        assert store.get(ingestion.id).status is Status.FAILED
        assert known(store, ingestion.id) == {10: '"a"', 20: GONE, 30: '"c"'}

    def test_what_is_known_already_is_told(self, new_store: Callable[..., Store]) -> None:
        store = new_store(interval=0, split_failed=True)
        ingestion = submit(store, [10, 20, 30])
        for outcome in (Outcome.bury(BOOM), Outcome.bury(GONE), Outcome.ack(['"b"'])):
            store.end(claimed(store)[0], outcome)
        assert known(store, ingestion.id) == {10: GONE, 20: '"b"'}
        assert list(store.results(ingestion.id)) == [(20, '"b"')]

    def test_its_own_end_counts_a_start_for_each_id_and_a_cancel_takes_all_of_them_away(
        self, new_store: Callable[..., Store]
    ) -> None:
        store = new_store(interval=5, split_failed=True)
        ingestion, later = submit(store, [10, 20, 30, 40]), submit(store, [50])
        bury(store, claimed(store)[0], BOOM)
        told = estimate_of(store, ingestion.id)
        assert told is not None
        assert told.completion == START + 20
        assert store.stats().depths[Priority.MEDIUM].waiting == 5
        store.cancel(ingestion.id)
        told = estimate_of(store, later.id)
        assert told is not None
        assert (told.batches_ahead, told.start) == (0, START + 5)
        assert store.stats().depths[Priority.MEDIUM].waiting == 1

    def test_a_single_id_is_failed_at_once(self, new_store: Callable[..., Store]) -> None:
        store = new_store(interval=0, split_failed=True)
        ingestion = submit(store, [10])
        bury(store, claimed(store)[0], BOOM)
        assert store.get(ingestion.id).status is Status.FAILED

    def test_a_lost_start_is_repeated(self, new_store: Callable[..., Store], clock: FakeClock) -> None:
        store = new_store(interval=0, split_failed=True, lease=10, max_attempts=1)
        submit(store, [10, 20])
        claimed(store)
        clock.advance(11)
        ((lost, _),) = store.recover()
        assert lost.batch.status is Status.TRIGGERED
        assert claimed(store)[0].batch.ids == [10]

    def test_a_cancel_ends_it(self, new_store: Callable[..., Store]) -> None:
        store = new_store(interval=0, split_failed=True)
        ingestion = submit(store, [10, 20, 30])
        bury(store, claimed(store)[0], BOOM)
        store.cancel(ingestion.id)
        assert store.get(ingestion.id).status is Status.CANCELLED
        assert store.claim(1) == Wait(None, "empty")
        assert sum(depth.waiting for depth in store.stats().depths.values()) == 0

    def test_a_redriven_batch_is_split_again(self, new_store: Callable[..., Store]) -> None:
        store = new_store(interval=0, split_failed=True)
        ingestion = submit(store, [10, 20, 30])
        for outcome in (Outcome.bury(BOOM), Outcome.ack(["1"]), Outcome.bury(GONE), Outcome.bury(GONE)):
            store.end(claimed(store)[0], outcome)
        store.redrive(ingestion.id)
        asked = []
        for outcome in (Outcome.bury(BOOM), Outcome.ack(["2"]), Outcome.ack(["3"])):
            (claim,) = claimed(store)
            asked.append(claim.batch.ids)
            store.end(claim, outcome)
        assert asked == [[20, 30], [20], [30]]
        assert list(store.results(ingestion.id)) == [(10, "1"), (20, "2"), (30, "3")]


@given(
    sizes=st.lists(st.tuples(st.integers(1, 11), st.sampled_from(Priority)), min_size=1, max_size=6),
    bad=st.sets(st.integers(1, 11), max_size=5),
    looks=st.integers(0, 25),
    told=st.booleans(),
)
def test_a_bad_id_takes_no_neighbour_along(
    new_store: Callable[..., Store], clock: FakeClock, sizes: Any, bad: set[int], looks: int, told: bool
) -> None:
    clock.reset()
    wrong_ids = frozenset(bad)
    store = new_store(interval=5.0, split_failed=True, key_quota=1000)
    ingestions = [submit(store, range(1, count + 1), priority, owner="me") for count, priority in sizes]
    starts: list[tuple[float, Claim]] = []
    expected: dict[str, Any] = {}

    def run(claim: Claim) -> None:
        wrong = bad.intersection(claim.batch.ids)
        if told and wrong:
            answers = [GONE if one in bad else "true" for one in claim.batch.ids]
            store.end(claim, Outcome.ack(answers))
        else:
            store.end(claim, Outcome.bury(GONE) if wrong else Outcome.ack(["true"] * len(claim.batch.ids)))

    while True:
        if len(starts) == looks:
            expected = {one.id: found for one in ingestions if (found := estimate_of(store, one.id))}
            if expected and not told:
                # From here on no batch is split, so that every start is known.
                bad = set()
        answer = store.claim(1)
        if isinstance(answer, Wait):
            if answer.reason == "empty":
                break
            assert answer.seconds is not None
            clock.advance(answer.seconds)
            continue
        starts.append((clock.now(), answer[0]))
        run(answer[0])

    times = [at for at, _ in starts]
    assert all(later - earlier >= 5.0 - EPSILON for earlier, later in itertools.pairwise(times))
    for ingestion_id, estimate in expected.items():
        mine = [at for at, claim in starts[looks:] if claim.batch.ingestion_id == ingestion_id]
        assert estimate.start == pytest.approx(mine[0], abs=0.001)
        assert estimate.completion == pytest.approx(mine[-1], abs=0.001)
    for (count, _), ingestion in zip(sizes, ingestions, strict=True):
        assert store.get(ingestion.id).status.final
        found = known(store, ingestion.id)
        assert list(found) == list(range(1, count + 1))
        failed = {one for one, answer in found.items() if isinstance(answer, BatchError)}
        assert failed <= wrong_ids
        if bad or not expected:
            assert failed == wrong_ids & set(found)
    submit(store, range(1, 1001), owner="me")
    with pytest.raises(QuotaFull):
        submit(store, [1], owner="me")
