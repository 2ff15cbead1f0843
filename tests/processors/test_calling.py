"""How an upstream is called where it wants more than a GET, and what becomes of its limits."""

from __future__ import annotations

import json
import logging
import re
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from app import create_app
from app.config import Settings
from app.core import Batch, Priority, Status
from app.errors import ConfigError, HoldQueue, PermanentError, UpstreamError
from app.processors import Current, attempting
from app.processors.http import HttpUpstream
from tests.support.queueing import settings
from tests.support.upstream import Exchange, Upstream

Serve = Callable[[Callable[[Exchange], None]], Upstream]
SECRET = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"


class Queue:
    """What a processor asked of it."""

    def __init__(self, *ids: int, attempt: int = 1) -> None:
        ingestion_id = "0189d5a8-0000-8000-8000-000000000000"
        self.batch = Batch(ingestion_id, 3, list(ids), Status.TRIGGERED, Priority.HIGH, attempt)
        self.riders: list[Batch] = []
        self.holds: list[float] = []
        self.slowed: list[str] = []

    def run(self, fetch: HttpUpstream) -> Any:
        current = Current(
            lambda: (self.batch, *self.riders), lambda hold: self.holds.append(hold.seconds), self.slowed.append
        )
        with attempting(current):
            return fetch([*self.batch.ids, *(one for rider in self.riders for one in rider.ids)])


def upstream_of(upstream: Upstream, path: str = "/{ids}", **changes: Any) -> HttpUpstream:
    prefixed = {f"upstream_{name}": value for name, value in changes.items()}
    return HttpUpstream(settings(upstream_url=upstream.url + path, **prefixed))


def echo(exchange: Exchange) -> None:
    exchange.reply({"1": {"method": exchange.command, "body": exchange.body.decode()}})


# -- method, headers and body --


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_method_is_used_and_named_in_errors(serve: Serve, method: str) -> None:
    assert upstream_of(serve(echo), method=method)([1]) == {1: {"method": method, "body": ""}}
    with pytest.raises(PermanentError, match=f"answered 400 to {method} /1: nope"):
        upstream_of(serve(lambda exchange: exchange.reply(b"nope", 400)), method=method)([1])


def test_headers_go_along_and_replace_its_own(serve: Serve) -> None:
    upstream = serve(echo)
    headers = {"X-Api-Key": SECRET, "Accept": "application/vnd.api+json"}
    upstream_of(upstream, headers=json.dumps(headers))([1])
    upstream_of(upstream, headers=headers)([1])
    for sent in upstream.headers:
        assert (sent["x-api-key"], sent.get_all("accept")) == (SECRET, ["application/vnd.api+json"])
        assert sent["content-type"] is None


