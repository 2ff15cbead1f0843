"""The worker, whatever the processor, the store, the threads or the host do to it."""

from __future__ import annotations

import _thread
import ctypes
import gc
import json
import logging
import os
import re
import socket
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
from flask import Flask

from app import (
    HoldQueue,
    PermanentError,
    batch_completed,
    batch_failed,
    batch_started,
    ingestion_accepted,
    ingestion_finished,
    queue_held,
)
from app.core import Claim, Wait
from app.core.models import LOST, Batch, Counts, Status
from app.errors import InvalidRequest, StoreUnavailable
from app.memory.store import MemoryStore
from app.signals import Emitter
from app.worker import Worker
from tests.support.clock import START, FakeClock, Waits
from tests.support.host import BOUND, Host, eventually
from tests.support.queueing import claimed, settings
from tests.support.troubled import TroubledStore

Serve = Callable[..., Host]


class Gate:
    """A processor that blocks on chosen ids until it is let through."""

    def __init__(self, *held: int) -> None:
        self.held = set(held)
        self.calls: list[Sequence[int]] = []
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()
        self.error: BaseException | None = None

    def __call__(self, ids: Sequence[int]) -> list[str]:
        self.calls.append(ids)
        self.entered.release()
        if not self.held or self.held & set(ids):
            assert self.opened.wait(BOUND)
            if self.error:
                raise self.error
        return ["done"] * len(ids)

    def wait_for_a_call(self) -> None:
        assert self.entered.acquire(timeout=BOUND)


@pytest.fixture
def troubled(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """As `serve`, over a TroubledStore."""
    monkeypatch.setattr("app.extension.open_store", lambda settings, clock, _: TroubledStore(settings, clock))
    return serve


@pytest.fixture
def gate() -> Any:
    gate = Gate()
    yield gate
    gate.opened.set()


def echo(ids: Sequence[int]) -> dict[int, int]:
    return {one: one for one in ids}


def in_a_thread(call: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread


def joined(thread: threading.Thread) -> None:
    thread.join(BOUND)
    assert not thread.is_alive()


def traceback_of(records: Sequence[logging.LogRecord], message: str) -> list[str]:
    """The exceptions logged with a message that holds these words."""
    found = [record for record in records if message in record.getMessage()]
    return [str(record.exc_info[1]) if record.exc_info else "" for record in found]


def test_it_makes_itself_known_while_it_works(serve: Serve, gate: Gate) -> None:
    host = serve(gate, concurrency=3, lease=30)
    ingestion = host.submit([1])
    gate.wait_for_a_call()
    (worker,) = host.store.workers()
    assert (worker.process, worker.host, worker.slots) == (os.getpid(), socket.gethostname(), 3)
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
    worker, calls = host.service.worker, host.store.trouble
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


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), 1e308, -1.0])
def test_a_hold_of_no_moment_fails_the_attempt_and_names_it(serve: Serve, seconds: float) -> None:
    def processor(_: Sequence[int]) -> None:
        raise HoldQueue(seconds)

    host = serve(processor, max_attempts=1)
    ingestion = host.submit([1])
    host.finished(ingestion.id)
    error = host.error(ingestion.id)
    assert error is not None
    assert error[0] == "ValueError"
    assert f"not {seconds!r}" in error[1]
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


