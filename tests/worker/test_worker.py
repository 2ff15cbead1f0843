"""The worker: how it makes itself known, when it looks again, and whose lists are whose."""

from __future__ import annotations

import gc
import json
import logging
import os
import socket
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pytest
from flask import Flask

from app import (
    HoldQueue,
    batch_started,
)
from app.core import Claim, Wait
from app.core.models import Batch, Status
from app.memory.store import MemoryStore
from app.signals import Emitter
from app.worker import Worker
from tests.support.clock import START, FakeClock, Waits
from tests.support.host import BOUND, Host, eventually
from tests.support.queueing import claimed, settings, submit
from tests.support.working import Gate, echo, in_a_thread, joined

Serve = Callable[..., Host]


def test_it_makes_itself_known_while_it_works(serve: Serve, gate: Gate) -> None:
    host = serve(gate, concurrency=3, lease=30)
    ingestion = host.submit([1])
    gate.wait_for_a_call()
    (worker,) = host.store.workers()
    assert (worker.process, worker.host, worker.slots) == (os.getpid(), socket.gethostname(), 3)
    assert [one["busy"] for one in (host.client.get("/queue").json or {})["workers"]] == [1], "not only once it reports"
    host.advance(10)
    eventually(lambda: host.store.workers()[0].seen_at == host.clock.now())
    assert host.store.workers()[0]._replace(seen_at=START) == worker._replace(busy=1, seen_at=START)
    (told,) = (host.client.get("/queue").json or {})["workers"]
    assert (told["id"], told["process"], told["busy"]) == (worker.id, os.getpid(), 1)
    assert [(one["ingestion_id"], one["attempt"]) for one in told["runs"]] == [(ingestion.id, 1)]
    gate.opened.set()
    host.ingestion.stop()
    assert host.store.workers() == []
    host.ingestion.start()
    eventually(host.store.workers)


def test_a_start_that_comes_while_it_takes_leave_is_a_start(troubled: Serve, gate: Gate) -> None:
    host = troubled(gate, interval=0)
    worker, calls = host.service.worker, host.store.faults
    calls["leave"] = lambda: (calls.clear(), worker.start())
    worker.stop_claiming()
    eventually(lambda: not calls)
    ingestion = host.submit([1])
    gate.wait_for_a_call()
    eventually(lambda: [one.id for one in host.store.workers()] == [worker.id])
    stop = in_a_thread(lambda: worker.stop(60))
    eventually(lambda: worker.state == "stopping")
    gate.opened.set()
    host.finished(ingestion.id)
    joined(stop)
    assert host.store.workers() == []


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), 1e308, -1.0, "60", None])
def test_a_hold_of_no_moment_fails_the_attempt_and_names_it(serve: Serve, seconds: Any) -> None:
    def processor(_: Sequence[int]) -> None:
        raise HoldQueue(seconds)

    host = serve(processor, max_attempts=1)
    ingestion = host.submit([1])
    host.finished(ingestion.id)
    error = host.error(ingestion.id)
    assert error is not None
    assert error[0] == "ValueError"
    assert error[1] == f"HoldQueue takes a number of seconds from 0 to 31622400, not {seconds!r}."
    for path in ("/queue", f"/status/{ingestion.id}"):
        assert host.client.get(path).status_code == 200