def test_a_body_is_sent_as_json(serve: Serve) -> None:
    upstream = serve(echo)
    fetch = upstream_of(upstream, "/read", method="POST", body='{"ids": {{ ids }}}')
    assert fetch([1, 2, 1]) == {1: {"method": "POST", "body": '{"ids": [1, 2]}'}}
    assert upstream.headers[0]["content-type"] == "application/json"
    upstream_of(upstream, "/read", method="POST", body='{"ids": {{ ids }}}', headers={"Content-Type": "text/x"})([1])
    assert upstream.headers[1].get_all("content-type") == ["text/x"]


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_the_method_keeps_the_body(serve: Serve, status: int) -> None:
    def script(exchange: Exchange) -> None:
        if exchange.path == "/read":
            exchange.reply(b"", status, {"location": "/there"})
        else:
            echo(exchange)

    fetch = upstream_of(serve(script), "/read", method="POST", body="[{{ ids[0] }}]")
    assert fetch([1]) == {1: {"method": "POST", "body": "[1]"}}


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_make_it_a_get_is_refused(serve: Serve, status: int) -> None:
    upstream = serve(lambda exchange: exchange.reply(b"", status, {"location": "/there"}))
    with pytest.raises(PermanentError, match=f"redirected POST /read with {status}, which would make it a GET"):
        upstream_of(upstream, "/read", method="POST", body="{{ ids }}")([1])
    assert upstream.paths == ["/read"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("[1]", "it is something else"),
        ('{"a": 1}', "a must be text in Latin-1"),
        ('{"a": "b\\nc"}', "a must be text in Latin-1, without line breaks"),
        ('{"a": "日"}', "a must be text in Latin-1"),
        ('{"a b": "c"}', "'a b' is no name of a header"),
        ('{"": "c"}', "'' is no name of a header"),
        ('{"Content-Length": "7"}', "Content-Length belongs to the connection"),
        ('{"A": "1", "a": "2"}', "a is there twice"),
        ('{\n"a": ' + SECRET + "}", "it is no JSON in line 2, column 6"),
        (SECRET, "it is no JSON in line 1, column 1"),
    ],
)
def test_wrong_headers_are_refused_without_a_word_of_them(value: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.read({"TWO_UPSTREAM_HEADERS": value}, "TWO_")
    assert str(caught.value).startswith("TWO_UPSTREAM_HEADERS must be a JSON object of headers")
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"upstream_body": "{{ ids }}"}, "INGEST_UPSTREAM_BODY needs another INGEST_UPSTREAM_METHOD than GET"),
        ({"upstream_method": "get"}, "INGEST_UPSTREAM_METHOD must be one of GET, POST"),
        ({"upstream_idempotency_header": "Idempotency Key"}, "INGEST_UPSTREAM_IDEMPOTENCY_HEADER must be the name"),
        ({"upstream_missing": "drop"}, "INGEST_UPSTREAM_MISSING must be one of null, fail"),
        ({"upstream_headers": '{"Authorization": "Bearer x"}'}, "INGEST_UPSTREAM_URL holds a user, and"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        HttpUpstream(settings(upstream_url="http://joe:pw@localhost/{ids}", **changes))


# -- what is secret --


def test_headers_are_nowhere_to_be_seen(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    headers = {"Authorization": f"Bearer {SECRET}", "X-Key": SECRET[::-1]}
    answers = iter(
        [
            lambda exchange: exchange.reply({"error": f"unknown key {SECRET}, or {SECRET[::-1]}"}, 401),
            lambda exchange: exchange.reply(f"Bearer {SECRET}".encode(), 500),
            lambda exchange: exchange.reply({"said": SECRET}),
            lambda exchange: exchange.reply({"data": [{"id": 1, "error": f"{SECRET} may not see this"}]}),
        ]
    )
    upstream = serve(lambda exchange: next(answers)(exchange))
    fetch = upstream_of(upstream, headers=headers, results="data", result_id="id", error="error")
    for error in (PermanentError, UpstreamError, PermanentError):
        with pytest.raises(error) as caught:
            fetch([1])
        assert "***" in str(caught.value)
        assert SECRET not in str(caught.value)
        assert SECRET[::-1] not in str(caught.value)
    assert "*** may not see this" in repr(fetch([1]))
    app = create_app(
        {"INGEST_UPSTREAM_URL": upstream.url + "/{ids}", "INGEST_UPSTREAM_HEADERS": headers, "INGEST_AUTOSTART": 0}
    )
    client = app.test_client()
    pages = [client.get(path).text for path in ("/queue", "/metrics", "/openapi.json", "/dashboard/", "/", "/readyz")]
    for shown in (*pages, repr(fetch), repr(settings(upstream_headers=headers)), caplog.text):
        assert SECRET not in shown
        assert SECRET[::-1] not in shown


def test_the_password_in_the_url_is_masked_too(serve: Serve) -> None:
    upstream = serve(lambda exchange: exchange.reply(f"{exchange.headers['authorization']} is hunter2!".encode(), 401))
    url = upstream.url.replace("//", "//joe:hunter2%21@") + "/{ids}"
    with pytest.raises(PermanentError, match=r"GET /1: \*\*\* is \*\*\*$"):
        HttpUpstream(settings(upstream_url=url))([1])


def test_so_is_a_key_that_is_a_user_name(serve: Serve) -> None:
    upstream = serve(lambda exchange: exchange.reply(f"unknown key {SECRET}".encode(), 401))
    code = b64encode(f"{SECRET}:".encode()).decode()
    in_url = settings(upstream_url=upstream.url.replace("//", f"//{SECRET}:@") + "/{ids}")
    in_header = settings(upstream_url=upstream.url + "/{ids}", upstream_headers={"Authorization": f"Basic {code}"})
    for one in (in_url, in_header):
        with pytest.raises(PermanentError, match=r"GET /1: unknown key \*\*\*$"):
            HttpUpstream(one)([1])
    HttpUpstream(settings(upstream_url="http://localhost/{ids}", upstream_headers={"Authorization": "Basic !"}))


GRAPHQL = '{"query": "query($i:[ID!]!){nodes(ids:$i){id}}", "key": "QUERY\\/SECRET 123", "variables": {"i": {{ ids }}}}'


@pytest.mark.parametrize(
    ("path", "body", "key"),
    [
        ("/esummary?api_key=QUERYSECRET123&id={ids}", "", "QUERYSECRET123"),
        ("/esummary?id={ids}&api_key=QUERY%2FSECRET+123", "", "QUERY/SECRET 123"),
        ("/esummary?api_key=QUERY+SECRET&id={ids}", "", "QUERY+SECRET"),
        ("/esummary?sign={{ ids|join('-') }}:QUERYSECRET123", "", "QUERYSECRET123"),
        ("/esummary?sign=QUERYSECRET123{ids}", "", "QUERYSECRET123"),
        ("/esummary?{% if ids %}key={{ 'QUERYSECRET123' }}&id={ids}{% endif %}", "", "QUERYSECRET123"),
        ("/esummary{% if ids %}?key=QUERYSECRET123&id={ids}{% endif %}", "", "QUERYSECRET123"),
        ("/esummary", '{"auth": "QUERYSECRET123", "ids": {{ ids }}}', "QUERYSECRET123"),
        ("/esummary", GRAPHQL, "QUERY/SECRET 123"),
        ("/esummary", '{"auth": "Key {{ ids[0] }} QUERYSECRET123", "ids": {{ ids }}}', "QUERYSECRET123"),
    ],
)
def test_a_key_in_a_query_or_a_body_is_masked(serve: Serve, path: str, body: str, key: str) -> None:
    def script(exchange: Exchange) -> None:
        sent = exchange.path.partition("?")[2] or exchange.body.decode()
        exchange.reply(f"{key}, {sent}, {json.dumps(key)}".replace("/", "\\/").encode(), 400)

    fetch = upstream_of(serve(script), path, **({"body": body, "method": "POST"} if body else {}))
    with pytest.raises(PermanentError, match=r"answered 400 to (GET|POST) /esummary: \*\*\*") as caught:
        fetch([7])
    said = str(caught.value)
    assert "SECRET" not in said
    assert re.search(r"\b(7|%5B7%5D)\b", said), "what came from an id is shown"


def test_a_key_is_masked_wherever_an_error_repeats_it(serve: Serve) -> None:
    answers: list[Callable[[Exchange], None]] = [
        lambda exchange: exchange.reply(b"", 302, {"location": "/login/from/QUERYSECRET123"}),
        lambda exchange: exchange.reply(None, 403),
        lambda exchange: exchange.reply({"/x?key=QUERYSECRET123": 1}),
        lambda exchange: exchange.reply(b"", 302, {"location": "http://QUERYSECRET123.example/"}),
        lambda exchange: exchange.reply(b"<a href=/x?key=querysecret123>"),
        lambda exchange: exchange.reply([1, "QUERYSECRET123"]),
    ]
    upstream = serve(lambda exchange: answers.pop(0)(exchange))
    fetch = upstream_of(upstream, "/x?key=QUERYSECRET123&ids={ids}")
    for words in (
        r"answered 403 to GET /login/from/\*\*\*: null",
        "data for",
        "redirected GET /x to",
        "with no JSON: ",
        "with 2 results",
    ):
        with pytest.raises(PermanentError, match=words) as caught:
            fetch([1])
        assert "***" in str(caught.value)
        assert "secret" not in str(caught.value).lower()


def test_what_is_no_http_is_masked_and_short(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        exchange.wfile.write(f"HTTP/1.1 {SECRET} {'x' * 5000}\r\n".encode())
        exchange.drop()

    with pytest.raises(UpstreamError, match=r"it does not speak HTTP: HTTP/1\.1 \*\*\* x+") as caught:
        upstream_of(serve(script), headers={"X-Key": SECRET})([1])
    assert SECRET not in str(caught.value)
    assert len(str(caught.value)) < 300


# -- what comes before and after an answer --


@pytest.mark.parametrize("status", [100, 102, 103])
def test_an_interim_answer_is_not_the_answer(serve: Serve, status: int) -> None:
    def script(exchange: Exchange) -> None:
        for _ in range(2):
            exchange.start(status, {"link": "</style.css>"})
        # The final one is on its way once the client has read the interim ones.
        exchange.hang(0.05)
        exchange.reply({exchange.path[1:]: exchange.path})

    upstream = serve(script)
    fetch = upstream_of(upstream)
    assert [fetch([one]) for one in (1, 2, 3)] == [{one: f"/{one}"} for one in (1, 2, 3)]
    assert upstream.connections == 1


def test_an_id_that_is_missing_costs_no_connection(serve: Serve) -> None:
    upstream = serve(lambda exchange: exchange.reply({"error": "not found"}, 404))
    fetch = upstream_of(upstream, "/{id}", missing="fail")
    for one in range(3):
        fetch([one])
    assert upstream.connections == 1


# -- idempotency --


def test_a_key_that_is_still_in_use_is_no_refusal(serve: Serve) -> None:
    upstream = serve(lambda exchange: exchange.reply({"error": "in progress"}, 409))
    with pytest.raises(UpstreamError, match="answered 409"):
        Queue(1).run(upstream_of(upstream, idempotency_header="Idempotency-Key"))
    with pytest.raises(PermanentError, match="answered 409"):
        upstream_of(upstream)([1])


def test_each_attempt_at_a_batch_carries_its_id(serve: Serve) -> None:
    upstream = serve(lambda exchange: exchange.reply(["done"] * 2))
    fetch = upstream_of(upstream, method="POST", idempotency_header="Idempotency-Key")
    for attempt in (1, 2):
        Queue(1, 2, attempt=attempt).run(fetch)
    assert [sent["idempotency-key"] for sent in upstream.headers] == [Queue().batch.id] * 2


def test_each_request_of_a_batch_has_a_key_of_its_own(serve: Serve) -> None:
    upstream = serve(lambda exchange: exchange.reply("done"))
    fetch = upstream_of(upstream, "/{id}", idempotency_header="Idempotency-Key")
    for _ in range(2):
        Queue(1, 2).run(fetch)
    keys = [sent["idempotency-key"] for sent in upstream.headers]
    assert keys[:2] == keys[2:]
    assert len(set(keys)) == 2
    Queue(5).run(fetch)
    assert upstream.headers[4]["idempotency-key"] == Queue().batch.id


def test_a_part_of_a_batch_has_another_key_than_the_whole(serve: Serve) -> None:
    upstream = serve(lambda exchange: exchange.reply(["done"]))
    fetch = upstream_of(upstream, idempotency_header="Idempotency-Key")
    each = upstream_of(upstream, "/{id}", idempotency_header="Idempotency-Key")
    whole, part = Queue(1, 2), Queue(2)
    part.batch = part.batch._replace(asked=(1,))
    for queue, run in ((part, fetch), (whole, each), (part, each)):
        queue.run(run)
    first, _, second, again = (sent["idempotency-key"] for sent in upstream.headers)
    assert first != whole.batch.id
    assert second == again


def test_a_call_of_several_batches_has_a_key_of_them_all(serve: Serve) -> None:
    upstream = serve(lambda exchange: exchange.reply(["done"] * 3))
    fetch = upstream_of(upstream, idempotency_header="Idempotency-Key")
    for others in ([4], [4], [5], [4, 5]):
        queue = Queue(1, 2)
        queue.riders = [queue.batch._replace(position=number, ids=[number]) for number in others]
        with suppress(UpstreamError, PermanentError):  # one of them asks for four
            queue.run(fetch)
    first, again, *others = (sent["idempotency-key"] for sent in upstream.headers)
    assert first == again
    assert len({first, Queue().batch.id, *others}) == 4


def test_where_each_id_is_asked_for_it_has_the_key_of_its_batch(serve: Serve) -> None:
    upstream = serve(lambda exchange: exchange.reply("done"))
    fetch = upstream_of(upstream, "/{id}", idempotency_header="Idempotency-Key")
    queue = Queue(1, 2)
    queue.run(fetch)
    queue.riders = [queue.batch._replace(position=4, ids=[7])]
    queue.run(fetch)
    keys = [sent["idempotency-key"] for sent in upstream.headers]
    assert keys[:2] == keys[2:4]
    assert keys[4] == queue.riders[0].id


def test_there_is_no_key_outside_a_batch(serve: Serve) -> None:
    fetch = upstream_of(serve(echo), idempotency_header="Idempotency-Key")
    with pytest.raises(RuntimeError, match="no current batch"):
        fetch([1])


# -- limits --

SPENT = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "40"}


def test_nothing_left_holds_the_queue_and_keeps_the_answer(serve: Serve) -> None:
    queue = Queue(1)
    assert queue.run(upstream_of(serve(lambda exchange: exchange.reply({"1": "data"}, headers=SPENT)))) == {1: "data"}
    assert (queue.holds, queue.slowed) == ([40], [])


def test_nothing_left_with_an_error_of_its_own_is_both(serve: Serve) -> None:
    queue = Queue(1)
    with pytest.raises(PermanentError, match="answered 404"):
        queue.run(upstream_of(serve(lambda exchange: exchange.reply(None, 404, headers=SPENT))))
    assert queue.holds == [40]


@pytest.mark.parametrize("status", [403, 429, 503])
@pytest.mark.parametrize(
    ("headers", "seconds"), [(SPENT, 40), ({"retry-after": "7"}, 7), ({**SPENT, "retry-after": "7"}, 7)]
)
def test_a_refusal_for_want_of_calls_is_a_hold(
    serve: Serve, status: int, headers: dict[str, str], seconds: float
) -> None:
    queue = Queue(1)
    with pytest.raises(HoldQueue) as caught:
        queue.run(upstream_of(serve(lambda exchange: exchange.reply(None, status, headers=headers))))
    assert (caught.value.seconds, queue.holds) == (seconds, [])


def test_a_bare_429_slows_the_queue_down(serve: Serve) -> None:
    queue = Queue(1)
    upstream = serve(lambda exchange: exchange.reply(None, 429))
    with pytest.raises(UpstreamError, match="answered 429"):
        queue.run(upstream_of(upstream))
    assert queue.slowed == [f"The upstream 127.0.0.1:{upstream.port} answered 429 to GET /1"]


def test_without_adapting_headers_are_left_alone(serve: Serve) -> None:
    queue = Queue(1)
    answers = iter([(200, SPENT), (429, SPENT), (403, {"retry-after": "7"}), (429, {"retry-after": "7"})])
    upstream = serve(lambda exchange: exchange.reply({"1": 1}, *next(answers)))
    fetch = upstream_of(upstream, adapt=0)
    assert queue.run(fetch) == {1: 1}
    for error in (UpstreamError, PermanentError, HoldQueue):
        with pytest.raises(error):
            queue.run(fetch)
    assert (queue.holds, queue.slowed) == ([], [])
