"""A host's tests: nothing runs by itself, and `run_until_idle` keeps order and rate in a time that jumps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app import (
    ConfigError,
    HoldQueue,
    IngestionAPI,
    PermanentError,
    Priority,
    Status,
    batch_failed,
    ingestion_accepted,
    ingestion_finished,
)
from app.errors import StoreUnavailable


class Trial:
    """A host's app under TESTING, and the starts of its batches in seconds from the first look at the clock."""

    def __init__(self, work: Callable[[Sequence[int]], Any] = lambda _: None, **config: Any) -> None:
        self.app = Flask("host")
        self.app.config.update({"TESTING": True, **config})
        self.ingestion = IngestionAPI(self.app)
        self.starts: list[tuple[float, list[int]]] = []
        self.began_at = self.now()
        self.work = work
        self.ingestion.processor(self.process)

    def now(self) -> float:
        return self.ingestion.service.clock.now()

    def process(self, ids: Sequence[int]) -> Any:
        self.starts.append((self.now() - self.began_at, list(ids)))
        return self.work(ids)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/queue.db"


def test_it_keeps_the_order_and_the_rate(store: str) -> None:
    host = Trial(INGEST_STORE=store)
    low = host.ingestion.submit([1, 2, 3, 4], "LOW")
    high = host.ingestion.submit([5], "HIGH")
    assert host.starts == []
    assert host.ingestion.run_until_idle() == 3
    assert host.starts == [(0, [5]), (5, [1, 2, 3]), (10, [4])]
    assert [host.ingestion.get(one.id).status for one in (low, high)] == [Status.COMPLETED] * 2
    assert host.now() - host.began_at == 10
    host.ingestion.submit([6], "LOW")
    assert host.ingestion.run_until_idle() == 1
    assert host.starts[-1] == (15, [6]), "the next token is not there before"


def test_what_is_asked_of_all_that_match_comes_first(store: str) -> None:
    before = set(threading.enumerate())
    host = Trial(INGEST_STORE=store, INGEST_MAX_ATTEMPTS=1)
    host.work = lambda _: 1 / 0
    failed = [host.ingestion.submit([one], "LOW") for one in (1, 2)]
    assert host.ingestion.run_until_idle() == 2
    host.work = lambda _: None
    client = host.app.test_client()
    answer = client.post("/ingestions/redrive", json={"status": "failed"})
    assert answer.json is not None
    assert answer.json["state"] != "finished"
    assert "ingest-sweeper" not in {one.name for one in set(threading.enumerate()) - before}
    assert host.ingestion.run_until_idle() == 2
    assert client.get(f"/sweeps/{answer.json['sweep_id']}").json["acted"] == 2
    assert {host.ingestion.get(one.id).status for one in failed} == {Status.COMPLETED}


def test_under_fresh_it_serves_what_waits(store: str) -> None:
    host = Trial(INGEST_STORE=store, INGEST_FRESH=0)
    some = [host.ingestion.submit(ids, "LOW") for ids in ([1, 2, 3, 4], [4, 1], [4, 5])]
    heard: list[str] = []

    def finished(_: Flask, ingestion: Any, **__: Any) -> None:
        heard.append(ingestion.id)

    ingestion_finished.connect(finished, sender=host.app)
    assert host.ingestion.run_until_idle() == 3
    assert host.starts == [(0, [1, 2, 3]), (5, [4]), (10, [5])]
    assert [host.ingestion.get(one.id).served for one in some] == [0, 2, 1]
    assert heard == [one.id for one in some]
    again = host.ingestion.submit([1], "LOW")
    assert host.ingestion.get(again.id).status is Status.YET_TO_START, "no answer came after it"


def test_serving_more_than_one_step_does_takes_no_time() -> None:
    host, told = Trial(INGEST_FRESH=0), []

    def finished(_: Flask, ingestion: Any, **__: Any) -> None:
        told.append((ingestion.id, threading.current_thread()))

    ingestion_finished.connect(finished, sender=host.app)
    some = [host.ingestion.submit([1], "LOW").id for _ in range(1002)]
    assert host.ingestion.run_until_idle(seconds=0) == 1
    assert host.starts == [(0, [1])]
    assert told == [(one, threading.current_thread()) for one in some]
    assert {depth.waiting for depth in host.ingestion.service.store.stats().depths.values()} == {0}
    assert host.now() == host.began_at