class TestSchedule:
    def test_the_default_schedule(self, serve: Serve) -> None:
        host = serve(echo)
        medium = host.submit([1, 2, 3, 4, 5], "MEDIUM")
        host.heard.until("completed", 1)
        host.advance(4)
        high = host.submit([6, 7, 8, 9], "HIGH")
        for number in (2, 3, 4):
            host.advance(START + 5 * (number - 1) - host.clock.now())
            host.heard.until("completed", number)
        starts = [(one["batch"].ids) for one in host.heard.all("started")]
        assert starts == [[1, 2, 3], [6, 7, 8], [9], [4, 5]]
        assert [one.started_at - START for one in host.store.dispatches(9)] == [0, 5, 10, 15]
        assert host.finished(medium.id).finished_at == START + 15
        assert host.finished(high.id).finished_at == START + 10

    def test_the_first_start_waits_for_nothing_and_the_last_end_is_logged(
        self, serve: Serve, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, logger="flask_ingestion"):
            host = serve(echo)
            ingestion = host.submit([1, 2, 3, 4])
            eventually(lambda: host.service.worker._waiting_on == "token")
            host.advance(5)
            host.finished(ingestion.id)
        assert [one.limited_by for one in host.store.dispatches(9)] == ["arrival", "token"]
        assert f"ingestion {ingestion.id} ended: completed" in caplog.text
        assert f"of ingestion {ingestion.id}, attempt 1" in caplog.text
        of_batches = {getattr(record, "batch_id", "") for record in caplog.records} - {""}
        assert of_batches == {one["batch"].id for one in host.heard.all("started")}
        assert {getattr(record, "ingestion_id", ingestion.id) for record in caplog.records} == {ingestion.id}

    def test_a_thread_whose_next_start_is_later_leaves(self, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
        host = serve(echo)
        host.heard.stop_listening()  # With a receiver of batch_completed, an ack would not claim.
        ingestion = host.submit([1, 2, 3, 4])
        eventually(lambda: host.ingestion.get(ingestion.id).counts.completed == 1 and not batch_threads(host))
        host.advance(5)
        eventually(lambda: host.ingestion.get(ingestion.id).status == Status.COMPLETED)
        assert "died" not in caplog.text

    def test_slow_work_is_not_added_to_the_interval(self, serve: Serve, gate: Gate) -> None:
        host = serve(gate, concurrency=2)
        host.submit(range(1, 10))
        gate.wait_for_a_call()
        host.advance(5)
        gate.wait_for_a_call()
        host.advance(5)
        # Both slots are taken, so the third waits for one, then goes at once.
        assert host.store.stats().running == 2
        gate.held = {10}
        host.advance(2)
        gate.opened.set()
        host.heard.until("completed", 3)
        dispatches = host.store.dispatches(9)
        assert [one.started_at - START for one in dispatches] == [0, 5, 12]
        assert dispatches[2].limited_by == "slots"

    def test_no_more_than_the_concurrency_at_once(self, serve: Serve) -> None:
        lock, now, most = threading.Lock(), 0, 0
        both = threading.Barrier(2, timeout=BOUND)

        def processor(_: Sequence[int]) -> None:
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            both.wait()
            with lock:
                now -= 1

        host = serve(processor, interval=0, concurrency=2, batch_size=1)
        assert host.finished(host.submit(range(1, 41)).id).status == Status.COMPLETED
        assert most == 2

    def test_more_run_at_once_as_soon_as_they_may(self, serve: Serve, gate: Gate) -> None:
        host = serve(gate, interval=0, concurrency=1, concurrency_most=3, batch_size=1)
        host.submit(range(1, 10))
        gate.wait_for_a_call()
        host.service.change_concurrency({"concurrency": 3})
        for _ in range(2):
            gate.wait_for_a_call()
        assert host.store.stats().running == 3
        with pytest.raises(InvalidRequest, match="concurrency must be a whole number from 1 to 3"):
            host.service.change_concurrency({"concurrency": 4})
        host.service.change_concurrency({"concurrency": 2.0})
        assert host.store.audits(1)[0].after == {"concurrency": {"each": 2}}
        gate.opened.set()

    def test_what_another_process_changed_is_followed_with_the_next_report(self, serve: Serve, gate: Gate) -> None:
        host = serve(gate, interval=0, concurrency=1, concurrency_most=2, batch_size=1, lease=30)
        host.submit(range(1, 10))
        gate.wait_for_a_call()
        host.store.change_concurrency(None, 2)
        host.advance(10)
        gate.wait_for_a_call()
        assert host.store.stats().running == 2
        gate.opened.set()


class TestProcessorFails:
    def test_it_is_tried_again_then_failed_and_the_rest_goes_on(
        self, serve: Serve, caplog: pytest.LogCaptureFixture
    ) -> None:
        def processor(ids: Sequence[int]) -> None:
            if 1 in ids:
                raise OSError("no route to Oslo")

        host = serve(processor, interval=0, backoff=0, max_attempts=3)
        ingestion = host.finished(host.submit(range(1, 6)).id)
        assert ingestion.status == Status.FAILED
        assert ingestion.counts == Counts(completed=1, failed=1)
        assert host.error(ingestion.id) == ("OSError", "no route to Oslo")
        assert [one["batch"].attempt for one in host.heard.all("started") if 1 in one["batch"].ids] == [1, 2, 3]
        assert traceback_of(caplog.records, "attempt 3 at batch") == ["no route to Oslo"]
        [failed] = host.heard.all("failed")
        assert (failed["batch"].position, failed["error"].type) == (0, "OSError")
        assert (
            f"batch {failed['batch'].id} of ingestion {ingestion.id} failed: OSError: no route to Oslo" in caplog.text
        )

    def test_it_waits_for_its_backoff(self, serve: Serve) -> None:
        failures = iter([OSError("once"), OSError("twice")])

        def processor(_: Sequence[int]) -> None:
            for error in failures:
                raise error

        host = serve(processor, interval=0, backoff=8, backoff_max=10)
        ingestion = host.submit([1])
        for number, bound in enumerate([8, 10], 1):
            host.heard.until("started", number)
            eventually(lambda: host.store.stats().waiting_on == "retry")
            host.advance(bound)
        assert host.finished(ingestion.id).status == Status.COMPLETED
        assert [(one.started_at - START, one.attempt) for one in host.store.dispatches(9)] == [(0, 1), (8, 2), (18, 3)]

    def test_each_attempt_pays_a_token(self, serve: Serve) -> None:
        failures = iter([OSError("once"), OSError("twice")])

        def processor(_: Sequence[int]) -> None:
            for error in failures:
                raise error

        host = serve(processor, interval=4, backoff=0)
        ingestion = host.submit([1])
        for number in (1, 2):
            host.heard.until("started", number)
            eventually(lambda: host.store.stats().waiting_on == "token")
            host.advance(4)
        host.finished(ingestion.id)
        assert [one.started_at - START for one in host.store.dispatches(9)] == [0, 4, 8]

    def test_a_permanent_error_fails_at_once(self, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
        def processor(_: Sequence[int]) -> None:
            raise PermanentError("no such id")

        host = serve(processor, interval=0)
        ingestion = host.finished(host.submit([1]).id)
        assert host.error(ingestion.id) == ("PermanentError", "no such id")
        assert len(host.heard.all("started")) == 1
        # It is no bug of the processor's, so nobody needs to know where it was raised.
        assert traceback_of(caplog.records, "attempt 1 at batch") == [""]

    def test_an_error_that_cannot_be_said_is_still_one(self, serve: Serve) -> None:
        class SpeechlessError(Exception):
            def __str__(self) -> str:
                raise RuntimeError

        def processor(_: Sequence[int]) -> None:
            raise SpeechlessError

        host = serve(processor, interval=0, max_attempts=1)
        ingestion = host.finished(host.submit([1]).id)
        assert host.error(ingestion.id) == ("SpeechlessError", "its message cannot be had: RuntimeError")

    def test_hold_queue_holds_everything_and_costs_no_attempt(
        self, serve: Serve, caplog: pytest.LogCaptureFixture
    ) -> None:
        holds = iter([HoldQueue(30, "429 from upstream")])

        def processor(_: Sequence[int]) -> None:
            for hold in holds:
                raise hold

        host = serve(processor, interval=0, concurrency=1, max_attempts=1)
        ingestion = host.submit(range(1, 6))
        eventually(lambda: host.store.stats().waiting_on == "hold")
        high = host.submit([9], "HIGH")
        host.advance(30)
        assert host.finished(ingestion.id).status == Status.COMPLETED
        host.finished(high.id)
        assert [(one.started_at - START, one.attempt) for one in host.store.dispatches(9)] == [
            (0, 1), (30, 1), (30, 1), (30, 1),
        ]  # fmt: skip
        assert "429 from upstream; holding for 30 s" in caplog.text

    def test_one_that_was_cancelled_ends_with_its_hold(self, serve: Serve, gate: Gate) -> None:
        host = serve(gate)
        ingestion = host.submit([1])
        gate.wait_for_a_call()
        host.ingestion.cancel(ingestion.id)
        gate.error = HoldQueue(30)
        gate.opened.set()
        assert host.finished(ingestion.id).status == Status.CANCELLED

    @pytest.mark.parametrize(
        "returned",
        [
            object(),
            {1, 2},
            "ab",
            b"ab",
            [1],
            [1, 2, 3],
            {3: 1},
            {"1": 1},
            [float("nan"), 1],
            [object(), 1],
            (x for x in "ab"),
        ],
        ids=lambda value: repr(value)[:20],
    )
    def test_what_is_not_json_for_its_ids_fails_at_once(self, serve: Serve, returned: Any) -> None:
        host = serve(lambda _: returned, interval=0)
        ingestion = host.finished(host.submit([1, 2]).id)
        assert host.error(ingestion.id)[0] == "InvalidResult"
        assert len(host.heard.all("started")) == 1
        assert list(host.ingestion.results(ingestion.id)) == []

    def test_a_result_nested_without_end_fails_at_once(self, serve: Serve) -> None:
        endless: list[Any] = []
        endless.append(endless)
        host = serve(lambda _: [endless], interval=0)
        assert host.error(host.finished(host.submit([1]).id).id)[0] == "InvalidResult"


def raise_system_exit() -> None:
    raise SystemExit(3)


def raise_keyboard_interrupt() -> None:
    raise KeyboardInterrupt


def raise_from_outside() -> None:
    ident = ctypes.c_ulong(threading.get_ident())
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(SystemExit))
    for _ in range(10**7):
        pass


def recurse() -> None:
    recurse()


class TestThreads:
    @pytest.mark.parametrize(
        "kill", [raise_system_exit, raise_keyboard_interrupt, _thread.exit, raise_from_outside, recurse]
    )
    def test_a_processor_that_ends_its_thread_only_fails_its_batch(self, serve: Serve, kill: Any) -> None:
        def processor(ids: Sequence[int]) -> None:
            if 1 in ids:
                kill()

        host = serve(processor, interval=0, backoff=0, max_attempts=2, concurrency=1)
        ingestion = host.finished(host.submit(range(1, 6)).id)
        assert ingestion.counts == Counts(completed=1, failed=1)
        assert host.finished(host.submit([7]).id).status == Status.COMPLETED
        assert host.service.worker.state == "running"

    def test_a_processor_that_hangs_is_given_up(self, serve: Serve, gate: Gate) -> None:
        gate.held = {1}
        clock = Waits("ingest-worker")
        host = serve(gate, clock=clock, interval=0, concurrency=1, max_attempts=1, process_timeout=300, lease=10_000)
        ingestion = host.submit([1])
        other = host.submit([2])
        gate.wait_for_a_call()
        host.advance(299.5)
        eventually(lambda: clock.latest == (False, 0.5))
        assert not host.heard.all("failed")
        host.advance(0.5)
        assert host.finished(ingestion.id).status == Status.FAILED
        assert host.error(ingestion.id) == ("TimeoutError", "the processor did not return within 300 s")
        assert host.finished(other.id).status == Status.COMPLETED
        gate.opened.set()
        eventually(lambda: not batch_threads(host))
        assert host.ingestion.get(ingestion.id).status == Status.FAILED
        assert list(host.ingestion.results(ingestion.id)) == []

    def test_what_waits_for_its_slot_was_limited_by_slots(self, serve: Serve, gate: Gate) -> None:
        host = serve(gate, interval=0, concurrency=1, max_attempts=1, process_timeout=60, lease=10_000)
        host.submit([1])
        gate.wait_for_a_call()
        eventually(lambda: host.service.worker._waiting_on == "slots")
        host.submit([2])
        host.advance(60)
        gate.wait_for_a_call()
        assert [one.limited_by for one in host.store.dispatches(9)] == ["arrival", "slots"]

    def test_so_was_what_waits_for_a_connection(self, serve: Serve, gate: Gate) -> None:
        more = {"upstream_connections": 1, "max_attempts": 1, "process_timeout": 60, "lease": 10_000}
        host = serve(gate, interval=0, concurrency=2, **more)
        host.submit([1, 2, 3, 4])
        gate.wait_for_a_call()
        eventually(lambda: host.service.worker._waiting_on == "connections")
        host.advance(60)
        gate.wait_for_a_call()
        assert [one.limited_by for one in host.store.dispatches(9)] == ["arrival", "slots"]

    @pytest.mark.parametrize("heard", [True, False])
    def test_what_waits_for_the_only_slot_was_limited_by_slots(self, serve: Serve, gate: Gate, heard: bool) -> None:
        host = serve(gate, interval=0, concurrency=1)
        if not heard:
            host.heard.stop_listening()
        host.submit([1])
        gate.wait_for_a_call()
        host.submit([2])
        gate.opened.set()
        gate.wait_for_a_call()
        assert [one.limited_by for one in host.store.dispatches(9)] == ["arrival", "slots"]

    def test_a_receiver_that_hangs_after_a_time_out_holds_up_no_start(self, serve: Serve, gate: Gate) -> None:
        gate.held, released, reached = {1}, threading.Event(), threading.Event()

        def receiver(*_: Any, **__: Any) -> None:
            reached.set()
            released.wait(BOUND)

        host = serve(gate, interval=0, concurrency=1, max_attempts=1, process_timeout=60, lease=10_000)
        with batch_failed.connected_to(receiver, sender=host.app):
            host.submit([1])
            gate.wait_for_a_call()
            host.advance(60)
            assert reached.wait(BOUND)
            later = host.submit([2])
            eventually(lambda: host.ingestion.get(later.id).status == Status.COMPLETED)
            assert not released.is_set()
            released.set()
            host.heard.until("failed")

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
    def test_a_receiver_that_raises_after_a_time_out_does_not_end_the_worker(
        self, serve: Serve, gate: Gate, error: type[BaseException]
    ) -> None:
        gate.held, raised = {1}, threading.Event()

        def receiver(*_: Any, **__: Any) -> None:
            raised.set()
            raise error("on purpose")

        host = serve(gate, interval=0, concurrency=1, max_attempts=1, process_timeout=60, lease=10_000)
        with batch_failed.connected_to(receiver, sender=host.app):
            host.submit([1])
            gate.wait_for_a_call()
            host.advance(60)
            assert raised.wait(BOUND)
            later = host.submit([2])
            eventually(lambda: host.ingestion.get(later.id).status == Status.COMPLETED)
        assert host.service.worker.state == "running"

    @pytest.mark.parametrize("trouble", [RuntimeError, KeyboardInterrupt, SystemExit])
    def test_an_error_whose_text_cannot_be_had_fails_its_batch(
        self, serve: Serve, trouble: type[BaseException]
    ) -> None:
        class Mute(Exception):
            def __str__(self) -> str:
                raise trouble("no text")

        def processor(_: Sequence[int]) -> None:
            raise Mute

        host = serve(processor, max_attempts=1)
        ingestion = host.finished(host.submit([1]).id)
        assert ingestion.status == Status.FAILED
        assert host.error(ingestion.id) == ("Mute", f"its message cannot be had: {trouble.__name__}")

    def test_with_too_many_hung_threads_it_is_stuck_until_one_ends(
        self, serve: Serve, gate: Gate, caplog: pytest.LogCaptureFixture
    ) -> None:
        host = serve(gate, interval=0, concurrency=1, max_attempts=1, process_timeout=60, lease=10_000)
        for number in range(1, 11):
            assert host.service.worker.state == "running"
            assert host.client.get("/livez").status_code == 200
            host.submit([number])
            gate.wait_for_a_call()
            host.advance(60)
            host.heard.until("failed", number)
        later = host.submit([11])
        assert host.service.worker.abandoned == 10
        assert host.service.worker.state == "stuck"
        eventually(lambda: "'ingest' waits on: abandoned threads" in caplog.text)
        for path in ("/livez", "/readyz"):
            answer = host.client.get(path)
            assert (answer.status_code, answer.json and answer.json["detail"]) == (503, "The worker is stuck.")
        assert 'ingestion_abandoned_threads{queue="ingest"} 10.0' in host.client.get("/metrics").text
        titles = [alert["title"] for alert in (host.client.get("/dashboard/data").json or {})["alerts"]]
        assert titles == ["The worker is stuck"]
        gate.opened.set()
        assert host.finished(later.id).status == Status.COMPLETED
        eventually(lambda: host.service.worker.abandoned == 0)
        assert host.service.worker.state == "running"

    def test_a_hung_attempt_that_ends_later_does_not_end_the_next(self, serve: Serve, gate: Gate) -> None:
        second = Gate()
        gates = [gate, second]
        host = serve(lambda ids: gates.pop(0)(ids), interval=0, max_attempts=1, process_timeout=60, lease=10_000)
        ingestion = host.submit([1])
        gate.wait_for_a_call()
        host.advance(60)
        host.finished(ingestion.id)
        host.ingestion.redrive(ingestion.id)
        second.wait_for_a_call()
        gate.error = PermanentError("too late")
        gate.opened.set()
        eventually(lambda: len(batch_threads(host)) == 1)
        assert host.ingestion.get(ingestion.id).status == Status.TRIGGERED
        second.opened.set()
        eventually(lambda: host.ingestion.get(ingestion.id).finished_at is not None)
        assert host.ingestion.get(ingestion.id).status == Status.COMPLETED
        host.ingestion.stop(0)
        eventually(lambda: "ingest-announcer" not in {one.name for one in threading.enumerate()})

    def test_a_thread_that_cannot_be_started_costs_no_attempt(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        refused = refuse_threads(monkeypatch, "ingest-batch", times=1)
        host = serve(echo, interval=0)
        ingestion = host.submit([1])
        assert refused.wait(BOUND)
        eventually(lambda: host.store.stats().waiting_on == "hold")
        assert "no thread could be started" in caplog.text
        host.advance(1)
        assert host.finished(ingestion.id).status == Status.COMPLETED
        assert host.service.store.batches(ingestion.id)[1][0].attempt == 1

    def test_a_worker_that_cannot_be_started_is_started_with_the_next_request(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        refuse_threads(monkeypatch, "ingest-worker", times=2)
        host = serve()
        with pytest.raises(RuntimeError):
            host.ingestion.start()
        assert host.service.worker.state == "off"
        ingestion = host.submit([1])
        assert "could not be started" in caplog.text
        assert host.client.get("/readyz").json["worker"] == "running"
        assert host.finished(ingestion.id).status == Status.COMPLETED

    def test_a_batch_thread_that_dies_leaves_its_batch_to_the_lease(
        self, troubled: Serve, caplog: pytest.LogCaptureFixture
    ) -> None:
        host = troubled(echo, interval=0, lease=60)
        host.store.fail(ZeroDivisionError("a bug"), "ack", times=1)
        ingestion = host.submit([1])
        eventually(lambda: traceback_of(caplog.records, "a batch thread of 'ingest' died") == ["a bug"])
        eventually(lambda: host.service.worker.running == 0)
        host.advance(60)
        assert host.finished(ingestion.id).status == Status.COMPLETED
        assert host.service.store.batches(ingestion.id)[1][0].attempt == 2
        [lost] = host.heard.all("retried")
        assert (lost["error"], lost["delay"], lost["batch"].attempt) == (LOST, 0, 1)
        assert lost["attempt"] == (60, 0)

    def test_an_attempt_that_fails_after_its_ingestion_was_cancelled_is_not_retried(
        self, serve: Serve, gate: Gate
    ) -> None:
        gate.error = RuntimeError("too late")
        host = serve(gate, interval=0)
        ingestion = host.submit([1])
        gate.wait_for_a_call()
        host.ingestion.cancel(ingestion.id)
        gate.opened.set()
        assert host.finished(ingestion.id).status == Status.CANCELLED
        assert host.heard.all("retried") == []

    def test_a_batch_lost_at_its_last_attempt_is_told_of(self, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
        host = serve(echo, interval=0, lease=60, max_attempts=1, autostart=False)
        ingestion = host.submit([7, 8])
        claimed(host.store)  # By a process that then disappears.
        host.ingestion.start()
        host.advance(60)
        assert host.finished(ingestion.id).status == Status.FAILED
        [lost] = host.heard.all("failed")
        assert (lost["error"], lost["batch"].ids, lost["batch"].status) == (LOST, [7, 8], Status.FAILED)
        assert "is lost: the worker did not report back in time" in caplog.text


def batch_threads(host: Host) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"{host.ingestion.name}-batch"]


def refuse_threads(monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> threading.Event:
    """Make a number of starts of a thread of this name fail; the event is set with the last."""
    start, left, last = threading.Thread.start, [times], threading.Event()

    def refuse(thread: threading.Thread) -> None:
        if thread.name == name and left[0]:
            left[0] -= 1
            if not left[0]:
                last.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    return last


def test_it_reports_as_it_starts_and_each_third_of_a_lease(troubled: Serve) -> None:
    host, reports = troubled(echo, lease=30, autostart=False), list[float]()
    host.store.trouble["report"] = lambda: reports.append(host.clock.now() - START)
    host.ingestion.start()
    for _ in range(3):
        host.finished(host.submit([1]).id)
        host.advance(5)
    eventually(lambda: len(reports) == 2)
    assert reports == [0, 10]


def test_each_third_of_a_lease_it_forgets_what_ended(troubled: Serve) -> None:
    host, pruned = troubled(echo, lease=30), threading.Semaphore(0)
    host.store.trouble["prune"] = pruned.release
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


class TestStoreFails:
    def test_it_is_asked_again_until_it_is_back(self, troubled: Serve, caplog: pytest.LogCaptureFixture) -> None:
        host = troubled(echo, interval=0)
        host.store.fail(StoreUnavailable("connection refused"), "claim", "ping")
        ingestion = host.submit([1])
        waits = ["0.5", "1", "2", "4", "8", "10", "10"]
        for number, expected in enumerate(waits, 1):
            eventually(lambda number=number: len(waits_in(caplog)) >= number)
            ready = host.client.get("/readyz")
            assert (ready.status_code, ready.headers["Retry-After"]) == (503, "5")
            assert ready.json["detail"] == "connection refused"
            assert host.client.get("/livez").status_code == 200
            host.advance(float(expected))
        assert waits_in(caplog)[: len(waits)] == waits
        host.store.heal()
        host.advance(10)
        assert host.finished(ingestion.id).status == Status.COMPLETED
        assert host.client.get("/readyz").status_code == 200
        caplog.clear()
        host.store.fail(StoreUnavailable("connection refused"), "claim", times=1)
        host.submit([2])
        eventually(lambda: waits_in(caplog) == ["0.5"])

    def test_from_the_start_it_is_asked_again_after_half_a_second(
        self, troubled: Serve, caplog: pytest.LogCaptureFixture
    ) -> None:
        host = troubled(echo, autostart=False)
        host.store.fail(StoreUnavailable("connection refused"))
        host.ingestion.start()
        eventually(lambda: waits_in(caplog) == ["0.5"])

    @pytest.mark.parametrize(("call", "error"), [("ack", None), ("bury", PermanentError("no")), ("retry", OSError())])
    def test_an_outcome_is_kept_until_it_is_back(self, troubled: Serve, call: str, error: Exception | None) -> None:
        def processor(_: Sequence[int]) -> None:
            if error:
                raise error

        host = troubled(processor, interval=0, backoff=0, max_attempts=2)
        host.store.fail(StoreUnavailable("gone for a moment"), call, times=3)
        ingestion = host.submit([1])

        def over() -> bool:
            host.advance(0.5)
            return host.ingestion.get(ingestion.id).finished_at is not None

        eventually(over)
        assert len(host.store.dispatches(9)) == (2 if call == "retry" else 1)
        host.finished(ingestion.id)

    def test_it_is_reported_again_after_twice_as_long_each_time_up_to_ten_seconds(self, troubled: Serve) -> None:
        pauses: list[float | None] = []

        class Impatient(FakeClock):
            """No time passes where a batch's thread waits."""

            def wait(self, event: threading.Event, seconds: float | None) -> bool:
                if not threading.current_thread().name.endswith("-batch"):
                    return super().wait(event, seconds)
                pauses.append(seconds)
                return event.is_set()

        host = troubled(echo, interval=0, clock=Impatient())
        host.store.fail(StoreUnavailable("gone"), "ack", times=7)
        assert host.finished(host.submit([1]).id).status == Status.COMPLETED
        assert pauses == [0.5, 1, 2, 4, 8, 10, 10]

    @pytest.mark.parametrize(
        ("call", "error"), [("ack", None), ("retry", OSError()), ("bury", PermanentError("no")), ("hold", HoldQueue(5))]
    )
    def test_one_that_is_given_up_in_the_meantime_ends_its_thread_without_a_word(
        self, troubled: Serve, caplog: pytest.LogCaptureFixture, call: str, error: Exception | None
    ) -> None:
        def processor(_: Sequence[int]) -> None:
            if error:
                raise error

        host = troubled(processor, interval=0)
        host.heard.stop_listening()
        host.store.fail(StoreUnavailable("gone"), call)
        host.submit([1])
        eventually(lambda: "waits for the store: gone" in caplog.text)
        host.ingestion.stop(0)
        eventually(lambda: not batch_threads(host))
        assert "died" not in caplog.text

    def test_a_request_in_the_meantime_is_503(self, troubled: Serve) -> None:
        host = troubled(echo)
        host.store.fail(StoreUnavailable("disk full", retry_after=7.2), "add", "get")
        response = host.client.post("/ingest", json={"ids": [1], "priority": "HIGH"})
        assert (response.status_code, response.headers["Retry-After"]) == (503, "8")
        assert response.json["detail"] == "disk full"
        with pytest.raises(StoreUnavailable):
            host.submit([1])

    def test_stop_leaves_what_cannot_be_put_back_to_the_lease(
        self, troubled: Serve, gate: Gate, caplog: pytest.LogCaptureFixture
    ) -> None:
        host = troubled(gate, interval=0)
        host.submit([1])
        gate.wait_for_a_call()
        host.store.fail(StoreUnavailable("gone"))
        with caplog.at_level(logging.INFO, logger="flask_ingestion"):
            host.ingestion.stop(0)
        assert host.service.worker.state == "off"
        assert "is left to its lease: gone" in caplog.text
        assert "the worker of 'ingest' is listed until its lease ends: gone" in caplog.text


def waits_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The seconds to the next try, from each log line about the store."""
    return re.findall(r"the store cannot be reached, next try in (\S+) s: connection refused", caplog.text)


class TestWorkerDies:
    def test_the_probes_and_the_log_say_so(self, troubled: Serve, caplog: pytest.LogCaptureFixture) -> None:
        host = troubled(echo)
        host.submit([1])
        host.heard.until("finished")
        host.store.fail(ZeroDivisionError("a planted bug"), "claim")
        host.submit([2])
        eventually(lambda: host.service.worker.state == "dead")
        for path in ("/livez", "/readyz"):
            response = host.client.get(path)
            assert response.status_code == 503
            assert response.mimetype == "application/problem+json"
            assert response.json["detail"] == "The worker is dead."
        assert traceback_of(caplog.records, "the worker of 'ingest' died") == ["a planted bug"]
        assert host.client.post("/ingest", json={"ids": [1], "priority": "HIGH"}).status_code == 200
        assert host.client.get("/queue").json["worker"] == "dead"
        assert traceback_of(caplog.records, "the worker of 'ingest' died") == ["a planted bug"]

    def test_nothing_is_dispatched_any_more(self, troubled: Serve, gate: Gate) -> None:
        host = troubled(gate, interval=0, concurrency=1, lease=60)
        ingestion = host.submit(range(1, 6))
        gate.wait_for_a_call()
        host.store.fail(ZeroDivisionError("a planted bug"), "renew")
        host.advance(20)
        eventually(lambda: host.service.worker.state == "dead")
        gate.opened.set()
        eventually(lambda: not batch_threads(host))
        assert host.ingestion.get(ingestion.id).counts == Counts(yet_to_start=1, completed=1)

    def test_it_can_be_started_again(self, troubled: Serve) -> None:
        host = troubled(echo, interval=0)
        host.store.fail(ZeroDivisionError("a planted bug"), "claim", times=1)
        ingestion = host.submit([1])
        eventually(lambda: host.service.worker.state == "dead")
        host.ingestion.stop(0)
        assert host.service.worker.state == "off"
        host.ingestion.start()
        assert host.finished(ingestion.id).status == Status.COMPLETED
        assert host.client.get("/readyz").status_code == 200
        host.store.fail(ZeroDivisionError("a planted bug"), "claim", times=1)
        ingestion = host.submit([1])
        eventually(lambda: host.service.worker.state == "dead")
        host.ingestion.start()
        assert host.finished(ingestion.id).status == Status.COMPLETED

    def test_a_start_while_it_dies_is_not_lost(self, troubled: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        host = troubled(echo, interval=0)
        leaving, go_on, leave = threading.Event(), threading.Event(), host.store.leave

        def slowly(worker_id: str) -> None:
            leaving.set()
            assert go_on.wait(BOUND)
            leave(worker_id)

        monkeypatch.setattr(host.store, "leave", slowly)
        host.store.fail(ZeroDivisionError("a planted bug"), "claim", times=1)
        ingestion = host.submit([1])
        assert leaving.wait(BOUND)
        assert host.service.worker.state == "dead"
        host.ingestion.start()
        assert host.finished(ingestion.id).status == Status.COMPLETED
        go_on.set()


class TestStop:
    def test_it_is_idempotent(self, serve: Serve) -> None:
        host = serve(echo)
        host.finished(host.submit([1]).id)
        for _ in range(3):
            host.ingestion.stop()
            assert host.service.worker.state == "off"
        host.submit([2])
        assert host.service.worker.state == "off"

    def test_a_thread_that_would_go_on_claims_nothing_more(self, serve: Serve, gate: Gate) -> None:
        host = serve(gate, interval=0, concurrency=1)
        host.heard.stop_listening()  # With a receiver of batch_completed, an ack would not claim.
        host.submit(range(1, 6))
        gate.wait_for_a_call()
        host.service.worker.stop_claiming()
        gate.opened.set()
        eventually(lambda: host.service.worker.state == "off")
        assert len(host.store.dispatches(9)) == 1

    def test_one_that_was_cancelled_is_told_to_have_ended_when_a_stop_puts_it_back(
        self, serve: Serve, gate: Gate
    ) -> None:
        host = serve(gate, interval=0)
        ingestion = host.submit([1])
        gate.wait_for_a_call()
        host.ingestion.cancel(ingestion.id)
        host.ingestion.stop(0)
        assert host.finished(ingestion.id).status == Status.CANCELLED

    def test_a_start_while_it_waits_for_the_last_announcement_is_one(self, serve: Serve, gate: Gate) -> None:
        told, go_on = threading.Event(), threading.Event()

        def receiver(*_: Any, **__: Any) -> None:
            told.set()
            assert go_on.wait(BOUND)
            host.ingestion.start()

        host = serve(gate, interval=0, max_attempts=1, process_timeout=60, lease=10_000)
        with batch_failed.connected_to(receiver, sender=host.app):
            host.submit([1])
            gate.wait_for_a_call()
            host.advance(60)
            assert told.wait(BOUND)
            stopping = in_a_thread(lambda: host.ingestion.stop(0))
            eventually(lambda: host.service.worker.state == "off")
            go_on.set()
            joined(stopping)
        assert host.service.worker.state == "running"

    def test_of_the_worker_alone_it_ends_its_thread(self, serve: Serve) -> None:
        host = serve(echo)
        host.finished(host.submit([1]).id)
        host.service.worker.stop(BOUND)
        assert host.service.worker.state == "off"

    def test_while_the_store_does_not_answer_it_goes_on_stopping(
        self, troubled: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.worker.worker._LAST_CALL", 0.01)
        host, asked, free = troubled(echo), threading.Event(), threading.Event()

        def hang() -> None:
            asked.set()
            assert free.wait(BOUND)

        host.store.trouble["claim"] = hang
        host.submit([1])
        assert asked.wait(BOUND)
        host.ingestion.stop(0)
        assert host.service.worker.state == "stopping"
        host.store.heal()
        free.set()
        eventually(lambda: host.service.worker.state == "off")

    def test_from_inside_the_workers_own_thread_it_does_not_wait_for_itself(self, troubled: Serve) -> None:
        host = troubled(echo)
        host.store.trouble["claim"] = lambda: host.ingestion.stop(BOUND)
        host.submit([1])
        eventually(lambda: host.service.worker.state == "off")
        assert host.heard.all("started") == []
        assert host.store.stats().running == 0

    def test_before_a_start_it_stays_stopped(self, serve: Serve) -> None:
        host = serve()
        host.ingestion.stop()
        host.submit([1])
        assert host.service.worker.state == "off"
        host.ingestion.start()
        host.heard.until("finished")

    @pytest.mark.parametrize("started", [1, 2])
    def test_a_running_batch_may_end_within_the_grace(self, serve: Serve, gate: Gate, started: int) -> None:
        host = serve(gate, interval=0, concurrency=1)
        for _ in range(started - 1):
            host.ingestion.stop()
            host.ingestion.start()
        ingestion = host.submit(range(1, 6))
        gate.wait_for_a_call()
        stopping = in_a_thread(lambda: host.ingestion.stop(10))
        eventually(lambda: host.service.worker.state == "stopping")
        response = host.client.get("/readyz")
        assert (response.status_code, response.json["detail"]) == (503, "The worker is stopping.")
        assert host.client.get("/livez").status_code == 200
        gate.opened.set()
        joined(stopping)
        assert host.service.worker.state == "off"
        assert host.ingestion.get(ingestion.id).counts == Counts(yet_to_start=1, completed=1)

    def test_one_that_does_not_is_put_back(self, serve: Serve, gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
        host = serve(gate, interval=0)
        ingestion = host.submit([1])
        gate.wait_for_a_call()
        stopping = in_a_thread(lambda: host.ingestion.stop(10))
        eventually(lambda: host.service.worker.state == "stopping")

        def over() -> bool:
            # Its thread is woken, and does not only look because time has passed.
            host.clock.advance_to(min(host.clock.now() + 0.5, START + 10))
            return not stopping.is_alive()

        eventually(over)
        assert host.clock.now() >= START + 10
        assert host.service.worker.state == "off"
        assert "did not end in time and is put back" in caplog.text
        batch = host.service.store.batches(ingestion.id)[1][0]
        assert (batch.status, batch.attempt) == (Status.TRIGGERED, 0)
        assert host.store.stats().running == 0

    def test_a_late_failure_does_not_disturb_the_next_start(self, serve: Serve, gate: Gate) -> None:
        second = Gate()
        gates = [gate, second]
        host = serve(lambda ids: gates.pop(0)(ids), interval=0)
        ingestion = host.submit([1])
        gate.wait_for_a_call()
        host.ingestion.stop(0)
        host.ingestion.start()
        second.wait_for_a_call()
        gate.error = OSError("too late")
        gate.opened.set()
        eventually(lambda: len(batch_threads(host)) == 1)
        second.opened.set()
        assert host.finished(ingestion.id).status == Status.COMPLETED
        assert len(host.store.dispatches(9)) == 2
        assert host.error(ingestion.id) is None

    def test_from_inside_a_processor_it_does_not_wait_for_itself(self, serve: Serve) -> None:
        def processor(_: Sequence[int]) -> None:
            host.ingestion.stop()

        host = serve(processor, interval=0, concurrency=1)
        ingestion = host.submit(range(1, 6))
        host.heard.until("completed")
        eventually(lambda: host.service.worker.state == "off")
        assert host.ingestion.get(ingestion.id).counts == Counts(yet_to_start=1, completed=1)
        host.ingestion.start()
        host.heard.until("completed", 2)

    def test_from_inside_a_receiver_too(self, serve: Serve) -> None:
        host = serve(echo, interval=0)

        def receiver(*_: Any, **__: Any) -> None:
            host.ingestion.stop()

        with ingestion_finished.connected_to(receiver, sender=host.app):
            host.submit([1])
            eventually(lambda: host.service.worker.state == "off")
        host.ingestion.start()
        host.submit([2])
        host.heard.until("finished", 2)

    def test_a_start_right_after_one_from_inside_goes_on(self, serve: Serve) -> None:
        def processor(ids: Sequence[int]) -> None:
            if 1 in ids:
                host.ingestion.stop()
                host.ingestion.start()

        host = serve(processor, interval=0, concurrency=1)
        assert host.finished(host.submit(range(1, 6)).id).status == Status.COMPLETED
        assert host.service.worker.state == "running"

    def test_a_wake_up_in_between_is_not_lost(self, serve: Serve) -> None:
        host = serve(echo, lease=9000)
        host.finished(host.submit([1]).id)
        worker = host.service.worker
        waited = threading.Event()

        class Wake(threading.Event):
            """It is asked to stop between the worker's last check and its wait."""

            stop: threading.Thread | None = None

            def clear(self) -> None:
                if self.stop is None:
                    self.stop = in_a_thread(lambda: host.ingestion.stop(3600))
                    eventually(self.is_set)
                super().clear()
                waited.set()

        wake = Wake()
        worker._wake, old = wake, worker._wake
        old.set()
        assert waited.wait(BOUND)
        assert wake.stop
        joined(wake.stop)


class TestStart:
    def test_many_at_once_start_one(self, serve: Serve) -> None:
        host = serve(name="twins", autostart=False)
        together = threading.Barrier(8, timeout=BOUND)

        def start() -> None:
            together.wait()
            host.ingestion.start()

        for thread in [in_a_thread(start) for _ in range(8)]:
            joined(thread)
        (thread,) = (one for one in threading.enumerate() if one.name == "twins-worker")
        assert thread.daemon

    def test_stop_and_start_by_turns_leaves_one(self, serve: Serve) -> None:
        host = serve(name="turns", interval=0)
        begun = time.monotonic()
        for _ in range(50):
            host.ingestion.start()
            host.ingestion.stop(60)
        host.ingestion.start()
        assert [thread.name for thread in threading.enumerate()].count("turns-worker") == 1
        assert host.finished(host.submit([1]).id).status == Status.COMPLETED
        assert time.monotonic() - begun < 10


class TestCallingBack:
    """No lock is held while a processor or a receiver runs."""

    def test_a_processor_may_use_every_control(self, serve: Serve) -> None:
        def processor(ids: Sequence[int]) -> None:
            if 1 in ids:
                use_every_control(host)

        host = serve(processor, interval=0, max_attempts=1)
        ingestion = host.finished(host.submit([1]).id)
        assert host.error(ingestion.id) is None

    def test_so_may_a_receiver(self, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
        host = serve(echo, interval=0)
        called = threading.Event()

        def receiver(_: Any, batch: Any, **__: Any) -> None:
            if 1 in batch.ids:
                use_every_control(host)
                called.set()

        with batch_completed.connected_to(receiver, sender=host.app):
            host.finished(host.submit([1]).id)
        assert called.is_set(), caplog.text

    @pytest.mark.parametrize("signal", [batch_completed, ingestion_finished], ids=lambda signal: signal.name)
    def test_no_batch_that_has_started_waits_for_a_receiver(self, serve: Serve, gate: Gate, signal: Any) -> None:
        """A claim is a start for the rate, so the upstream must not be called much later."""
        held, go_on = threading.Event(), threading.Event()

        def receiver(_: Any, **__: Any) -> None:
            held.set()
            assert go_on.wait(BOUND)

        host = serve(gate, interval=0, concurrency=1)
        host.heard.stop_listening()  # With a receiver of batch_completed, an ack would not claim.
        with signal.connected_to(receiver, sender=host.app):
            host.submit([1])
            gate.wait_for_a_call()
            host.submit([2])
            gate.opened.set()
            assert held.wait(BOUND)
            started = len(host.store.dispatches(10))
            for _ in range(started - 1):
                gate.wait_for_a_call()
            assert len(gate.calls) == started
            go_on.set()
            eventually(lambda: host.store.stats().running == 0 and len(gate.calls) == 2)

    def test_a_hold_does_not_wait_for_its_receiver(self, serve: Serve) -> None:
        held, go_on = threading.Event(), threading.Event()

        def receiver(*_: Any, **__: Any) -> None:
            held.set()
            assert go_on.wait(BOUND)

        def processor(_: Sequence[int]) -> None:
            raise HoldQueue(30)

        host = serve(processor, interval=0)
        with queue_held.connected_to(receiver, sender=host.app):
            host.submit([1])
            assert held.wait(BOUND)
            assert host.store.stats().hold_until == host.clock.now() + 30
            go_on.set()

    def test_what_is_accepted_is_told_before_the_worker_wakes_for_it(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[str] = []
        host = serve(echo, interval=0)

        def receiver(*_: Any, **__: Any) -> None:
            told.append("accepted")

        monkeypatch.setattr(host.service.worker, "added", lambda: told.append("woken"))
        with ingestion_accepted.connected_to(receiver, sender=host.app):
            host.submit([1])
        assert told == ["accepted", "woken"]

    def test_an_observer_that_raises_changes_nothing(self, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
        host = serve(echo, interval=0)
        host.service.emitter.observe(batch_completed, lambda **_: 1 / 0)
        assert host.finished(host.submit([1]).id).status == Status.COMPLETED
        assert host.heard.all("completed")
        assert "an observer of batch-completed raised" in caplog.text

    def test_an_observer_that_stops_the_worker_has_nothing_run_after_it(self, serve: Serve) -> None:
        calls: list[Sequence[int]] = []
        host = serve(calls.append, interval=0, concurrency=1)

        host.heard.stop_listening()  # So that the thread continues with the batch that its ack claimed.
        host.service.emitter.observe(batch_completed, lambda **_: host.ingestion.stop())
        ingestion = host.submit(range(1, 10))
        eventually(lambda: host.service.worker.state == "off")
        assert calls == [[1, 2, 3]]
        assert host.store.stats().running == 0
        assert host.ingestion.get(ingestion.id).counts.completed == 1


def use_every_control(host: Host) -> None:
    host.ingestion.pause()
    other = host.submit([7, 8], "LOW", key="again")
    assert host.submit([7, 8], "LOW", key="again").id == other.id
    assert host.client.get(f"/status/{other.id}").status_code == 200
    assert host.client.get("/queue").json["paused"]
    assert host.client.post("/quote", json={"ids": [1], "priority": "LOW"}).status_code == 200
    assert host.ingestion.cancel(other.id).status == Status.CANCELLED
    host.ingestion.resume()
    assert list(host.ingestion.results(other.id)) == []
    assert host.client.get("/dispatches").status_code == 200
    assert host.client.get("/readyz").json["worker"] == "running"
    host.ingestion.start()
