"""The answer to a COMMIT is lost: the outcome is recorded, and whoever reports it cannot know."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from app import PermanentError
from app.core import BatchError
from app.core.clock import SystemClock
from app.errors import StoreUnavailable
from app.outcomes import Ended, Outcome
from app.sql.store import SQLStore
from tests.support.clock import FakeClock
from tests.support.cutter import Cutter
from tests.support.host import Host
from tests.support.postgres import Postgres
from tests.support.queueing import claimed, settings, submit

BOOM = BatchError("ValueError", "bo\0om")
OUTCOMES = {
    "ack": Outcome.ack(["1", "2", "3"]),
    "retry": Outcome.retry(BOOM, 10.0),
    "bury": Outcome.bury(BOOM),
    "partly": Outcome.ack(["1", BOOM, "3"]),
    "release": Outcome.release(),
}


@pytest.fixture
def cutter(postgres: Postgres) -> Iterator[Cutter]:
    cutter = Cutter(postgres.new_database())
    yield cutter
    cutter.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(cutter: Cutter, clock: FakeClock) -> Iterator[SQLStore]:
    store = SQLStore(settings(store=cutter.url, interval=0, lease=30), clock)
    yield store
    store.close()


def in_doubt(store: SQLStore, cutter: Cutter, claim: object, outcome: Outcome) -> Ended | None:
    """End a claim whose answer is lost, and once more."""
    cutter.cut_next()
    with pytest.raises(StoreUnavailable):
        store.end(claim, outcome)  # type: ignore[arg-type]
    assert cutter.cut.is_set()
    return store.end(claim, outcome)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_repeated_outcome_is_recognised(store: SQLStore, cutter: Cutter, name: str) -> None:
    ingestion = submit(store, [1, 2, 3])
    (claim,) = claimed(store)
    after = in_doubt(store, cutter, claim, OUTCOMES[name])
    assert after is not None
    assert after.ingestion == store.get(ingestion.id)
    assert after.state == OUTCOMES[name].state
    assert (after.ingestion.finished_at is not None) == (name in ("ack", "bury", "partly"))
    assert (after.error is None) == (name in ("ack", "release"))


def test_another_outcome_of_the_same_claim_is_not(store: SQLStore) -> None:
    submit(store, [1, 2, 3])
    (claim,) = claimed(store)
    store.end(claim, OUTCOMES["ack"])
    assert store.end(claim, OUTCOMES["bury"]) is None
    assert store.end(claim, OUTCOMES["retry"]) is None


def test_a_claim_that_was_lost_is_not_taken_for_its_own_outcome(store: SQLStore, clock: FakeClock) -> None:
    submit(store, [1, 2, 3])
    (claim,) = claimed(store)
    clock.advance(31)
    assert store.recover()
    assert store.end(claim, OUTCOMES["retry"]) is None
    (again,) = claimed(store)
    store.end(again, OUTCOMES["ack"])
    assert store.end(claim, OUTCOMES["ack"]) is None


def test_a_retry_is_recognised_though_the_batch_went_again(store: SQLStore, cutter: Cutter, clock: FakeClock) -> None:
    ingestion = submit(store, [1, 2, 3])
    (claim,) = claimed(store)
    cutter.cut_next()
    with pytest.raises(StoreUnavailable):
        store.end(claim, OUTCOMES["retry"])
    clock.advance(10)
    (again,) = claimed(store)
    assert again.batch.attempt == 2
    after = store.end(claim, OUTCOMES["retry"])
    assert after is not None
    assert after.ingestion == store.get(ingestion.id)


def test_only_the_last_outcome_tells_of_the_end(store: SQLStore, cutter: Cutter, clock: FakeClock) -> None:
    submit(store, range(1, 7))
    first, last = claimed(store, 2)
    cutter.cut_next()
    with pytest.raises(StoreUnavailable):
        store.end(first, OUTCOMES["ack"])
    clock.advance(1)
    ended = store.end(last, OUTCOMES["ack"])
    assert ended is not None
    assert ended.ingestion.finished_at is not None
    after = store.end(first, OUTCOMES["ack"])
    assert after is not None
    assert after.ingestion.finished_at is None


class TestReportedTwice:
    """Whatever the reason, on every database."""

    @pytest.fixture
    def store(self, open_sql: Callable[..., SQLStore]) -> SQLStore:
        return open_sql(interval=0, lease=30)

    @pytest.mark.parametrize("name", OUTCOMES)
    def test_it_leads_to_the_same(self, store: SQLStore, clock: FakeClock, name: str) -> None:
        submit(store, range(1, 7))
        first, other = claimed(store, 2)
        store.end(other, OUTCOMES["ack"])
        clock.advance(1)
        told = store.end(first, OUTCOMES[name])
        assert told is not None
        before = store.stats()
        again = store.end(first, OUTCOMES[name])
        assert again is not None
        assert (again.ingestion, again.state) == (told.ingestion, told.state)
        assert (again.error is None) == (told.error is None)
        assert store.stats() == before

    @pytest.mark.parametrize("goes_again", [False, True])
    def test_so_it_does_once_the_ids_came_apart(
        self, open_sql: Callable[..., SQLStore], clock: FakeClock, goes_again: bool
    ) -> None:
        store = open_sql(interval=0, lease=30, split_failed=True, name="split")
        submit(store, range(1, 4))
        outcomes = [
            Outcome.bury(BOOM),
            Outcome.ack(["1"]),
            Outcome.bury(BOOM),
            Outcome.retry(BOOM, 0.0),
            Outcome.ack(["3"]),
        ]
        (claim,) = claimed(store)
        for nth, outcome in enumerate(outcomes):
            clock.advance(1)
            told = store.end(claim, outcome)
            assert told is not None
            following = claimed(store) if goes_again and nth < 4 else []
            before = store.stats()
            again = store.end(claim, outcome)
            assert again is not None
            assert (again.state, again.error) == (told.state, told.error)
            assert again.ingestion.finished_at == told.ingestion.finished_at
            assert store.stats() == before
            assert store.end(claim, Outcome.ack(["2"] * len(claim.batch.ids))) is None
            (claim,) = following or (claimed(store) if nth < 4 else [claim])
        assert told.ingestion.finished_at is not None

    def test_so_it_does_for_the_ids_that_failed_before(self, store: SQLStore) -> None:
        ingestion = submit(store, [1, 2, 3])
        store.end(claimed(store)[0], OUTCOMES["partly"])
        store.redrive(ingestion.id)
        (claim,) = claimed(store)
        assert claim.batch.ids == [2]
        outcome = Outcome.ack([BOOM])
        told, again = store.end(claim, outcome), store.end(claim, outcome)
        assert told is not None
        assert again == told
        assert store.end(claim, Outcome.ack(["2"])) is None

    def test_an_error_without_a_message_is_one(self, store: SQLStore) -> None:
        submit(store, [1, 2, 3])
        (claim,) = claimed(store)
        error = BatchError("ValueError", "")
        assert [store.end(claim, Outcome.bury(error)).error for _ in range(2)] == [error, error]  # type: ignore[union-attr]

    def test_the_attempt_before_the_latest_is_recognised_and_none_before_that(
        self, store: SQLStore, clock: FakeClock
    ) -> None:
        submit(store, [1, 2, 3])
        claims = []
        for _ in range(3):
            claims += claimed(store)
            store.end(claims[-1], OUTCOMES["retry"])
            clock.advance(10)
        claims += claimed(store)
        assert [store.end(one, OUTCOMES["retry"]) is not None for one in claims] == [False, False, True, True]

    def test_a_retry_is_not_taken_for_the_end_of_the_attempt_after_it(self, store: SQLStore, clock: FakeClock) -> None:
        submit(store, [1, 2, 3])
        (claim,) = claimed(store)
        store.end(claim, OUTCOMES["retry"])
        clock.advance(10)
        store.end(claimed(store)[0], OUTCOMES["bury"])
        assert store.end(claim, OUTCOMES["retry"]) is None

    def test_with_other_results_or_another_error_it_is_not_recognised(self, store: SQLStore) -> None:
        submit(store, range(1, 7))
        first, second = claimed(store, 2)
        store.end(first, OUTCOMES["ack"])
        store.end(second, OUTCOMES["bury"])
        assert store.end(first, Outcome.ack(["1", "2", "4"])) is None
        assert store.end(second, Outcome.bury(BatchError("ValueError", "boom"))) is None
        assert store.end(second, Outcome.bury(BatchError("TypeError", BOOM.message))) is None

    def test_another_claim_of_the_same_attempt_is_another(self, store: SQLStore, clock: FakeClock) -> None:
        submit(store, [1, 2, 3])
        (claim,) = claimed(store)
        store.end(claim, OUTCOMES["release"])
        clock.advance(1)
        (again,) = claimed(store)
        assert again.batch.attempt == claim.batch.attempt
        store.end(again, OUTCOMES["ack"])
        assert store.end(claim, OUTCOMES["ack"]) is None

    def test_of_an_ingestion_that_nobody_knows_it_is_none(
        self, store: SQLStore, open_sql: Callable[..., SQLStore]
    ) -> None:
        submit(store, [1, 2, 3])
        (claim,) = claimed(store)
        assert open_sql(name="other").end(claim, OUTCOMES["ack"]) is None


@pytest.mark.parametrize(("error", "word"), [(None, "completed"), (PermanentError("no"), "failed")])
def test_its_signals_come_once(cutter: Cutter, error: Exception | None, word: str) -> None:
    armed = []

    def process(_ids: object) -> None:
        if not armed:
            armed.append(cutter.cut_next())
        if error:
            raise error

    host = Host(process, clock=SystemClock(), store=cutter.url, interval=0, lease=60)
    try:
        host.submit(range(1, 4))
        host.heard.until("finished")
        assert cutter.cut.is_set()
        assert [len(host.heard.all(one)) for one in (word, "finished", "started")] == [1, 1, 1]
    finally:
        host.ingestion.stop(0)
        host.store.close()
