"""Threads of one process that share a turn, and what happens when something breaks in the middle."""

from __future__ import annotations

import signal
import sqlite3
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from app.cli.verify import verify
from app.core import Wait
from app.core.models import Claim, Priority, Status
from app.errors import BacklogFull, QuotaFull, StoreUnavailable, TooLate
from app.sql import database as module
from app.sql.address import parse_url
from app.sql.database import Database
from app.sql.schema import queues
from app.sql.server import ServerConnection
from app.sql.store import SQLStore
from app.sql.turns import Turns
from app.sql.wire import Rows, Wire
from tests.support.clock import FakeClock
from tests.support.host import eventually
from tests.support.queueing import claimed, estimate_of, finish, submit

Open = Callable[..., SQLStore]


class HeldClock(FakeClock):
    """A caller in a turn can be held here, or interrupted."""

    def __init__(self) -> None:
        super().__init__()
        self._free = threading.Event()
        self._free.set()
        self._asked = threading.Event()
        self.interrupts: list[int] = []
        """At which of the next calls to raise, counted from 0."""

    def now(self) -> float:
        self._asked.set()
        assert self._free.wait(10)
        self.interrupts = [left - 1 for left in self.interrupts]
        if -1 in self.interrupts:
            raise KeyboardInterrupt
        return super().now()

    @contextmanager
    def held(self, store: SQLStore, leader: Callable[[], Any]) -> Iterator[Callable[[Callable[[], Any]], Future[Any]]]:
        """Hold the turn of `leader`; calls made in the meantime follow it in the same turn, in that order."""
        self._free.clear()
        self._asked.clear()
        with ThreadPoolExecutor(8) as pool:
            try:
                pool.submit(leader)
                assert self._asked.wait(10)

                def call(work: Callable[[], Any]) -> Future[Any]:
                    before = in_line(store)
                    future = pool.submit(work)
                    await_line(store, before + 1)
                    return future

                yield call
            finally:
                self._free.set()


def in_line(store: SQLStore) -> int:
    """How many calls wait for a turn, which is not visible from outside."""
    return len(store._turns._waiting)


def await_line(store: SQLStore, count: int) -> None:
    eventually(lambda: in_line(store) >= count, f"{count} calls wait for a turn")


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


def test_of_two_ends_of_one_claim_in_a_turn_one_counts(open_sql: Open, clock: HeldClock) -> None:
    store = open_sql(interval=0)
    ingestion = submit(store, [1, 2, 3, 4, 5, 6])
    claim = claimed(store)[0]
    with clock.held(store, store.pause) as call:
        answers = [call(lambda: finish(store, claim)), call(lambda: finish(store, claim))]
    first, second = (answer.result(10) for answer in answers)
    assert (first is None) != (second is None)
    assert store.get(ingestion.id).counts.completed == 1
    assert store.stats().running == 0


def test_ends_in_one_turn_finish_their_ingestion_once(open_sql: Open, clock: HeldClock) -> None:
    store = open_sql(interval=0)
    submit(store, range(1, 10))
    batches = claimed(store, 3)
    with clock.held(store, store.resume) as call:
        answers = [call(lambda batch=batch: finish(store, batch)) for batch in batches]  # type: ignore[misc]
    ends = [answer.result(10) for answer in answers]
    assert sorted(end.counts.completed for end in ends) == [1, 2, 3]
    assert [end.finished_at is not None for end in ends].count(True) == 1


def test_claims_in_one_turn_are_served_in_order_and_no_faster_than_the_rate(open_sql: Open, clock: HeldClock) -> None:
    store = open_sql(interval=5, burst=3)
    low, high = submit(store, range(1, 7), Priority.LOW), submit(store, range(1, 7), Priority.HIGH)
    with clock.held(store, store.resume) as call:
        answers = [call(lambda: store.claim(2)), call(lambda: store.claim(0)), call(lambda: store.claim(2))]
        late = call(lambda: store.claim(1))
    first, none, second, last = (answer.result(10) for answer in (*answers, late))
    assert [claim.batch.ingestion_id for claim in first] == [high.id, high.id]
    assert none == Wait(None, "slots")
    assert [claim.batch.ingestion_id for claim in second] == [low.id]
    assert last == Wait(5.0, "token")
    assert verify(store.dispatches(10), interval=5, burst=3) == []