class TestAChangedList:
    """A processor or receiver that changes its list changes no other's."""

    IDS: ClassVar = [30, 10, 20]

    def data(self, host: Host, ingestion_id: str) -> dict[int, Any]:
        return {one: json.loads(data) for one, data in host.store.results(ingestion_id)}

    @pytest.mark.parametrize(
        "change", [list.sort, list.pop, list.clear, lambda ids: ids.__setitem__(slice(None), [1, 2, 3, 4])]
    )
    def test_by_the_processor(self, serve: Serve, change: Callable[[list[int]], None]) -> None:
        def processor(ids: list[int]) -> dict[int, str]:
            found = {one: f"record {one}" for one in ids}
            change(ids)
            return found

        host = serve(processor)
        ingestion = host.submit(self.IDS)
        host.finished(ingestion.id)
        assert self.data(host, ingestion.id) == {one: f"record {one}" for one in self.IDS}
        lines = host.client.get(f"/results/{ingestion.id}").text.splitlines()
        assert [json.loads(line)["id"] for line in lines] == self.IDS

    def test_sorted_before_a_list_is_returned(self, serve: Serve) -> None:
        def processor(ids: list[int]) -> list[str]:
            ids.sort()
            return [f"record {one}" for one in ids]

        host = serve(processor)
        ingestion = host.submit(self.IDS)
        host.finished(ingestion.id)
        assert self.data(host, ingestion.id) == {one: f"record {one}" for one in self.IDS}

    def test_by_a_receiver(self, serve: Serve) -> None:
        def receiver(_: Any, *, batch: Batch, **__: Any) -> None:
            batch.ids.clear()

        host = serve(echo, autostart=False)
        with batch_started.connected_to(receiver, sender=host.app):
            ingestion = host.submit(self.IDS)
            host.ingestion.start()
            host.finished(ingestion.id)
        assert self.data(host, ingestion.id) == {one: one for one in self.IDS}


def test_it_reports_as_it_starts_and_each_third_of_a_lease(troubled: Serve) -> None:
    host, reports = troubled(echo, lease=30, autostart=False), list[float]()
    host.store.faults["report"] = lambda: reports.append(host.clock.now() - START)
    host.ingestion.start()
    for _ in range(3):
        host.finished(host.submit([1]).id)
        host.advance(5)
    eventually(lambda: len(reports) == 2)
    assert reports == [0, 10]


def test_each_third_of_a_lease_it_forgets_what_ended(troubled: Serve) -> None:
    host, pruned = troubled(echo, lease=30, autostart=False), threading.Semaphore(0)
    host.store.faults["prune"] = pruned.release
    host.ingestion.start()
    assert pruned.acquire(timeout=BOUND)
    for _ in range(3):
        host.advance(9.9)
        host.finished(host.submit([1]).id)
        assert not pruned.acquire(blocking=False)
        host.advance(0.1)
        assert pruned.acquire(timeout=BOUND)


