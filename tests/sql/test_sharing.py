"""Several processes, or many threads of one, on one queue."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from app.callbacks import Callback, CallbackState, Delivery
from app.cli.verify import verify
from app.core import Pauses, Priority, Rates, Sweep, SweepFilter, Wait, WorkerReport
from app.core.models import BatchError, Status
from app.errors import StoreUnavailable
from app.sql import parking
from app.sql.address import parse_url
from app.sql.database import Database
from app.sql.instance import View
from app.sql.schema import ingestions, queues
from app.sql.store import SQLStore
from tests.support.clock import FakeClock
from tests.support.postgres import Postgres
from tests.support.queueing import blocked, bury, claimed, finish, retry, settings, submit

Open = Callable[..., SQLStore]


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run the same in many threads at once; an error in one of them is raised here."""
    failed: list[BaseException] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait()
        try:
            work(number)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_each_process_is_told_of_by_what_it_runs(open_sql: Open) -> None:
    one, two = open_sql(interval=0), open_sql(interval=0)
    for name, store in (("one", one), ("two", two)):
        store.report(WorkerReport(name, "here", 1, "1", 4, 0, 0))
    submit(one, [1, 2, 3, 4])
    first, second = claimed(one)[0], claimed(two)[0]
    assert [(run.worker, run.batch_id) for run in one.runs(9)] == [("one", first.batch.id), ("two", second.batch.id)]
    finish(two, second)
    retry(one, first, BatchError("E", "boom"), 0)
    again = claimed(two)[0]
    assert [(run.worker, run.batch_id) for run in one.runs(9)] == [("two", again.batch.id)]


@pytest.mark.realtime
def test_nobody_claims_what_another_did_and_none_is_left(open_sql: Open) -> None:
    stores = [open_sql(interval=0.002, real_time=True, max_attempts=3) for _ in range(4)]
    for first in range(1, 200, 10):
        submit(stores[0], range(first, first + 10))
    seen: Counter[str] = Counter()

    def drain(number: int) -> None:
        store = stores[number]
        while True:
            answer = store.claim(3)
            if isinstance(answer, Wait):
                if answer.reason == "empty":
                    return
                time.sleep(answer.seconds or 0.001)
                continue
            for claim in answer:
                seen[claim.batch.id] += 1
                assert finish(store, claim) is not None

    in_threads(4, drain)
    assert set(seen.values()) == {1}
    assert len(seen) == 80
    assert {one.status for one in stores[0].ingestions(limit=100)} == {Status.COMPLETED}
    assert verify(stores[0].dispatches(1000), interval=0.002) == []


@pytest.mark.realtime
def test_a_hundred_threads_that_race_on_one_key_make_one_ingestion(open_sql: Open) -> None:
    stores = [open_sql(real_time=True, store_pool=20) for _ in range(2)]
    ids = []
    in_threads(100, lambda number: ids.append(submit(stores[number % 2], [1], key="k", fingerprint="f").id))
    assert len(set(ids)) == 1
    assert len(stores[0].ingestions()) == 1


@pytest.mark.realtime
def test_no_writer_starves(open_sql: Open) -> None:
    store = open_sql(real_time=True)
    done = [0] * 8

    def write(number: int) -> None:
        while sum(done) < 400:
            submit(store, [1])
            done[number] += 1

    in_threads(8, write)
    assert min(done) * 10 > max(done), done


def test_what_others_accept_is_noticed_within_the_poll(open_sql: Open, clock: FakeClock) -> None:
    here, there = open_sql(store_poll=1.5), open_sql()
    assert here.claim(1) == Wait(1.5, "empty")
    assert here.claim(1) == Wait(1.5, "empty")
    ingestion = submit(there, [1, 2, 3, 4])
    there.pause()
    assert here.claim(1) == Wait(1.5, "paused")
    there.resume()
    batch = claimed(here)[0]
    assert there.claim(1) == Wait(5.0, "token")
    clock.advance(5)
    claimed(here)
    retry(there, batch, BatchError("Boom", ""), 60)
    assert here.claim(1) == Wait(1.5, "retry")
    there.cancel(ingestion.id)
    assert here.claim(1) == Wait(1.5, "empty")


