"""What the client makes of good answers: waiting, results, pages, and which request each verb is."""

from __future__ import annotations

import json
import math
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote_plus

import pytest

from app.client import Client, Refused, TimedOut, Unreachable
from app.core.models import Priority
from tests.support.documents import EXAMPLES, ingestion, page, status
from tests.support.scripted import answer, chunk, head, problem, reset, scripted, send
from tests.support.sleeper import Sleeper

ACCEPTED = answer(200, {"ingestion_id": "abc"})


Make = Callable[..., Client]


def test_waiting_looks_as_seldom_as_advised(client: Make, clock: Sleeper) -> None:
    seen: list[str] = []
    with scripted(
        answer(200, status("yet_to_start"), Retry_After="12"),
        reset,
        answer(200, status("triggered"), Retry_After="3600"),
        answer(200, status("triggered")),
        answer(200, status("failed")),
    ) as server:
        last = client(server.url).wait("abc", progress=lambda now: seen.append(now["status"]))
    assert last["status"] == "failed"
    assert seen == ["yet_to_start", "triggered", "triggered", "failed"]
    first, lost, longest, unadvised = clock.slept
    assert (first, longest, unadvised) == (12, 60, 5)
    assert lost <= 0.25
    assert {request.path for request in server.requests} == {"/status/abc?limit=0"}


@pytest.mark.parametrize("word", ["completed", "failed", "cancelled"])
def test_waiting_ends_on_any_final_state(client: Make, word: str) -> None:
    with scripted(answer(200, status(word))) as server:
        assert client(server.url).wait("abc")["status"] == word


def test_waiting_has_an_end(client: Make, clock: Sleeper) -> None:
    waiting = answer(200, status("triggered"), Retry_After="7")
    with scripted(waiting, waiting, waiting) as server, pytest.raises(TimedOut, match="triggered after 10 s") as caught:
        client(server.url).wait("abc", timeout=10)
    assert clock.slept == [7, 3]
    assert caught.value.status["status"] == "triggered"


def test_waiting_for_the_unreachable_has_an_end_too(client: Make, clock: Sleeper) -> None:
    later = problem(503, "Not now.", Retry_After="7")
    with scripted(later, later, later) as server, pytest.raises(Refused):
        client(server.url).wait("abc", timeout=10)
    assert clock.slept == [7]


def test_results_come_line_by_line(client: Make) -> None:
    more = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(head(200, Transfer_Encoding="chunked"))
        connection.sendall(chunk(b'{"id":1,"data":"a"}\n{"i'))
        assert more.wait(10)
        connection.sendall(chunk(b'd":2,"data":"\xc3') + chunk(b'\xa9\\n"}\n') + chunk(b""))

    with scripted(drip) as server:
        results = client(server.url).results("a/b")
        assert next(results) == {"id": 1, "data": "a"}
        more.set()
        assert list(results) == [{"id": 2, "data": "é\n"}]
    assert server.requests[0].path == "/results/a%2Fb"


@pytest.mark.parametrize(
    "act",
    [
        send(head(200, Transfer_Encoding="chunked") + chunk(b'{"id":1,"data":"a"}\n{"i')),
        send(head(200, Transfer_Encoding="chunked") + chunk(b'{"id":1,"data":"a"}\n{"i') + chunk(b"")),
        send(head(200, Content_Length="99") + b'{"id":1,"data":"a"}\n'),
        send(head(200) + b'{"id":1,"data":"a"}\n{"id"'),
    ],
    ids=["chunked", "half-line", "length", "until-close"],
)
def test_results_that_break_off_say_so(client: Make, act: Any) -> None:
    with scripted(act) as server:
        results = client(server.url).results("abc")
        assert next(results)["id"] == 1
        with pytest.raises(Unreachable, match="the connection was lost"):
            list(results)


def test_results_are_asked_for_again_until_they_come(client: Make, clock: Sleeper) -> None:
    begun = head(200, Transfer_Encoding="chunked")
    half = send(begun + chunk(b'{"id":1,"da'))
    lines = send(begun + chunk(b'{"id":1,"data":"a"}\n') + chunk(b""))
    with scripted(
        reset, problem(503, "Not now.", Retry_After="3"), send(begun[:-2]), send(begun), half, lines
    ) as server:
        assert [one.data for one in client(server.url).iter_results("abc", failed=True)] == ["a"]
    assert {request.path for request in server.requests} == {"/results/abc?include=failed"}
    assert clock.slept[1] == 3
    assert len(server.requests) == 6


