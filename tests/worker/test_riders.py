"""Several batches in one call of the processor: what it sees, and what becomes of each."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app import (
    Failed,
    HoldQueue,
    IngestionAPI,
    PermanentError,
    Status,
    batch_completed,
    batch_failed,
    current_batch,
    current_batches,
    ingestion_finished,
)
from tests.support.clock import START
from tests.support.host import BOUND, Host, eventually
from tests.support.upstream import Upstream

Serve = Callable[..., Host]


class Calls:
    """A processor that records its calls and answers them as it is told, in the end with the ids themselves."""

    def __init__(self, *answers: Any) -> None:
        self.ids: list[list[int]] = []
        self._answers = list(answers)

    def __call__(self, ids: list[int]) -> Any:
        self.ids.append(list(ids))
        answer = self._answers.pop(0) if self._answers else dict(zip(ids, ids, strict=True))
        if isinstance(answer, BaseException):
            raise answer
        return answer(ids) if callable(answer) else answer


def all_waiting(host: Host, *ids: Sequence[int]) -> list[str]:
    """Ingestions that all wait when the queue is resumed."""
    host.ingestion.pause()
    ingestions = [host.submit(some).id for some in ids]
    host.ingestion.resume()
    return ingestions


def results(host: Host, ingestion_id: str) -> dict[int, Any]:
    return {one: json.loads(text) for one, text in host.ingestion.results(ingestion_id)}


def test_a_hundred_clients_make_one_call(serve: Serve) -> None:
    calls = Calls()
    host = serve(calls, fill=True, batch_size=100)
    ingestions = all_waiting(host, *([number] for number in range(1, 101)))
    host.heard.until_finished(*ingestions)
    assert calls.ids == [list(range(1, 101))]
    assert [results(host, one) for one in ingestions] == [{number: number} for number in range(1, 101)]
    assert len(host.heard.all("started")) == len(host.heard.all("completed")) == 100
    assert len(host.store.dispatches(200)) == 100


def test_an_id_of_two_batches_is_asked_once_and_answered_to_both(serve: Serve) -> None:
    calls = Calls(lambda ids: [f"record {one}" for one in ids])
    host = serve(calls, fill=True)
    first, second = all_waiting(host, [1, 2], [2, 3])
    host.heard.until_finished(first, second)
    assert calls.ids == [[1, 2, 3]]
    assert results(host, first) == {1: "record 1", 2: "record 2"}
    assert results(host, second) == {2: "record 2", 3: "record 3"}


def test_without_data_all_are_null(serve: Serve) -> None:
    host = serve(Calls(lambda _: None), fill=True)
    first, second = all_waiting(host, [1], [2])
    host.heard.until_finished(first, second)
    assert (results(host, first), results(host, second)) == ({1: None}, {2: None})


def test_an_id_that_fails_fails_its_batch_alone(serve: Serve) -> None:
    host = serve(Calls(lambda ids: {one: Failed("gone") if one == 2 else one for one in ids}), fill=True)
    first, second, third = all_waiting(host, [1], [2], [3])
    host.heard.until_finished(first, second, third)
    statuses = [host.ingestion.get(one).status for one in (first, second, third)]
    assert statuses == [Status.COMPLETED, Status.FAILED, Status.COMPLETED]
    (failed,) = host.heard.all("failed")
    assert (failed["batch"].ids, failed["error"]) == ([2], ("Failed", "gone"))


def test_an_error_is_an_attempt_at_each(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    calls = Calls(OSError("no route"))
    host = serve(calls, fill=True, interval=0, backoff=0)
    first, second = all_waiting(host, [1], [2])
    host.heard.until_finished(first, second)
    assert [(one["batch"].ids, one["batch"].attempt) for one in host.heard.all("retried")] == [([1], 1), ([2], 1)]
    assert {one["batch"].attempt for one in host.heard.all("completed")} == {2}
    assert sum(bool(record.exc_info) for record in caplog.records) == 1, "its traceback is logged once"
    assert sum("no route" in record.getMessage() for record in caplog.records) == 2


def callers_share(host: Host) -> tuple[str, str]:
    """The ingestions of alice and bob, which wait together once the queue is resumed."""
    host.ingestion.pause()
    alice, bob = (host.service.submit([one], "LOW", owner=owner).id for one, owner in ((111, "alice"), (222, "bob")))
    host.ingestion.resume()
    return alice, bob


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("refusal", [False, True])
def test_callers_that_share_a_call_learn_nothing_of_each_other(
    serve: Serve, caplog: pytest.LogCaptureFixture, tmp_path: Path, *, durable: bool, refusal: bool
) -> None:
    def fails(ids: list[int]) -> Any:
        raise (PermanentError if refusal else OSError)(f"GET /{ids}")

    store = {"store": f"sqlite:///{tmp_path}/queue.db"} if durable else {}
    host = serve(Calls(fails), fill=True, interval=0, backoff=600, attempts_kept=3, concurrency=1, **store)
    alice, bob = callers_share(host)
    retried = host.heard.until("retried", 2)
    host.ingestion.pause()
    kept = "nothing came of a call that other callers shared; the log says more"
    for ingestion_id, signal in zip((alice, bob), retried, strict=True):
        shown = host.client.get(f"/attempts/{ingestion_id}").text
        assert kept in shown
        assert "[111, 222]" not in shown
        assert kept in signal["error"].message
        assert "[111, 222]" not in signal["error"].message
    about = [record for record in caplog.records if hasattr(record, "ingestion_id")]
    assert not [record for record in about if "[111, 222]" in record.getMessage() or record.exc_info]
    (whole,) = [record for record in caplog.records if "[111, 222]" in record.getMessage()]
    assert bool(whole.exc_info) is not refusal, "the traceback is logged once"


def test_what_an_upstream_says_of_their_ids_is_not_for_other_callers(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    with Upstream(lambda exchange: exchange.reply({"said": exchange.path}, 500)) as upstream:
        url = upstream.url + "/patients/{ids}"
        host = serve(fill=True, interval=0, backoff=600, upstream_url=url)
        for ingestion_id in callers_share(host):
            host.heard.until("retried", 2)
            told = "the upstream answered 500 to a call that other callers shared; the log says more of "
            shown = host.client.get(f"/status/{ingestion_id}").json or {}
            error = shown["batches"][0]["error"]
            assert (error["type"], error["message"].startswith(told)) == ("UpstreamError", True)
            assert f"call {error['message'].removeprefix(told)}, which callers share, failed" in caplog.text
    assert "/patients/111,222" in caplog.text


def test_a_hold_says_of_whose_ids_it_is_in_no_batchs_log_line(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    host = serve(Calls(HoldQueue(30, "GET /111,222")), fill=True, interval=0)
    callers_share(host)
    host.heard.until("held")
    (line,) = [record for record in caplog.records if "GET /111,222" in record.getMessage()]
    assert not hasattr(line, "batch_id")


def test_a_refusal_of_several_gives_each_a_call_of_its_own(serve: Serve) -> None:
    def refuse_two(ids: list[int]) -> dict[int, str]:
        if 2 in ids:
            raise PermanentError("400: 2 is no id")
        return dict.fromkeys(ids, "fine")

    calls = Calls(*[refuse_two] * 4)
    host = serve(calls, fill=True, interval=0, concurrency=1)
    first, second, third = all_waiting(host, [1], [2], [3])
    host.heard.until_finished(first, second, third)
    assert calls.ids == [[1, 2, 3], [1], [2], [3]]
    assert [host.ingestion.get(one).counts.failed for one in (first, second, third)] == [0, 1, 0]
    assert host.error(second) == ("PermanentError", "400: 2 is no id")
    assert host.heard.all("retried")[0]["error"].type == "SharedCallRefused"


def test_a_refusal_of_two_does_so_too(serve: Serve) -> None:
    calls = Calls(PermanentError("400: 2 is no id"))
    host = serve(calls, fill=True, interval=0, concurrency=1)
    first, second = all_waiting(host, [1], [2])
    host.heard.until_finished(first, second)
    assert calls.ids == [[1, 2], [1], [2]]
    assert not host.heard.all("failed")


@pytest.mark.parametrize("signal", [batch_failed, batch_completed, ingestion_finished], ids=lambda one: one.name)
def test_no_call_that_has_started_waits_for_a_receiver(serve: Serve, signal: Any) -> None:
    """A claim is a start for the rate, so receivers of what becomes of any batch of a call come before it."""
    entered, held, go_on = threading.Semaphore(0), threading.Event(), threading.Event()

    def processor(ids: list[int]) -> dict[int, Any]:
        entered.release()
        return {one: Failed("gone") if one == 2 else one for one in ids}

    def receiver(_: Any, **__: Any) -> None:
        held.set()
        assert go_on.wait(BOUND)

    host = serve(processor, fill=True, interval=0, concurrency=1, batch_size=2)
    host.heard.stop_listening()
    with signal.connected_to(receiver, sender=host.app):
        ingestions = all_waiting(host, [1], [2], [3])
        assert held.wait(BOUND)
        calls = len(host.store.dispatches(9)) - 1  # The first two share one.
        for _ in range(calls):
            assert entered.acquire(timeout=BOUND)
        go_on.set()
        eventually(lambda: all(host.ingestion.get(one).status.final for one in ingestions))


def test_a_hold_puts_all_back_untouched(serve: Serve) -> None:
    calls = Calls(HoldQueue(30))
    host = serve(calls, fill=True, interval=0)
    first, second = all_waiting(host, [1], [2])
    eventually(lambda: host.store.stats().waiting_on == "hold")
    host.advance(30)
    host.heard.until_finished(first, second)
    assert calls.ids == [[1, 2]] * 2
    assert len(host.heard.all("held")) == 1
    assert {one["batch"].attempt for one in host.heard.all("completed")} == {1}


def test_a_call_that_hangs_fails_the_attempt_of_each(serve: Serve) -> None:
    go_on = threading.Event()

    def hang(ids: list[int]) -> Any:
        assert go_on.wait(BOUND)
        return dict.fromkeys(ids, "too late")

    calls = Calls(hang)
    host = serve(calls, fill=True, interval=0, process_timeout=10, backoff=0)
    first, second = all_waiting(host, [1], [2])
    eventually(lambda: calls.ids)
    host.advance(10)
    host.heard.until_finished(first, second)
    go_on.set()
    assert {one["error"].type for one in host.heard.all("retried")} == {"TimeoutError"}
    assert (results(host, first), results(host, second)) == ({1: 1}, {2: 2})


def test_a_heartbeat_keeps_the_leases_of_all(serve: Serve) -> None:
    go_on = threading.Event()

    def wait(ids: list[int]) -> Any:
        assert go_on.wait(BOUND)
        return dict.fromkeys(ids, "done")

    host = serve(Calls(wait), fill=True, interval=0, lease=30)
    first, second = all_waiting(host, [1], [2])
    eventually(lambda: host.heard.all("started"))
    for _ in range(8):
        before = host.store.workers()[0].seen_at
        host.advance(10)
        eventually(lambda before=before: host.store.workers() and host.store.workers()[0].seen_at > before)
    go_on.set()
    host.heard.until_finished(first, second)
    assert not host.heard.all("retried")
    assert len(host.heard.all("completed")) == 2


def test_a_stop_puts_all_back(serve: Serve) -> None:
    go_on = threading.Event()
    host = serve(Calls(lambda _: go_on.wait(BOUND) and None), fill=True, interval=0)
    ingestions = all_waiting(host, [1], [2])
    eventually(lambda: len(host.heard.all("started")) == 2)
    threading.Thread(target=host.ingestion.stop, args=(0,), daemon=True).start()
    eventually(lambda: host.store.stats().running == 0)
    go_on.set()
    for one in ingestions:
        assert host.store.batches(one)[1][0].attempt == 0


def test_a_call_takes_one_slot(serve: Serve) -> None:
    go_on = threading.Event()
    calls = Calls(*[lambda _: go_on.wait(BOUND) and None] * 2)
    host = serve(calls, fill=True, interval=0, concurrency=2)
    ingestions = all_waiting(host, *([number] for number in range(1, 8)))
    eventually(lambda: len(calls.ids) == 2)
    assert host.store.stats().running == 2
    assert host.service.worker.running == 2
    go_on.set()
    host.heard.until_finished(*ingestions)
    assert sorted(calls.ids) == [[1, 2, 3], [4, 5, 6], [7]]


def test_the_processor_knows_its_batches(serve: Serve) -> None:
    seen: list[Any] = []

    def look(_: list[int]) -> None:
        seen.append((current_batch().ingestion_id, [batch.ids for batch in current_batches()]))

    host = serve(Calls(look), fill=True)
    first, second = all_waiting(host, [1], [2, 3])
    host.heard.until_finished(first, second)
    assert seen == [(first, [[1], [2, 3]])]


def test_a_receiver_that_changes_the_lists_changes_no_answer(serve: Serve) -> None:
    from app import batch_started

    host = serve(Calls(), fill=True)

    def shuffle(_: Flask, *, batch: Any, **__: Any) -> None:
        batch.ids.reverse()
        batch.ids.append(9)

    with batch_started.connected_to(shuffle, host.app):
        first, second = all_waiting(host, [1, 2], [3])
        host.heard.until_finished(first, second)
    assert (results(host, first), results(host, second)) == ({1: 1, 2: 2}, {3: 3})


def test_a_hosts_test_runs_calls_as_a_worker_does() -> None:
    app = Flask("host")
    app.config.update(TESTING=True, INGEST_FILL=True)
    calls = Calls()
    ingestion = IngestionAPI(app)
    ingestion.processor(calls)
    for number in range(1, 5):
        ingestion.submit([number], "LOW")
    assert ingestion.run_until_idle() == 4
    assert calls.ids == [[1, 2, 3], [4]]


def test_what_is_foretold_is_the_latest_it_can_be(serve: Serve) -> None:
    host = serve(fill=True, autostart=False)
    ingestion = host.submit([1])
    body = {"ids": [1], "priority": "LOW"}
    for told in (
        host.client.get(f"/status/{ingestion.id}").json,
        (host.client.post("/quote", json=body).json or {})["LOW"],
        host.client.get(f"/dashboard/ingestions/{ingestion.id}/data").json,
    ):
        assert told
        assert told["at_latest"] is True
    plain = serve(autostart=False, name="plain")
    ingestion = plain.submit([1])
    assert "at_latest" not in (plain.client.get(f"/status/{ingestion.id}").json or {})


def test_the_log_tells_who_rode(serve: Serve) -> None:
    host = serve(Calls(), fill=True)
    first, second = all_waiting(host, [1], [2])
    host.heard.until_finished(first, second)
    leader, rider = (host.client.get("/dispatches").json or {})["dispatches"]
    assert "rode_with" not in leader
    assert (rider["rode_with"], rider["started_at"]) == (leader["batch_id"], START)


def test_with_fresh_too_each_id_is_asked_once_in_full_calls(serve: Serve) -> None:
    calls = Calls()
    host = serve(calls, fill=True, fresh=0, interval=0, concurrency=4)
    wanted = [[1 + (7 * number * number) % 30, 1 + number % 30] for number in range(120)]
    ingestions = all_waiting(host, *wanted)
    host.heard.until_finished(*ingestions)
    asked = [one for call in calls.ids for one in call]
    assert sorted(asked) == list(range(1, 31))
    assert [results(host, one) for one in ingestions] == [{one: one for one in ids} for ids in wanted]
    assert len(host.heard.all("completed")) == 120