def test_a_batch_that_ends_by_what_is_known_of_the_rest_may_have_failed(store: str) -> None:
    def work(ids: Sequence[int]) -> dict[int, str]:
        if len(host.starts) == 2:
            host.ingestion.submit([2], "HIGH")
        if 1 in ids:
            raise PermanentError("no such id")
        return dict.fromkeys(ids, "fine")

    heard: list[tuple[list[int], str, Any]] = []

    def failed(_: Flask, batch: Any, error: Any, attempt: Any, **__: Any) -> None:
        heard.append((batch.ids, error.message, attempt))

    host = Trial(work, INGEST_STORE=store, INGEST_FRESH=0, INGEST_SPLIT_FAILED=True)
    batch_failed.connect(failed, sender=host.app)
    one = host.ingestion.submit([1, 2], "LOW")
    assert host.ingestion.run_until_idle() == 3
    assert host.starts == [(0, [1, 2]), (5, [1]), (10, [2])]
    assert heard == [([1, 2], "1 of 2 ids failed; the first: no such id", (0, 10))]
    assert host.ingestion.get(one.id).status is Status.FAILED


def test_it_honours_holds_and_retries(store: str) -> None:
    outcomes: list[Exception | None] = [OSError("not now"), HoldQueue(100), None]

    def work(_: Sequence[int]) -> None:
        if outcome := outcomes.pop(0):
            raise outcome

    host = Trial(work, INGEST_STORE=store, INGEST_BACKOFF=0, INGEST_STORE_POLL=0)
    ingestion = host.ingestion.submit([1], "LOW")
    assert host.ingestion.run_until_idle() == 3
    assert host.starts == [(0, [1]), (5, [1]), (105, [1])]
    assert host.ingestion.get(ingestion.id).status == Status.COMPLETED


def test_a_retry_waits_as_long_as_it_may_so_that_a_test_can_tell_when(store: str) -> None:
    def work(ids: Sequence[int]) -> None:
        if ids == [1]:
            raise OSError("not now")

    host = Trial(work, INGEST_STORE=store, INGEST_INTERVAL=1, INGEST_BACKOFF=4, INGEST_BACKOFF_MAX=10)
    host.ingestion.submit([1], "HIGH")
    host.ingestion.submit([2], "LOW")
    assert host.ingestion.run_until_idle() == 6
    assert host.starts == [(0, [1]), (1, [2]), (4, [1]), (12, [1]), (22, [1]), (32, [1])]


def test_a_hold_is_not_waited_out_for_nothing(store: str) -> None:
    host = Trial(INGEST_STORE=store)
    host.ingestion.service.store.hold(3600)
    assert host.ingestion.run_until_idle() == 0
    assert host.now() == host.began_at


def test_nor_is_one_for_what_is_paused(store: str) -> None:
    host = Trial(INGEST_STORE=store)
    host.ingestion.submit([1], "LOW")
    host.ingestion.pause(priority="LOW")
    host.ingestion.service.store.hold(3600)
    assert host.ingestion.run_until_idle() == 0
    assert host.now() == host.began_at


