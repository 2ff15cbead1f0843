"""What a processor may ask of the queue while it works on a batch."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app import current_batch, hold_queue, slow_down
from app.core import Status, batch_id
from tests.support.clock import START
from tests.support.host import Host, eventually

Serve = Callable[..., Host]


def test_it_is_the_batch_that_runs(serve: Serve) -> None:
    seen: list[tuple[str, list[int], int]] = []

    def processor(_: Sequence[int]) -> None:
        batch = current_batch()
        seen.append((batch.id, batch.ids, batch.attempt))
        if batch.attempt == 1:
            raise OSError

    host = serve(processor, interval=0, concurrency=1, batch_size=2, backoff=0)
    ingestion = host.submit([1, 2, 3])
    host.finished(ingestion.id)
    first, second = (batch_id(ingestion.id, position) for position in (0, 1))
    assert sorted(seen) == sorted([(first, [1, 2], 1), (first, [1, 2], 2), (second, [3], 1), (second, [3], 2)])


def test_there_is_none_outside(serve: Serve) -> None:
    inner: list[Any] = []

    def look() -> None:
        try:
            inner.append(current_batch())
        except RuntimeError as error:
            inner.append(error)

    def processor(_: Sequence[int]) -> None:
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    host = serve(processor, interval=0)
    host.finished(host.submit([1]).id)
    look()
    assert [str(error) for error in inner] == ["There is no current batch: this thread runs no processor."] * 2


def test_a_hold_is_at_once_and_its_batch_completes(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    go_on = threading.Event()

    def processor(ids: Sequence[int]) -> None:
        if list(ids) == [1]:
            hold_queue(30, "nothing is left")
            assert go_on.wait(20)

    host = serve(processor, interval=0, concurrency=4, batch_size=1)
    ingestion = host.submit([1])
    eventually(lambda: host.heard.all("held"))
    other = host.submit([2], "HIGH")
    eventually(lambda: host.store.stats().waiting_on == "hold")
    go_on.set()
    assert host.finished(ingestion.id).status == Status.COMPLETED
    host.advance(30)
    host.finished(other.id)
    assert [one.started_at - START for one in host.store.dispatches(9)] == [0, 30]
    (held,) = host.heard.all("held")
    assert (held["seconds"], held["batch"].ids) == (30, [1])
    assert "nothing is left; holding for 30 s" in caplog.text


def test_a_hold_out_of_bounds_fails_the_attempt(serve: Serve) -> None:
    host = serve(lambda _: hold_queue(-1), interval=0, max_attempts=1)
    ingestion = host.finished(host.submit([1]).id)
    assert host.error(ingestion.id)[0] == "ValueError"


def test_without_a_queue_what_is_asked_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    hold_queue(5, "a test")
    slow_down("another")
    assert [record.getMessage() for record in caplog.records] == [
        "a test; holding for 5 s, if there were a queue",
        "another; slower, if there were a queue",
    ]


def test_a_slow_down_is_logged_and_so_is_the_recovery(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", "flask_ingestion")
    asked: list[float] = []

    def processor(_: Sequence[int]) -> None:
        asked.append(host.clock.now() - START)
        if len(asked) == 1:
            slow_down("too many requests")
            raise OSError

    host = serve(processor, interval=30, backoff=0)
    ingestion = host.submit([1])
    eventually(lambda: "too many requests; one start every 60 s from now on" in caplog.text)
    assert host.store.stats().pace == 60
    host.advance(30)
    assert len(asked) == 1
    host.advance(30)
    host.finished(ingestion.id)
    assert asked == [0, 60]
    host.advance(60)
    eventually(lambda: "refused nothing for a while; one start every 42.8571 s from now on" in caplog.text)
    host.advance(300)
    eventually(lambda: "the rate is as configured from now on" in caplog.text)
    assert (host.client.get("/queue").json or {})["slowed_to"] is None
    told = caplog.text.count("refused nothing for a while")
    for _ in range(2):
        host.advance(20)
        eventually(lambda: [one.seen_at for one in host.store.workers()] == [host.clock.now()])
    assert caplog.text.count("refused nothing for a while") == told


def test_a_recovery_is_logged_while_very_much_is_forgotten(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def processor(_: Sequence[int]) -> None:
        slow_down("too many requests")

    host = serve(processor, interval=30)
    host.finished(host.submit([1]).id)
    monkeypatch.setattr(host.store, "prune", lambda: itertools.repeat(0))
    host.advance(400)
    eventually(lambda: "the rate is as configured from now on" in caplog.text)