def test_what_is_paused_is_so_for_all_and_after_a_restart(open_sql: Open) -> None:
    here, there = open_sql(interval=0), open_sql(interval=0)
    what = Pauses(frozenset({Priority.HIGH}), frozenset({"ann"}))
    urgent, ann, other = submit(here, [1], Priority.HIGH), submit(here, [1], owner="ann"), submit(here, [1])
    there.pause(what=what)
    assert [claim.batch.ingestion_id for claim in claimed(here, 9)] == [other.id]
    restarted = open_sql(interval=0)
    assert restarted.stats().pauses == what
    assert blocked(restarted).reason == "paused"
    here.resume(what=what)
    assert [claim.batch.ingestion_id for claim in claimed(restarted, 9)] == [urgent.id, ann.id]


def test_the_slots_of_a_host_are_the_same_after_a_restart(open_sql: Open) -> None:
    worker = WorkerReport("a", "a-host", 1, "1.2.3", 4, 0, 0)
    here = open_sql()
    here.report(worker)
    here.change_concurrency("a-host", 2)
    here.leave("a")
    assert open_sql().report(worker._replace(id="b", process=2)) == 2
    assert here.stats().concurrency.some == {"a-host": 2}


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_pause_and_a_resume_that_were_cut_off_are_completed(
    open_sql: Open, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    here, there, ann = open_sql(interval=0), open_sql(interval=0), Pauses(owners=frozenset({"ann"}))
    submit(here, [1], owner="ann")
    if verb == "resume":
        here.pause(what=ann)

    def killed(*_: object, **_more: object) -> None:
        raise SystemExit

    with monkeypatch.context() as fault:
        fault.setattr(parking, "rearranging", killed)
        with pytest.raises(SystemExit):
            getattr(here, verb)(what=ann)
    clock.advance(5)
    sum(there.prune())
    assert isinstance(there.claim(1), Wait) == (verb == "pause")
    assert all((one.limited_by, one.started_at) == ("paused", clock.now()) for one in there.dispatches(9))


def test_a_resume_has_the_last_word_while_another_process_still_parks(open_sql: Open) -> None:
    slow, quick, ann = open_sql(interval=0), open_sql(interval=0), Pauses(owners=frozenset({"ann"}))
    for _ in range(150):
        submit(slow, [1], owner="ann")
    slow.pause(what=ann)
    walk = slow._instance.read(parking.begin)
    quick.resume(what=ann)
    while walk.kinds:
        walk = slow._turns.take(partial(parking.step, walk=walk))
    assert quick.stats().depths[Priority.MEDIUM].parked == 0
    assert len(claimed(quick)) == 1


def test_what_starts_while_its_priority_is_being_parked_is_parked_too(
    open_sql: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_sql(interval=0)
    submit(store, range(9))
    with monkeypatch.context() as patched:
        patched.setattr(parking, "rearranging", lambda *_: ())
        store.pause(what=Pauses(priorities=frozenset({Priority.MEDIUM})))
    walk = store._instance.read(parking.begin)
    claimed(store)
    while walk.kinds:
        walk = store._turns.take(partial(parking.step, walk=walk))
    assert blocked(store).reason == "paused"


def test_a_worker_that_is_gone_is_forgotten_with_the_next_report(open_sql: Open, clock: FakeClock) -> None:
    store, worker = open_sql(lease=60), WorkerReport("gone", "here", 1, "1", 4, 0, 0)
    store.report(worker)
    clock.advance(61)
    store.report(worker._replace(id="b"))
    clock.reset()
    assert [one.id for one in store.workers()] == ["b"]


def test_time_is_the_databases(open_sql: Open) -> None:
    store = open_sql(real_time=True)
    assert submit(store, [1]).created_at == pytest.approx(time.time(), abs=60)
    assert store.stats().now == pytest.approx(time.time(), abs=60)


def test_a_rate_survives_the_end_of_its_process(open_sql: Open, clock: FakeClock) -> None:
    before = open_sql(interval=10)
    submit(before, range(1, 10))
    claimed(before)
    clock.advance(4)
    before.close()
    after = open_sql(interval=10)
    assert after.claim(1) == Wait(6.0, "token")


def test_a_stale_outcome_overwrites_nothing_wherever_it_comes_from(open_sql: Open, clock: FakeClock) -> None:
    frozen, alive = open_sql(interval=0, lease=30), open_sql(interval=0, lease=30)
    ingestion = submit(frozen, [1])
    stale = claimed(frozen)[0]
    clock.advance(31)
    [(lost, _)] = alive.recover()
    assert lost.batch.ids == [1]
    fresh = claimed(alive)[0]
    assert finish(alive, fresh, '"new"') is not None
    assert finish(frozen, stale, '"old"') is None
    frozen.renew([stale])
    assert list(frozen.results(ingestion.id)) == [(1, '"new"')]


def test_a_clock_that_is_behind_places_nothing_before_what_is_there(open_sql: Open, clock: FakeClock) -> None:
    store = open_sql(priority_aging=60)
    first = submit(store, [1])
    clock.advance(-100)
    second, third = submit(store, [2]), submit(store, [3])
    assert first.created_at == second.created_at == third.created_at
    clock.advance(130)
    assert submit(store, [4]).created_at == first.created_at + 30


def test_an_instance_that_somebody_deleted_is_added_again(open_sql: Open, database: str) -> None:
    store = open_sql()
    store.ping()
    raw = Database(parse_url(database, "STORE"), 1, 2.0)
    raw.write(lambda wire: wire.execute(delete(queues), {}))
    raw.close()
    with pytest.raises(StoreUnavailable, match="no longer knows the instance 'ingest'; the next call adds it"):
        store.stats()
    assert submit(store, [1]).order == 1


def test_a_worker_that_again_finds_nothing_waits_for_no_writer(open_sql: Open) -> None:
    idle, busy = open_sql(interval=0, store_timeout=5), open_sql(interval=0)
    assert blocked(idle).reason == "empty"
    assert busy._turns.take(lambda _: blocked(idle)).reason == "empty"


def test_what_is_read_together_is_of_one_moment(open_sql: Open) -> None:
    reader, writer = open_sql(), open_sql()
    submit(writer, [1])
    count = select(func.count()).select_from(ingestions)

    def counts(view: View) -> list[int]:
        before = view.connection.execute(count, {}).scalar()
        submit(writer, [2])
        return [before, view.connection.execute(count, {}).scalar()]

    assert reader._instance.read(counts) == [1, 1]
    assert len(reader.ingestions()) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_lets_go_of_its_parents_connections(open_sql: Open, tmp_path: Path) -> None:
    parent = open_sql(interval=0)
    submit(parent, range(1, 10))
    child = os.fork()
    if child == 0:
        parent.disown()
        parent.get(parent.ingestions()[0].id)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert len(claimed(parent, 3)) == 3
    assert tmp_path.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_sessions_of_its_own_and_ends_none_of_its_parents(postgres: Postgres) -> None:
    parent = SQLStore(settings(store=postgres.new_database(), interval=0), FakeClock(), "ingest")

    def session() -> int:
        return int(parent._database.glance(select(func.pg_backend_pid()), {})[0])

    before = session()
    child = os.fork()
    if child == 0:
        parent.disown()
        is_shared = session() == before
        parent.close()
        os._exit(int(is_shared))
    assert os.waitpid(child, 0)[1] == 0
    assert session() == before
    parent.close()


def test_text_that_databases_dislike_is_kept_readable(open_sql: Open) -> None:
    store = open_sql(interval=0)
    ingestion = submit(store, [1], owner="a\0\ud800b", key="k\0", fingerprint="f")
    assert submit(store, [1], owner="a\0\ud800b", key="k\0", fingerprint="f").id == ingestion.id
    bury(store, claimed(store)[0], BatchError("Boom", "\0 and \udfff"))
    error = store.batches(ingestion.id)[1][0].error
    assert error == BatchError("Boom", "\\0 and \\udfff")


def test_several_limits_hold_over_processes_and_restarts(open_sql: Open, clock: FakeClock) -> None:
    chosen = {"limits": "2/10s burst 2, 3/min burst 3"}
    one, two = open_sql(**chosen), open_sql(**chosen)
    submit(one, range(1, 31))
    assert [len(claimed(one)), len(claimed(two, 9))] == [1, 1]
    clock.advance(10)
    assert len(claimed(two, 9)) == 1
    assert blocked(one) == blocked(open_sql(**chosen))
    assert blocked(one).seconds == 50
    # Without the setting nothing of it is left; with it again it goes on from where it was.
    assert len(claimed(open_sql(interval=0), 1)) == 1
    assert blocked(open_sql(**chosen)).seconds == 50


def test_what_runs_at_once_is_bounded_over_processes(open_sql: Open) -> None:
    one, other = (open_sql(interval=0, upstream_connections=3, store_poll=2) for _ in range(2))
    submit(one, range(1, 30))
    mine, others = claimed(one, 2), claimed(other, 8)
    assert len(others) == 1
    for store in (one, other):
        # Another process may end a batch, so it is asked for again.
        assert blocked(store, 8) == Wait(2.0, "connections")
    finish(other, others[0])
    assert len(claimed(one, 8)) == 1
    finish(one, mine[0])


def test_a_rate_and_a_slow_down_hold_for_every_process_and_the_next(open_sql: Open, clock: FakeClock) -> None:
    one, other = (open_sql(interval=5) for _ in range(2))
    submit(one, range(1, 30))
    (claim,) = claimed(one)
    one.change_rates(Rates(interval=8))
    assert other.slow_down(claim) == 16.0
    clock.advance(15)
    assert blocked(open_sql(interval=5)) == Wait(1.0, "token")
    clock.advance(1)
    claimed(other)
    other.change_rates(Rates(), "ann")
    assert [entry.by for entry in one.audits(9)] == ["ann", None]
    assert one.stats().pace == 16.0


def test_of_an_ingestion_in_smaller_batches_only_the_next_one_may_ride(open_sql: Open) -> None:
    small, large = open_sql(batch_size=2, interval=0), open_sql(batch_size=6, interval=0, fill=True)
    submit(large, [1, 2, 3], Priority.HIGH)
    submit(large, [4, 5], Priority.MEDIUM)
    submit(small, [6, 7, 8], Priority.LOW)
    (call,) = claimed(large)
    # One more id would fit, but its batch is behind one of two.
    assert [one.batch.ids for one in call.all] == [[1, 2, 3], [4, 5]]


def test_a_callback_that_another_process_has_just_sent_is_left_alone(
    open_sql: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"webhook_url": "https://hooks.example.org/in", "webhook_secret": "whsec_" + "A" * 32, "interval": 0}
    slow, quick = open_sql(**told), open_sql(**told)
    submit(slow, [1])
    finish(slow, claimed(slow)[0])
    take = slow._turns.take

    def overtaken(work: Any) -> Any:
        callback = quick.outbox.claim(30)
        assert isinstance(callback, Callback)
        quick.outbox.end(callback, Delivery(CallbackState.SENT))
        return take(work)

    monkeypatch.setattr(slow._turns, "take", overtaken)
    assert slow.outbox.claim(30) == 0.0


@pytest.mark.parametrize("ends", [False, True])
def test_a_sweep_that_another_process_has_just_taken_is_left_to_it(
    open_sql: Open, monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    slow, quick = open_sql(), open_sql()
    slow.sweeps.add(Sweep("s", "cancel", SweepFilter(owner="ann"), None, None, "", 0.0, 0))
    take = slow._turns.take

    def overtaken(work: Any) -> Any:
        taken = quick.sweeps.claim(30)
        assert isinstance(taken, Sweep)
        assert not ends or quick.sweeps.act(taken, [], taken.cursor, 30, last=True)
        return take(work)

    monkeypatch.setattr(slow._turns, "take", overtaken)
    assert slow.sweeps.claim(30) == 0.0