def test_there_may_be_no_result(client: Make) -> None:
    with scripted(send(head(200, Transfer_Encoding="chunked") + chunk(b"")), answer(200, b"")) as server:
        for _ in range(2):
            assert list(client(server.url).results("abc")) == []


def test_an_answer_that_is_no_use_is_closed_before_results_are_asked_for_again(client: Make) -> None:
    gone: list[bytes] = []

    def refuse(connection: socket.socket) -> None:
        problem(503, "Not now.", Retry_After="3")(connection)
        gone.append(connection.recv(1))

    lines = send(head(200, Transfer_Encoding="chunked") + chunk(b'{"id":1,"data":"a"}\n') + chunk(b""))
    with scripted(refuse, lines) as server:
        assert [one.data for one in client(server.url).iter_results("abc")] == ["a"]
    assert gone == [b""]


def test_results_of_something_else_are_not_the_services(client: Make) -> None:
    with (
        scripted(answer(200, b"<h1>Welcome</h1>\n")) as server,
        pytest.raises(Unreachable, match="not as this service"),
    ):
        list(client(server.url).iter_results("abc"))


def test_results_of_nothing_known(client: Make) -> None:
    with scripted(problem(404, "There is no ingestion 'abc'.")) as server, pytest.raises(Refused, match="no ingestion"):
        list(client(server.url).results("abc"))


def test_the_listing_turns_the_pages_as_they_are_asked_for(client: Make) -> None:
    pages = [
        answer(200, page(ingestion("c"), ingestion("b"), cursor="2")),
        answer(200, page(ingestion("a"))),
    ]
    with scripted(*pages) as server:
        listing = client(server.url).list(status="failed", priority=Priority.LOW, owner="a b", page=2)
        assert isinstance(listing, Iterator)
        assert next(listing)["ingestion_id"] == "c"
        assert len(server.requests) == 1
        assert [one["ingestion_id"] for one in listing] == ["b", "a"]
    assert [request.path for request in server.requests] == [
        "/ingestions?status=failed&priority=LOW&owner=a+b&limit=2",
        "/ingestions?status=failed&priority=LOW&owner=a+b&limit=2&cursor=2",
    ]


def test_the_listing_is_bounded_by_when_they_were_submitted(client: Make) -> None:
    with scripted(answer(200, page())) as server:
        assert list(client(server.url).list(since=3600, until="2027-01-15T08:00:00Z")) == []
    assert server.requests[0].path == "/ingestions?since=3600&until=2027-01-15T08%3A00%3A00Z&limit=100"


def test_failures_come_page_by_page_with_their_filter(client: Make) -> None:
    (group,) = EXAMPLES["listFailures"]["groups"]
    pages = [answer(200, {"groups": [group], "next_cursor": cursor}) for cursor in ("5.5_1_2", None)]
    with scripted(*pages) as server:
        found = list(client(server.url).failures(priority="LOW", owner="web", since=600, until="2027", page=1))
    assert found == [group, group]
    query = "/failures?priority=LOW&owner=web&since=600&until=2027&limit=1"
    assert [request.path for request in server.requests] == [query, f"{query}&cursor=5.5_1_2"]


def test_failed_ids_are_told_line_by_line(client: Make) -> None:
    error = {"type": "ValueError", "message": "boom"}
    lines = [
        {"id": one, "ingestion_id": "abc", "batch_id": "def", "failed_at": "2027-01-15T08:00:00.000Z", "error": error}
        for one in (1, 2)
    ]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    # A proxy may leave out the length; then the end of the connection is that of the body.
    with scripted(answer(200, body), send(head(200) + body)) as server:
        found = list(client(server.url).failed_ids(group="g", since=60))
        assert found == lines
        assert [(one.id, one.error.type, one.failed_at.year) for one in found] == [
            (1, "ValueError", 2027),
            (2, "ValueError", 2027),
        ]
        assert [json.loads(line) for line in client(server.url).failed_id_lines()] == lines
    assert [request.path for request in server.requests] == ["/failures/ids?group=g&since=60", "/failures/ids"]