def test_who_is_refused_in_a_turn_spoils_it_for_nobody(open_sql: Open, clock: HeldClock) -> None:
    store = open_sql(interval=0, max_pending=2)
    with clock.held(store, store.resume) as call:
        taken = call(lambda: submit(store, [1, 2, 3, 4]))
        refused = call(lambda: submit(store, [1, 2, 3, 4]))
    assert store.get(taken.result(10).id).status is Status.YET_TO_START
    assert isinstance(refused.exception(10), BacklogFull)


def test_a_deadline_is_held_against_what_came_before_in_the_same_turn(open_sql: Open, clock: HeldClock) -> None:
    store, deadline = open_sql(interval=5, priority_aging=60), clock.now() + 40
    with clock.held(store, store.resume) as call:
        first = call(lambda: submit(store, range(1, 31)))
        late = call(lambda: submit(store, [1], deadline=deadline))
    assert first.result(10).batch_count == 10
    assert isinstance(late.exception(10), TooLate)


def test_callers_take_turns_with_what_came_in_the_same_turn(open_sql: Open, clock: HeldClock) -> None:
    store = open_sql(interval=0, fair=True)
    with clock.held(store, store.resume) as call:
        for owner in ("ann", "ann", "bob"):
            call(lambda owner=owner: submit(store, [1], owner=owner))  # type: ignore[misc]
        answer = call(lambda: store.claim(2))
    started = {claim.batch.ingestion_id for claim in answer.result(10)}
    assert {store.get(one).owner for one in started} == {"ann", "bob"}


def test_what_raises_in_a_turn_raises_there_and_spoils_it_for_nobody(open_sql: Open, clock: HeldClock) -> None:
    store = open_sql(interval=0)
    with clock.held(store, store.resume) as call:
        before = call(lambda: submit(store, [1]))
        wrong = call(lambda: store._turns.take(lambda _: raise_(ValueError("mine"))))
        after = call(lambda: submit(store, [2]))
    assert [before.result(10).order, after.result(10).order] == [1, 2]
    with pytest.raises(ValueError, match="mine"):
        wrong.result(10)


def test_a_quota_counts_with_what_was_cancelled_in_the_same_turn(open_sql: Open, clock: HeldClock) -> None:
    store = open_sql(interval=5, key_quota=3)
    first, *_ = [submit(store, [1]) for _ in range(256)]
    submit(store, [1, 2, 3], owner="me")
    with clock.held(store, store.resume) as call:
        cancelled = call(lambda: store.cancel(first.id))
        refused = call(lambda: submit(store, [4], owner="me"))
    assert cancelled.result(10)[1]
    error = refused.exception(10)
    assert isinstance(error, QuotaFull)
    assert error.retry_after == pytest.approx(255 * 5.0)
    # What was counted within the turn counts once.
    estimate = estimate_of(store, submit(store, [5]).id)
    assert estimate is not None
    assert estimate.batches_ahead == 256


def test_what_was_done_in_an_interrupted_turn_is_not_told_as_done(open_sql: Open, clock: HeldClock) -> None:
    store = open_sql(interval=0)
    store.prepare()

    def lead() -> None:
        with pytest.raises(KeyboardInterrupt):
            store.pause()

    with clock.held(store, lead) as call:
        answers = [call(lambda: submit(store, [1])), call(lambda: submit(store, [2]))]
        # Asked for the row, the turn, the leader's work and the first submission; then no more.
        clock.interrupts = [4]
    for answer in answers:
        assert isinstance(answer.exception(10), StoreUnavailable)
    assert store.ingestions() == []
    assert not store.stats().paused
    assert submit(store, [3]).order == 1


def test_who_was_served_in_a_turn_takes_none_of_its_own(open_sql: Open, clock: HeldClock) -> None:
    store = open_sql(interval=0)
    store.prepare()
    with clock.held(store, store.resume) as call:
        answers = [call(lambda: submit(store, [1])), call(lambda: submit(store, [2]))]
        # Asked for the row, the turn, its leader's work and the submissions, and then by nobody.
        clock.interrupts = [5]
    assert [answer.exception(10) for answer in answers] == [None, None]
    assert [answer.result().order for answer in answers] == [1, 2]