def test_with_nothing_to_do_it_looks_again_after_a_third_of_a_lease_and_says_nothing(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Waits("ingest-worker")
    host = serve(echo, clock=clock, lease=30)
    for passed, left in ((0, 10), (4, 6), (5.5, 0.5), (0.5, 10)):
        host.advance(passed)
        eventually(lambda left=left: clock.latest == (False, left))  # type: ignore[misc]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_between_two_starts_it_waits_for_the_token(serve: Serve) -> None:
    clock = Waits("ingest-worker")
    host = serve(echo, clock=clock, interval=5, lease=3000)
    host.submit([1, 2, 3, 4])
    eventually(lambda: clock.latest == (False, 5))
    host.advance(2)
    eventually(lambda: clock.latest == (False, 3))


def test_while_batches_run_it_waits_for_the_first_time_out(serve: Serve, gate: Gate) -> None:
    clock = Waits("ingest-worker")
    host = serve(gate, clock=clock, interval=2, concurrency=2, process_timeout=7, lease=60)
    host.submit([1, 2, 3, 4])
    gate.wait_for_a_call()
    host.advance(2)
    gate.wait_for_a_call()
    eventually(lambda: clock.latest == (False, 5))
    host.advance(3)
    eventually(lambda: clock.latest == (False, 2))
    assert not host.heard.all("retried")


def test_what_is_added_while_it_looks_is_found(serve: Serve, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(MemoryStore):
        """Somebody submits after the worker's claim has found nothing, before it hears of that."""

        late: list[Callable[[], Any]] = []  # noqa: RUF012

        def claim(self, limit: int, *, was_full: bool = False) -> list[Claim] | Wait:
            answer = super().claim(limit, was_full=was_full)
            own = threading.current_thread().name == "ingest-worker"
            if own and self.late and answer == Wait(None, "empty"):
                self.late.pop()()
            return answer

    monkeypatch.setattr("app.extension.open_store", lambda settings, clock, _: Late(settings, clock))
    host = serve(gate, interval=0, concurrency=1, lease=9000)
    host.submit([1])
    gate.wait_for_a_call()
    eventually(lambda: host.service.worker._waiting_on == "slots")
    Late.late.append(lambda: host.submit([2]))
    gate.opened.set()
    gate.wait_for_a_call()
    assert [list(ids) for ids in gate.calls] == [[1], [2]]


def test_what_is_added_right_after_a_start_was_not_limited_by_slots(
    serve: Serve, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(MemoryStore):
        """Somebody submits after the worker has claimed a batch, before it claims the next."""

        late: list[Callable[[], Any]] = []  # noqa: RUF012

        def claim(self, limit: int, *, was_full: bool = False) -> list[Claim] | Wait:
            answer = super().claim(limit, was_full=was_full)
            if self.late and not isinstance(answer, Wait):
                self.late.pop()()
            return answer

    monkeypatch.setattr("app.extension.open_store", lambda settings, clock, _: Late(settings, clock))
    host = serve(gate, interval=0, concurrency=2, lease=9000)
    Late.late.append(lambda: host.submit([2]))
    host.submit([1])
    for _ in range(2):
        gate.wait_for_a_call()
    assert [one.limited_by for one in host.store.dispatches(9)] == ["arrival"] * 2


def test_one_that_is_dropped_leaves_no_thread() -> None:
    clock = Waits("dropped-worker")
    chosen = settings(lease=60)
    worker = Worker("dropped", MemoryStore(chosen, clock), chosen, clock, echo, Emitter("dropped", Flask("host")))
    worker.start()
    eventually(lambda: clock.latest == (False, 20))
    dropped, alarm = weakref.ref(worker), worker.alarm
    del worker
    gc.collect()
    assert dropped() is None
    alarm()
    eventually(lambda: "dropped-worker" not in {thread.name for thread in threading.enumerate()})


def test_between_the_steps_in_which_it_forgets_it_dispatches(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    host, waiting, pruned = serve(echo, interval=0, lease=30), list[int](), threading.Event()
    host.finished(host.submit([1]).id)

    def prune() -> Iterator[int]:
        for _ in range(3):
            ingestion = host.submit([1])
            yield 1
            waiting.append(host.store.get(ingestion.id).counts.yet_to_start)
        pruned.set()

    monkeypatch.setattr(host.store, "prune", prune)
    host.advance(10)
    assert pruned.wait(BOUND)
    assert waiting == [0, 0, 0]


def test_it_forgets_on_while_nothing_else_happens(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    host, pruned = serve(echo, lease=30), threading.Event()

    def prune() -> Iterator[int]:
        yield from range(3)
        pruned.set()

    monkeypatch.setattr(host.store, "prune", prune)
    host.advance(10)
    assert pruned.wait(BOUND)


def test_it_recovers_as_it_starts() -> None:
    """Where each process lives for less than a third of a lease, nobody else would."""
    chosen, clock = settings(lease=30), FakeClock()
    store = MemoryStore(chosen, clock)
    lost = submit(store, [1])
    claimed(store)
    clock.advance(30)
    worker = Worker("another", store, chosen, clock, echo, Emitter("another", Flask("host")))
    worker.start()
    eventually(lambda: store.get(lost.id).status is Status.COMPLETED)
    worker.stop(BOUND)


def test_between_the_steps_in_which_it_recovers_it_dispatches(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    host, waiting = serve(echo, interval=0, lease=30), list[int]()
    lost = host.submit([1])
    host.finished(lost.id)
    claim = Claim(next(iter(host.store.batches(lost.id)[1])), START, START)
    pending = [[(claim, lost)], [(claim, lost)], []]

    def recover() -> list[tuple[Claim, Any]]:
        waiting.append(host.store.stats().waiting)
        host.submit([1])
        return pending.pop(0) if pending else []

    monkeypatch.setattr(host.store, "recover", recover)
    host.advance(10)
    eventually(lambda: len(waiting) == 3)
    assert waiting == [0, 0, 0]