def test_a_sweep_goes_under_a_key(client: Make) -> None:
    with scripted(*[answer(200, EXAMPLES["redriveAll"])] * 3) as server:
        client(server.url).redrive_all(idempotency_key="night")
        client(server.url).cancel_all()
        client(server.url).cancel_all()
    told, one, other = (request.headers["idempotency-key"] for request in server.requests)
    assert told == '"night"'
    assert len(one) == 38
    assert one != other


@pytest.mark.parametrize(
    ("verb", "wrong"),
    [
        ("failures", "status"),
        ("failed_ids", "failed"),
        ("redrive_all", "grup"),
        ("cancel_all", "dry_run"),
        ("count_cancel", "dry_run"),
    ],
)
def test_a_filter_that_is_none_goes_nowhere(client: Make, verb: str, wrong: str) -> None:
    with pytest.raises(TypeError, match=f"^'{wrong}' is no filter; there are group, priority, owner, since, until"):
        list(getattr(client("http://127.0.0.1:9"), verb)(**{"priority": "LOW", wrong: True}))


def test_the_latest_sweeps_are_a_sequence(client: Make) -> None:
    with scripted(answer(200, EXAMPLES["listSweeps"])) as server:
        (sweep,) = client(server.url).sweeps(limit=3)
    assert sweep == EXAMPLES["listSweeps"]["sweeps"][0]
    assert (sweep.verb, sweep.created_at.tzinfo) == (sweep["verb"], UTC)
    assert server.requests[0].path == "/sweeps?limit=3"


def test_every_other_verb_is_its_request(client: Make) -> None:
    calls: list[tuple[Callable[[Client], Any], str, str]] = [
        (lambda one: one.status("a"), "GET /in/status/a", "getStatus"),
        (lambda one: one.status("a", limit=10, offset=20), "GET /in/status/a?limit=10&offset=20", "getStatus"),
        (lambda one: one.cancel("a"), "POST /in/status/a/cancel", "cancel"),
        (lambda one: one.redrive("a"), "POST /in/status/a/redrive", "redrive"),
        (lambda one: one.redrive_callback("a"), "POST /in/status/a/callback/redrive", "redriveCallback"),
        (lambda one: one.quote([7]), "POST /in/quote", "quote"),
        (lambda one: one.pause(), "POST /in/queue/pause", "pause"),
        (lambda one: one.resume(), "POST /in/queue/resume", "resume"),
        (lambda one: one.end_hold(), "POST /in/queue/hold/end", "endHold"),
        (lambda one: one.change_rate(interval=20, limits={"10/s": "5/s"}), "POST /in/queue/rate", "changeRate"),
        (lambda one: one.reset_rate(), "POST /in/queue/rate/reset", "resetRate"),
        (lambda one: one.audit(cursor="7"), "GET /in/audit?limit=50&cursor=7", "getAudit"),
        (lambda one: one.queue(), "GET /in/queue", "getQueue"),
        (lambda one: one.dispatches(limit=5), "GET /in/dispatches?limit=5", "listDispatches"),
        (lambda one: one.status("a", status="failed"), "GET /in/status/a?status=failed", "getStatus"),
        (lambda one: one.redrive_all(status="failed", since=60), "POST /in/ingestions/redrive", "redriveAll"),
        (lambda one: one.count_cancel(owner="web"), "POST /in/ingestions/cancel", "cancelAll"),
        (lambda one: one.cancel_all(priority=Priority.LOW), "POST /in/ingestions/cancel", "redriveAll"),
        (lambda one: one.sweep("a"), "GET /in/sweeps/a", "getSweep"),
        (lambda one: one.move("a", Priority.LOW), "POST /in/status/a/move", "move"),
        (lambda one: one.pause(priority=Priority.LOW), "POST /in/queue/pause?priority=LOW", "pause"),
        (lambda one: one.change_concurrency(2, worker="b"), "POST /in/queue/concurrency?worker=b", "changeConcurrency"),
        (lambda one: one.reset_concurrency(), "POST /in/queue/concurrency/reset", "resetConcurrency"),
        (lambda one: one.resume(owner="a b"), "POST /in/queue/resume?owner=a+b", "resume"),
        (lambda one: one.where("a/b", limit=3), "GET /in/ids/a%2Fb?limit=3", "where"),
        (lambda one: one.attempts("a", limit=3), "GET /in/attempts/a?limit=3", "listAttempts"),
        (lambda one: one.where(4711), "GET /in/ids/4711?limit=20", "where"),
        (lambda one: one.count_redrive(group="g"), "POST /in/ingestions/redrive", "cancelAll"),
    ]
    with scripted(*(answer(200, EXAMPLES[operation]) for _, _, operation in calls)) as server:
        for call, _, operation in calls:
            assert call(client(server.url + "/in/")) == EXAMPLES[operation]
    assert [f"{request.method} {request.path}" for request in server.requests] == [path for _, path, _ in calls]
    assert server.requests[5].json == {"ids": [7], "priority": "HIGH"}
    assert server.requests[15].json == {"status": "failed", "since": 60}
    assert server.requests[16].json == {"owner": "web", "dry_run": True}
    assert server.requests[17].json == {"priority": "LOW"}
    assert server.requests[19].json == {"priority": "LOW"}
    assert server.requests[27].json == {"group": "g", "dry_run": True}
    assert server.requests[9].json == {"interval": 20, "limits": {"10/s": "5/s"}}


