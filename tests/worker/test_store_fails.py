"""A store that cannot be reached, or fails."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Sequence

import pytest

from app import (
    HoldQueue,
    PermanentError,
    hold_queue,
)
from app.core.models import Status
from app.errors import StoreUnavailable
from tests.support.clock import FakeClock, Waits
from tests.support.host import BOUND, Host, eventually
from tests.support.working import Gate, batch_threads, echo

Serve = Callable[..., Host]


def test_it_is_asked_again_until_it_is_back(troubled: Serve, caplog: pytest.LogCaptureFixture) -> None:
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
    troubled: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    host = troubled(echo, autostart=False)
    host.store.fail(StoreUnavailable("connection refused"))
    host.ingestion.start()
    eventually(lambda: waits_in(caplog) == ["0.5"])


def test_from_the_start_it_is_asked_no_more_often_once_a_heartbeat_is_due(troubled: Serve) -> None:
    clock = Waits("away-worker")
    host = troubled(echo, name="away", clock=clock, autostart=False, lease=3)
    host.store.fail(StoreUnavailable("connection refused"))
    host.ingestion.start()
    for expected in (0.5, 1, 2, 4):
        eventually(lambda expected=expected: clock.latest == (False, expected))
        host.advance(expected)
    eventually(lambda: clock.latest == (False, 8))
    assert [seconds for _, seconds in clock.noted] == [0.5, 1, 2, 4, 8]


def test_a_heartbeat_that_failed_is_sent_once_it_is_back(troubled: Serve, gate: Gate) -> None:
    clock = Waits("late-worker")
    host = troubled(gate, name="late", clock=clock, interval=0, lease=60)
    host.submit([1])
    gate.wait_for_a_call()
    eventually(lambda: clock.latest is not None and not clock.latest[0])
    host.store.fail(StoreUnavailable("connection refused"), "renew", times=1)
    host.advance(20)
    eventually(lambda: clock.latest == (False, 0.5))
    renewed = threading.Event()
    host.store.faults["renew"] = renewed.set
    host.advance(0.5)
    assert renewed.wait(BOUND)
    eventually(lambda: clock.latest == (False, 20))


@pytest.mark.parametrize(("call", "error"), [("ack", None), ("bury", PermanentError("no")), ("retry", OSError())])
def test_an_outcome_is_kept_until_it_is_back(troubled: Serve, call: str, error: Exception | None) -> None:
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


def test_an_outcome_that_waits_for_it_is_not_given_up_for_the_time_that_takes(troubled: Serve) -> None:
    host = troubled(echo, interval=0, process_timeout=3, max_attempts=1, lease=60)
    host.store.fail(StoreUnavailable("gone for a moment"), "ack", times=4)
    ingestion = host.submit([1])

    def over() -> bool:
        host.advance(0.5)
        return host.ingestion.get(ingestion.id).finished_at is not None

    eventually(over)
    assert host.finished(ingestion.id).status == Status.COMPLETED


def test_an_outcome_that_it_takes_long_to_answer_is_not_given_up_either(troubled: Serve) -> None:
    clock, answers = Waits("slow-worker"), threading.Event()
    host = troubled(echo, name="slow", clock=clock, interval=0, process_timeout=3, max_attempts=1, lease=60)
    asked = threading.Event()

    def slow() -> None:
        asked.set()
        assert answers.wait(BOUND)

    host.store.faults["ack"] = slow
    ingestion = host.submit([1])
    assert asked.wait(BOUND)
    looks = len(clock.noted)
    host.advance(10)
    eventually(lambda: len(clock.noted) > looks)
    assert host.service.worker.abandoned == 0
    answers.set()
    assert host.finished(ingestion.id).status == Status.COMPLETED


def test_a_hold_that_waits_for_it_takes_no_time_from_its_attempt(troubled: Serve, gate: Gate) -> None:
    clock, called = Waits("patient-worker"), threading.Event()

    def processor(ids: Sequence[int]) -> object:
        hold_queue(1)
        called.set()
        return gate(ids)

    host = troubled(processor, name="patient", clock=clock, interval=0, process_timeout=3, max_attempts=1, lease=60)
    host.store.fail(StoreUnavailable("gone for a moment"), "hold", times=4)
    ingestion = host.submit([1])

    def over() -> bool:
        if "hold" in host.store.faults:  # once it is kept, the time counts
            host.advance(0.5)
        return called.is_set()

    eventually(over)
    looks = len(clock.noted)
    host.advance(1)
    eventually(lambda: len(clock.noted) > looks)
    assert host.service.worker.abandoned == 0
    gate.opened.set()
    assert host.finished(ingestion.id).status == Status.COMPLETED


def test_it_is_reported_again_after_twice_as_long_each_time_up_to_ten_seconds(troubled: Serve) -> None:
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
    troubled: Serve, caplog: pytest.LogCaptureFixture, call: str, error: Exception | None
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


def test_a_request_in_the_meantime_is_503(troubled: Serve) -> None:
    host = troubled(echo)
    host.store.fail(StoreUnavailable("disk full", retry_after=7.2), "add", "get")
    response = host.client.post("/ingest", json={"ids": [1], "priority": "HIGH"})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "8")
    assert response.json["detail"] == "disk full"
    with pytest.raises(StoreUnavailable):
        host.submit([1])


def test_stop_leaves_what_cannot_be_put_back_to_the_lease(
    troubled: Serve, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    host = troubled(gate, interval=0)
    host.submit([1, 2, 3, 4])
    gate.wait_for_a_call()
    gate.wait_for_a_call()
    host.store.fail(StoreUnavailable("gone"))
    with caplog.at_level(logging.INFO, logger="flask_ingestion"):
        host.ingestion.stop(0)
    assert host.service.worker.state == "off"
    assert caplog.text.count("is left to its lease: gone") == 2
    assert "the worker of 'ingest' is listed until its lease ends: gone" in caplog.text


def test_stop_puts_back_what_it_can(
    troubled: Serve, gate: Gate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.worker.worker._SOME", 1)
    host = troubled(gate, interval=0)
    host.submit([1, 2, 3, 4, 5, 6, 7])
    for _ in range(3):
        gate.wait_for_a_call()
    host.store.fail(StoreUnavailable("gone"), "release", times=1)
    host.ingestion.stop(0)
    assert caplog.text.count("is left to its lease: gone") == 1
    assert host.store.stats().running == 1


def waits_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The seconds to the next try, from each log line about the store."""
    return re.findall(r"the store cannot be reached, next try in (\S+) s: connection refused", caplog.text)