def test_a_hold_is_one_step_however_long(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Trial(INGEST_STORE=store)
    host.ingestion.submit([1], "LOW")
    kept = host.ingestion.service.store
    kept.hold(30 * 86400)
    # One before the hold, one after it, and one that finds nothing.
    claims = iter([kept.claim] * 4)
    monkeypatch.setattr(kept, "claim", lambda *args: next(claims)(*args))
    assert host.ingestion.run_until_idle() == 1
    assert host.starts == [(30 * 86400, [1])]


def test_a_processor_that_does_nothing_but_hold_is_told(store: str) -> None:
    def work(_: Sequence[int]) -> None:
        raise HoldQueue(60)

    host = Trial(work, INGEST_STORE=store)
    host.ingestion.submit([1], "LOW")
    with pytest.raises(RuntimeError, match="held the queue 1000 times in a row"):
        host.ingestion.run_until_idle()
    assert host.ingestion.service.store.stats().running == 0
    assert host.ingestion.run_until_idle(seconds=600) > 1


@pytest.mark.parametrize("fair", [False, True])
def test_a_batch_that_does_nothing_but_hold_lets_others_go(store: str, fair: bool) -> None:
    def work(ids: Sequence[int]) -> None:
        if 1 in ids and host.now() < host.began_at + 600:
            raise HoldQueue(2)

    host = Trial(work, INGEST_STORE=store, INGEST_FAIR=fair, INGEST_BACKOFF=4, INGEST_BACKOFF_MAX=60)
    held = host.ingestion.submit([1], "LOW", owner="a")
    others = [host.ingestion.submit([one], "LOW", owner="b") for one in (2, 3, 4)]
    host.ingestion.run_until_idle(seconds=300)
    assert [host.ingestion.get(one.id).status for one in others] == [Status.COMPLETED] * 3
    # Its first hold may mean everybody; but where others get answers, it is due later each time.
    assert host.starts[:7] == [(0, [1]), (5, [1]), (10, [2]), (15, [1]), (20, [3]), (25, [1]), (30, [4])]
    host.ingestion.run_until_idle()
    ended = host.ingestion.get(held.id)
    assert ended.status == Status.COMPLETED
    assert host.ingestion.service.store.batches(held.id)[1][0].attempt == 1


def test_two_that_do_nothing_but_hold_are_told_too(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.worker.drain._MOST_HOLDS", 100)

    def work(_: Sequence[int]) -> None:
        raise HoldQueue(2)

    host = Trial(work, INGEST_STORE=store)
    for one in (1, 2):
        host.ingestion.submit([one], "LOW")
    with pytest.raises(RuntimeError, match="held the queue 100 times in a row"):
        host.ingestion.run_until_idle()


def test_after_an_upstream_was_quiet_for_all_the_most_urgent_go_first(store: str) -> None:
    def work(_: Sequence[int]) -> None:
        if host.now() < host.began_at + 1800:
            raise HoldQueue(60)

    host = Trial(work, INGEST_STORE=store)
    host.ingestion.submit(range(4, 604), "LOW")
    host.ingestion.submit([1, 2, 3], "HIGH")
    host.ingestion.run_until_idle(seconds=2000)
    answered = [ids for at, ids in host.starts if at >= 1800]
    assert answered[0] == [1, 2, 3]


def test_any_other_outcome_ends_its_row_of_holds(store: str) -> None:
    outcomes: list[Exception | None] = [HoldQueue(2), OSError("no"), HoldQueue(2), None]

    def work(_: Sequence[int]) -> None:
        if outcome := outcomes.pop(0):
            raise outcome

    host = Trial(work, INGEST_STORE=store, INGEST_BACKOFF=0.001)
    host.ingestion.submit([1], "LOW")
    host.ingestion.run_until_idle()
    assert [at for at, _ in host.starts] == [0, 5, 10, 15]


def test_a_pause_leaves_what_waits(store: str) -> None:
    host = Trial(INGEST_STORE=store)
    host.ingestion.submit([1], "LOW")
    host.ingestion.pause()
    assert host.ingestion.run_until_idle() == 0
    host.ingestion.resume()
    assert host.ingestion.run_until_idle() == 1


def test_it_runs_only_what_starts_within_the_seconds_given(store: str) -> None:
    host = Trial(INGEST_STORE=store)
    host.ingestion.submit(range(1, 10), "LOW")
    assert host.ingestion.run_until_idle(seconds=7) == 2
    assert host.now() - host.began_at == 7
    assert host.ingestion.run_until_idle(seconds=3) == 1
    assert [after for after, _ in host.starts] == [0, 5, 10]
    assert host.ingestion.run_until_idle(seconds=0.5) == 0
    assert host.now() - host.began_at == 10.5


def test_what_a_processor_raises_is_raised_if_asked_for() -> None:
    error = OSError("not now")

    def work(_: Sequence[int]) -> None:
        raise error

    host = Trial(work, INGEST_MAX_ATTEMPTS=2)
    ingestion = host.ingestion.submit([1], "LOW")
    for status in (Status.TRIGGERED, Status.FAILED):
        with pytest.raises(OSError, match="not now") as raised:
            host.ingestion.run_until_idle(raises=True)
        assert raised.value is error
        assert host.ingestion.get(ingestion.id).status == status
    assert host.ingestion.run_until_idle(raises=True) == 0


def test_an_interrupt_is_always_raised() -> None:
    def work(_: Sequence[int]) -> None:
        raise KeyboardInterrupt

    host = Trial(work)
    host.ingestion.submit([1], "LOW")
    with pytest.raises(KeyboardInterrupt):
        host.ingestion.run_until_idle()


def test_a_test_that_a_receiver_fails_has_failed() -> None:
    class Failure(BaseException):
        """As pytest.fail raises."""

    heard: list[str] = []

    def bad(_: Flask, **__: Any) -> None:
        raise Failure

    def good(_: Flask, ingestion: Any, **__: Any) -> None:
        heard.append(ingestion.id)

    host = Trial()
    for signal in (ingestion_accepted, ingestion_finished):
        signal.connect(bad, host.app)
        signal.connect(good, host.app)
    with pytest.raises(Failure):
        host.ingestion.submit([1], "LOW")
    with pytest.raises(Failure):
        host.ingestion.run_until_idle()
    assert len(heard) == 2
    assert host.ingestion.get(heard[0]).status is Status.COMPLETED


def test_a_store_that_is_gone_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Trial()
    host.ingestion.submit([1], "LOW")

    def end(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(host.ingestion.service.store, "end", end)
    with pytest.raises(StoreUnavailable, match="gone"):
        host.ingestion.run_until_idle()


def test_it_runs_in_the_callers_thread_in_the_apps_context_with_signals() -> None:
    threads: list[threading.Thread] = []
    finished: list[str] = []
    host = Trial(lambda _: threads.append(threading.current_thread()))

    def receiver(_: Any, ingestion: Any, **__: Any) -> None:
        finished.append(ingestion.id)

    with ingestion_finished.connected_to(receiver, sender=host.app):
        response = host.app.test_client().post("/ingest", json={"ids": [1], "priority": "LOW"})
        host.ingestion.run_until_idle()
    assert threads == [threading.current_thread()]
    assert finished == [response.json["ingestion_id"]]
    assert host.ingestion.service.worker.state == "off"


def test_a_processor_may_let_time_pass() -> None:
    host = Trial(lambda _: host.ingestion.service.clock.advance(12))  # type: ignore[attr-defined]
    host.ingestion.submit(range(1, 7), "LOW")
    host.ingestion.run_until_idle()
    assert [after for after, _ in host.starts] == [0, 12]


def test_testing_may_be_set_after_the_worker_started(store: str) -> None:
    host = Trial(TESTING=False, INGEST_STORE=store)
    assert host.ingestion.service.worker.state == "running"
    host.app.testing = True
    ingestion = host.ingestion.submit([1], "LOW")
    assert (host.ingestion.service.worker.state, host.starts) == ("off", [])
    before = host.now()
    host.ingestion.submit([2], "LOW")
    assert host.ingestion.run_until_idle() == 2
    assert host.now() - before == 5
    assert host.ingestion.get(ingestion.id).status == Status.COMPLETED


def test_with_eager_set_it_needs_no_testing(caplog: pytest.LogCaptureFixture) -> None:
    host = Trial(TESTING=False, INGEST_EAGER="1")
    host.ingestion.submit([1], "LOW")
    assert host.ingestion.service.worker.state == "off"
    assert host.ingestion.run_until_idle() == 1
    assert "INGEST_EAGER is set: 'ingest' runs nothing by itself" in caplog.text


def test_an_autostart_that_is_asked_for_wins_over_testing() -> None:
    host = Trial(INGEST_AUTOSTART=True)
    assert host.ingestion.service.worker.state == "running"
    with pytest.raises(RuntimeError, match=r"stop\(\) its worker first"):
        host.ingestion.run_until_idle()
    host.ingestion.stop(0)


def test_a_worker_that_is_started_by_hand_works_in_real_time() -> None:
    host = Trial(INGEST_INTERVAL=0)
    done = threading.Event()
    host.work = lambda _: done.set()
    host.ingestion.start()
    host.ingestion.submit([1], "LOW")
    assert done.wait(20)
    with pytest.raises(RuntimeError, match=r"stop\(\) its worker first"):
        host.ingestion.run_until_idle()
    host.ingestion.stop(20)
    host.ingestion.submit([2], "LOW")
    assert host.ingestion.run_until_idle() == 1


def test_outside_a_test_it_is_refused() -> None:
    host = Trial(TESTING=False, INGEST_AUTOSTART=False)
    with pytest.raises(RuntimeError, match="it needs Flask's TESTING, or EAGER"):
        host.ingestion.run_until_idle()


def test_eager_and_autostart_are_too_many() -> None:
    with pytest.raises(ConfigError, match="INGEST_EAGER and INGEST_AUTOSTART are both set"):
        Trial(INGEST_EAGER=True, INGEST_AUTOSTART=True)


@given(
    st.lists(st.tuples(st.integers(1, 8), st.sampled_from(Priority)), min_size=1, max_size=6),
    st.integers(1, 3),
    st.integers(0, 3),
)
def test_no_start_comes_before_its_token_and_the_most_urgent_goes_first(
    submissions: list[tuple[int, Priority]], burst: int, failures: int
) -> None:
    left = [failures]

    def work(_: Sequence[int]) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError("not now")

    host = Trial(work, INGEST_BURST=burst, INGEST_BACKOFF=0, INGEST_INTERVAL=2)
    expected = []
    for number, (count, priority) in enumerate(submissions, 1):
        ids = list(range(number * 100, number * 100 + count))
        host.ingestion.submit(ids, priority)
        expected += [(priority, ids[first : first + 3]) for first in range(0, count, 3)]
    expected.sort(key=lambda one: one[0])
    first = expected[0][1]
    assert host.ingestion.run_until_idle() == len(expected) + failures
    assert [ids for _, ids in host.starts] == [first] * failures + [ids for _, ids in expected]
    assert [after for after, _ in host.starts] == [
        max(0, number + 1 - burst) * 2 for number in range(len(expected) + failures)
    ]
