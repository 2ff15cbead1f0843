"""The figures of a minute where several processes write them, of this release and of an earlier one."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import text

from app.core import BatchError, Priority
from app.sql.store import SQLStore
from tests.support.clock import FakeClock
from tests.support.queueing import bury, claimed, submit

from .test_migrations import engine_of

Open = Callable[..., SQLStore]


def test_two_processes_add_to_the_same_minute(open_sql: Open, clock: FakeClock) -> None:
    one, two = open_sql(interval=0, batch_size=1), open_sql(interval=0, batch_size=1)
    submit(one, range(1, 9), Priority.HIGH)
    for store in (one, two, one):
        bury(store, claimed(store)[0], BatchError("Gone", "x"))
    two.hold(30)
    one.end_hold()
    clock.advance(60)
    claimed(two)
    for store in (one, two):
        (before, now) = store.minutes().values()
        assert (before.starts, before.failed, sum(before.waits_at(Priority.HIGH))) == (3, 3, 3)
        assert (now.starts, now.failed, sum(now.waits_at(Priority.HIGH))) == (1, 0, 1)


def test_a_process_of_an_earlier_release_leaves_no_figures_in_another_minute(
    open_sql: Open, clock: FakeClock, database: str
) -> None:
    store = open_sql(interval=0, batch_size=1)
    submit(store, range(1, 9))
    bury(store, claimed(store)[0], BatchError("Gone", "x"))
    clock.advance(60)
    minute = int(clock.now() // 60)
    # It knows the columns minute and starts, and not those of figures.
    with engine_of(database) as engine, engine.begin() as connection:
        past = "SELECT instance, minute, starts FROM ingest_limiter"
        connection.execute(text(f"INSERT INTO ingest_minutes (instance, minute, starts) {past}"))
        connection.execute(text(f"UPDATE ingest_limiter SET minute = {minute}, starts = 5"))
    assert {number: (one.starts, one.failed) for number, one in store.minutes().items()} == {
        minute - 1: (1, 0),
        minute: (5, 0),
    }
    claimed(store)
    assert store.minutes()[minute].starts == 6
    assert sum(store.minutes()[minute].waits) == 1