@pytest.mark.parametrize(
    ("option", "value", "right"),
    [
        ("timeout", value, "a number of seconds above 0")
        for value in (None, 0, -1, "5", True, float("nan"), float("inf"))
    ]
    + [("patience", value, "a number of seconds from 0") for value in (None, -1, "5", True, math.nan)]
    + [("retries", value, "a whole number from 0, or None for no bound") for value in (-1, 1.5, "5", True)],
)
def test_an_option_that_cannot_be_is_refused_by_name(
    client: Make, option: str, value: Any, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for make in (client, lambda _, **more: Client.from_env(**more)):
        with pytest.raises(ValueError, match=rf"^{option} must be {right}, not {value!r}\.$"):
            make("http://localhost", **{option: value})
    monkeypatch.setenv("INGEST_URL", "nowhere")
    with pytest.raises(ValueError, match="INGEST_URL and INGEST_KEY name no service"):
        Client.from_env(**{option: value})


def test_options_at_their_bounds_are_taken(client: Make) -> None:
    client("http://localhost", timeout=0.1, patience=0, retries=0)
    client("http://localhost", timeout=3600, patience=math.inf, retries=None)


def test_a_time_may_be_a_datetime(client: Make) -> None:
    moment = datetime(2027, 1, 15, 8, tzinfo=timezone(timedelta(hours=1)))
    told = "2027-01-15T08:00:00+01:00"
    answers = (answer(200, {"ingestion_id": "abc"}), answer(200, EXAMPLES["quote"]), answer(200, page()))
    swept = answer(200, {"ingestions": 0, "batches": 0})
    groups = answer(200, {"groups": [], "next_cursor": None})
    with scripted(*answers, swept, groups) as server:
        one = client(server.url)
        one.submit([1], "HIGH", deadline=moment)
        one.quote([1], deadline=moment)
        assert list(one.list(since=moment, until=moment)) == []
        one.count_redrive(since=moment, until=moment)
        assert list(one.failures(since=moment)) == []
    submitted, quoted, listed, counted, failed = server.requests
    assert json.loads(submitted.body)["deadline"] == json.loads(quoted.body)["deadline"] == told
    assert listed.path.startswith(f"/ingestions?since={quote_plus(told)}&until={quote_plus(told)}&")
    assert json.loads(counted.body) == {"since": told, "until": told, "dry_run": True}
    assert failed.path.startswith(f"/failures?since={quote_plus(told)}&")


@pytest.mark.parametrize("ids", ["abc", b"abc"])
def test_a_text_is_no_list_of_ingestions(client: Make, ids: Any) -> None:
    with pytest.raises(ValueError, match=r"ingestion_ids are a list, not b?'abc': put a single id into a list"):
        client("http://localhost").wait_all(ids)
