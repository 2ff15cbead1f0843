"""A processor that fails, holds the queue or answers what cannot be kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app import (
    HoldQueue,
    PermanentError,
)
from app.core.models import Counts, Status
from tests.support.clock import START
from tests.support.host import Host, eventually
from tests.support.working import Gate, traceback_of

Serve = Callable[..., Host]


def test_it_is_tried_again_then_failed_and_the_rest_goes_on(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
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
    [failed] = host.heard.until("failed")
    assert (failed["batch"].position, failed["error"].type) == (0, "OSError")
    assert f"batch {failed['batch'].id} of ingestion {ingestion.id} failed: OSError: no route to Oslo" in caplog.text


def test_the_calls_that_fail_are_counted_until_one_brings_answers(serve: Serve) -> None:
    def processor(ids: Sequence[int]) -> None:
        if 1 in ids:
            raise OSError("no route to Oslo")

    host = serve(processor, interval=0, backoff=0, max_attempts=3)
    for ids, told in (([1], (3, "OSError")), ([2], (0, ""))):
        host.finished(host.submit(ids).id)
        assert host.service.worker.failing == told


def test_it_waits_for_its_backoff(serve: Serve) -> None:
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


def test_each_attempt_pays_a_token(serve: Serve) -> None:
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


def test_a_permanent_error_fails_at_once(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def processor(_: Sequence[int]) -> None:
        raise PermanentError("no such id")

    host = serve(processor, interval=0)
    ingestion = host.finished(host.submit([1]).id)
    assert host.error(ingestion.id) == ("PermanentError", "no such id")
    assert len(host.heard.all("started")) == 1
    # It is no bug of the processor's, so nobody needs to know where it was raised.
    assert traceback_of(caplog.records, "attempt 1 at batch") == [""]


def test_an_error_that_cannot_be_said_is_still_one(serve: Serve) -> None:
    class SpeechlessError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def processor(_: Sequence[int]) -> None:
        raise SpeechlessError

    host = serve(processor, interval=0, max_attempts=1)
    ingestion = host.finished(host.submit([1]).id)
    assert host.error(ingestion.id) == ("SpeechlessError", "its message cannot be had: RuntimeError")


def test_hold_queue_holds_everything_and_costs_no_attempt(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
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


@pytest.mark.parametrize("store", ["memory://", "sqlite:///{}/queue.db"])
def test_the_log_says_until_when_a_hold_lasts_not_when_it_is_looked_at(
    serve: Serve, caplog: pytest.LogCaptureFixture, tmp_path: Path, store: str
) -> None:
    def processor(_: Sequence[int]) -> None:
        raise HoldQueue(86_400)

    with caplog.at_level("INFO", "flask_ingestion"):
        host = serve(processor, interval=0, store=store.format(tmp_path))
        host.submit([1])
        eventually(lambda: "'ingest' waits on: hold until 2027-01-16T08:00:00.000Z" in caplog.messages)


def test_one_that_was_cancelled_ends_with_its_hold(serve: Serve, gate: Gate) -> None:
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
def test_what_is_not_json_for_its_ids_fails_at_once(serve: Serve, returned: Any) -> None:
    host = serve(lambda _: returned, interval=0)
    ingestion = host.finished(host.submit([1, 2]).id)
    assert host.error(ingestion.id)[0] == "InvalidResult"
    assert len(host.heard.all("started")) == 1
    assert list(host.ingestion.results(ingestion.id)) == []


def test_a_result_nested_without_end_fails_at_once(serve: Serve) -> None:
    endless: list[Any] = []
    endless.append(endless)
    host = serve(lambda _: [endless], interval=0)
    assert host.error(host.finished(host.submit([1]).id).id)[0] == "InvalidResult"


def test_once_python_lets_no_pool_start_anything_no_batch_fails_of_it(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was running is put back, and nothing more is claimed, even where threads of the host go on."""
    monkeypatch.setattr("app.worker.call.pools_are_closed", lambda: True)

    def fetch(_: Sequence[int]) -> None:
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    host = serve(fetch, interval=0, max_attempts=1)
    ingestion = host.submit(range(1, 10))
    eventually(lambda: "is put back" in caplog.text and not host.service.worker.running)
    host.service.worker.wake()
    host.ingestion.stop()
    assert host.ingestion.get(ingestion.id).counts.unfinished == 3
    assert len(host.store.dispatches(9)) <= host.service.settings.concurrency


def test_an_error_of_the_same_kind_is_an_attempt_that_failed_until_then(serve: Serve) -> None:
    def fetch(_: Sequence[int]) -> None:
        pool = ThreadPoolExecutor()
        pool.shutdown()
        pool.submit(int)

    host = serve(fetch, interval=0, max_attempts=1)
    assert host.finished(host.submit([1]).id).status == Status.FAILED