def test_what_takes_long_has_a_turn_of_its_own(open_sql: Open, clock: HeldClock) -> None:
    store = open_sql(interval=0)
    store.prepare()
    with clock.held(store, store.resume) as call:
        before, slow, after = (call(lambda ids=ids: submit(store, ids)) for ids in ([1], range(200_000), [2]))  # type: ignore[misc]
        # The turn before asked for the row, the turn, its leader's work and the submission.
        clock.interrupts = [4]
    assert isinstance(slow.exception(10), KeyboardInterrupt)
    assert [before.result(10).order, after.result(10).order] == [1, 2]
    assert len(store.ingestions()) == 2


def test_trouble_that_ends_while_somebody_is_told_of_it_is_told_as_it_was(
    open_sql: Open, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a GIL the leader may clear it between two looks."""
    store = open_sql()
    store.prepare()
    with clock.held(store, store.resume):
        looks = iter([StoreUnavailable("The store is away.")])
        monkeypatch.setattr(Turns, "trouble", property(lambda _: next(looks, None), lambda *_: None), raising=False)
        with pytest.raises(StoreUnavailable, match="is away"):
            submit(store, [1])


def test_a_thread_that_is_interrupted_while_it_waits_holds_up_nobody(open_sql: Open, clock: HeldClock) -> None:
    store = open_sql(interval=0)
    store.prepare()
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        await_line(store, 1)
        signal.pthread_kill(main, signal.SIGINT)

    with clock.held(store, store.resume) as call:
        interrupting = threading.Thread(target=interrupt)
        interrupting.start()
        with pytest.raises(KeyboardInterrupt):
            submit(store, [1])
        interrupting.join()
        after = call(lambda: submit(store, [2]))
    assert after.result(10).order == 1
    assert submit(store, [3]).order == 2
    assert len(store.ingestions()) == 2


def test_a_thread_that_is_interrupted_just_before_its_turn_hands_it_on(
    open_sql: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_sql(interval=0)
    store.prepare()

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store._turns, "_lead", interrupt)
        with pytest.raises(KeyboardInterrupt):
            submit(store, [1])
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(submit, store, [2]).result(10).order == 1


@pytest.mark.realtime
def test_many_threads_on_one_store_start_every_batch_once(open_sql: Open) -> None:
    store = open_sql(interval=0, real_time=True)
    for first in range(1, 400, 20):
        submit(store, range(first, first + 20))
    started: list[Claim] = []

    def drain(limit: int) -> None:
        while True:
            answer = store.claim(limit)
            if isinstance(answer, Wait):
                assert answer.reason == "empty"
                return
            started.extend(answer)
            for claim in answer:
                assert finish(store, claim) is not None

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(drain, 1 + number % 3) for number in range(8)]:
            done.result(60)
    assert len({claim.batch.id for claim in started}) == len(started) == 140
    assert {one.status for one in store.ingestions(limit=100)} == {Status.COMPLETED}
    assert verify(store.dispatches(1000), interval=0) == []
    stats = store.stats()
    assert (stats.running, sum(depth.waiting for depth in stats.depths.values())) == (0, 0)


@pytest.fixture
def raw(database: str, open_sql: Open) -> Iterator[Database]:
    """The database under a prepared store, with one connection."""
    open_sql().prepare()
    found = Database(parse_url(database, "STORE"), 1, 20.0)
    yield found
    found.close()


_ADD = insert(queues).values(name="new")
_TOUCH = update(queues).where(queues.c.name == "ingest").values(failed=0).returning(queues.c.name)
_NAMES = select(queues.c.name).where(queues.c.name == "new")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_whatever_is_raised_undoes_the_transaction_and_gives_the_connection_back(
    raw: Database, error: type[BaseException]
) -> None:
    for _ in range(3):
        with pytest.raises(error):
            raw.write(lambda wire: (wire.execute(_ADD, {}), raise_(error)))
        with pytest.raises(error):
            raw.read(lambda _: raise_(error))
    assert raw.glance(_NAMES, {}) is None
    raw.write(lambda wire: wire.execute(_ADD, {}))
    assert raw.glance(_NAMES, {}) == ("new",)


def test_a_wait_for_the_database_can_be_interrupted(raw: Database, database: str) -> None:
    other, main = Database(parse_url(database, "STORE"), 1, 20.0), threading.main_thread().ident
    assert main is not None
    kept, free = threading.Event(), threading.Event()

    def keep(wire: Wire) -> None:
        wire.execute(_TOUCH, {}).first()
        kept.set()
        assert free.wait(10)

    def touch(wire: Wire) -> None:
        wire.execute(_ADD, {})
        wire.execute(_TOUCH, {}).first()

    def interrupt() -> None:
        waits = {Database._insist.__code__, ServerConnection.wait.__code__}
        eventually(lambda: waits & {frame.f_code for frame, _ in traceback.walk_stack(sys._current_frames()[main])})
        signal.pthread_kill(main, signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        keeping = pool.submit(other.write, keep)
        assert kept.wait(10)
        interrupting = threading.Thread(target=interrupt)
        interrupting.start()
        with pytest.raises(KeyboardInterrupt):
            raw.write(touch)
        interrupting.join()
        free.set()
        keeping.result(10)
    assert raw.glance(_NAMES, {}) is None
    raw.write(touch)
    assert raw.glance(_NAMES, {}) == ("new",)
    other.close()


@pytest.mark.parametrize("read", [lambda rows: rows.all(), lambda rows: rows.first(), lambda rows: rows.scalar()])
def test_a_connection_knows_that_something_came_back(raw: Database, read: Callable[[Rows], object]) -> None:
    def answered(wire: Wire) -> list[bool]:
        rows = wire.execute(_NAMES, {})
        return [wire.answered, read(rows) is None, wire.answered][::2]

    assert raw.read(answered) == [False, True]


def test_a_row_that_must_be_there_is_missed(raw: Database) -> None:
    assert raw.read(lambda wire: wire.execute(_NAMES, {}).scalar()) is None
    with pytest.raises(LookupError, match="a row is missing"):
        raw.read(lambda wire: wire.execute(_NAMES, {}).one())


def test_a_statement_that_fails_is_named_and_what_was_sent_with_it_is_undone(raw: Database) -> None:
    def twice(wire: Wire) -> None:
        wire.execute(_ADD, {})
        wire.execute(_ADD, {})

    with pytest.raises(Exception, match=r"(?i)unique") as caught:
        raw.write(twice)
    assert type(caught.value).__name__ in ("IntegrityError", "UniqueViolation")
    assert not isinstance(caught.value, SQLAlchemyError)
    assert raw.glance(_NAMES, {}) is None
    assert raw.read(lambda wire: wire.execute(_NAMES, {}).all()) == []


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[tuple[Database, sqlite3.Connection]]:
    """A database, and another connection that has it locked."""
    path = tmp_path / "ingest.db"
    database = Database(parse_url(f"sqlite:///{path}", "STORE"), 1, 0.05)
    database.write(lambda _: None)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield database, other
    database.close()


def test_a_writer_goes_on_once_the_lock_is_free(
    locked: tuple[Database, sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, other = locked
    monkeypatch.setattr(module.time, "sleep", lambda _: other.in_transaction and other.rollback())
    assert database.write(lambda _: "written") == "written"


def test_what_no_wait_would_mend_is_raised_at_once(
    locked: tuple[Database, sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, other = locked
    monkeypatch.setattr(module.time, "sleep", lambda _: pytest.fail("it waits"))
    with pytest.raises(sqlite3.OperationalError, match="within a transaction"):
        database._insist(other, "BEGIN IMMEDIATE")


def test_a_writer_gives_up_after_its_timeout_and_its_connection_waits_as_before(
    locked: tuple[Database, sqlite3.Connection],
) -> None:
    database, other = locked
    with pytest.raises(StoreUnavailable, match="busy: another transaction kept it locked"):  # here, of this process
        database.write(lambda _: None)
    other.rollback()
    waits: list[int] = []
    database.define(lambda connection: waits.append(connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()))
    assert waits == [50]


def test_what_the_database_says_is_logged_up_to_a_length(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = Database(parse_url(f"sqlite:///{tmp_path}/ingest.db", "STORE"), 1, 0.05)
    with pytest.raises(StoreUnavailable):
        database.read(lambda _: raise_(sqlite3.OperationalError("x" * 301)))
    assert caplog.messages == [f"The store cannot be reached. {'x' * 300}"]
    database.close()


def test_it_has_no_more_connections_than_its_pool(tmp_path: Path) -> None:
    database = Database(parse_url(f"sqlite:///{tmp_path}/ingest.db", "STORE"), 1, 0.05)
    with pytest.raises(StoreUnavailable):
        database.read(lambda _: database.read(lambda _: None))
    database.close()


def raise_(error: BaseException | type[BaseException]) -> None:
    raise error
