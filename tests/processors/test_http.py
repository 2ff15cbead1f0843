from __future__ import annotations

import gzip
import json
import os
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from base64 import b64decode
from collections.abc import Callable, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import trustme

from app.errors import ConfigError, HoldQueue, InvalidResult, PermanentError, UpstreamError
from app.processors import encode_results
from app.processors.http import HttpUpstream, retry_after
from app.wiring import load_processor as load
from tests.dashboard.site import REFUSED
from tests.support.ports import deaf_port
from tests.support.queueing import settings
from tests.support.upstream import Exchange, Upstream

Serve = Callable[[Callable[[Exchange], None]], Upstream]


def processor(upstream: Upstream, path: str = "/{ids}", **changes: Any) -> HttpUpstream:
    return HttpUpstream(settings(upstream_url=upstream.url + path, **changes))


def always(data: Any = None, status: int = 200, headers: Mapping[str, str] | None = None) -> Callable[[Exchange], None]:
    return lambda exchange: exchange.reply(data, status, headers)


# -- the two shapes of a URL --


def test_one_request_a_batch_answered_by_an_object(serve: Serve) -> None:
    upstream = serve(always({"5": {"name": "five"}, "3": None}))
    fetch = load(settings(upstream_url=f"{upstream.url}/x?ids={{ids}}&full=1"))
    assert fetch is not None
    assert encode_results([3, 5, 9, 3], fetch([3, 5, 9, 3])) == ("null", '{"name":"five"}', "null", "null")
    assert [unquote(path) for path in upstream.paths] == ["/x?ids=3,5,9&full=1"]
    assert upstream.headers[0]["accept"] == "application/json"


def test_one_request_a_batch_answered_by_an_array(serve: Serve) -> None:
    upstream = serve(always(["three", "five"]))
    fetch = processor(upstream)
    assert encode_results([3, 5, 3], fetch([3, 5, 3])) == ('"three"', '"five"', '"three"')


def test_one_request_for_each_id_answered_by_anything(serve: Serve) -> None:
    bodies = {"/3": [1, 2, 3], "/5": "five", "/7": None, "/-2": {"1": 1}}
    upstream = serve(lambda exchange: exchange.reply(bodies[exchange.path]))
    fetch = processor(upstream, "/{id}")
    assert fetch([3, 5, 3, 7, -2]) == {3: [1, 2, 3], 5: "five", 7: None, -2: {"1": 1}}
    assert upstream.paths == ["/3", "/5", "/7", "/-2"]


@pytest.mark.parametrize("path", ["/{ids}", "/{id}"])
def test_no_content_is_null(serve: Serve, path: str) -> None:
    fetch = processor(serve(lambda exchange: exchange.start(204)), path)
    assert set(encode_results([1, 2], fetch([1, 2]))) <= {"null"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (["one"], "answered 200 to GET /1,2 with 1 results for 2 ids: ."),
        (["one", "two", "three"], "with 3 results for 2 ids"),
        ({"1": 1, "9": 9}, "data for '9', which was not asked"),
        ({"": 1}, "data for '', which was not asked"),
        ({"01": 1}, "data for '01', which was not asked"),
        ("text", "with a str, not an object keyed by id or an array"),
        (7, "with a int, not an object"),
    ],
)
def test_an_answer_that_does_not_fit_the_ids_is_refused(serve: Serve, body: Any, words: str) -> None:
    with pytest.raises(InvalidResult, match=words):
        processor(serve(always(body)))([1, 2])


def test_a_failure_halfway_names_its_id_and_starts_over(serve: Serve) -> None:
    broken = True

    def script(exchange: Exchange) -> None:
        exchange.reply("fine", 500 if broken and exchange.path == "/2" else 200)

    upstream = serve(script)
    fetch = processor(upstream, "/{id}")
    with pytest.raises(UpstreamError, match=f"^The upstream 127.0.0.1:{upstream.port} answered 500 to GET /2 for id 2"):
        fetch([1, 2, 3])
    broken = False
    assert fetch([1, 2, 3]) == {1: "fine", 2: "fine", 3: "fine"}
    assert upstream.paths == ["/1", "/2", "/1", "/2", "/3"]


# -- the settings --


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://localhost/cities", "must hold either {ids} or {id}"),
        ("http://localhost/{ids}/{id}", "must hold either {ids} or {id}"),
        ("http://localhost/{IDS}", "must hold either {ids} or {id}"),
        ("ftp://localhost/{ids}", "must start with http:// or https://"),
        ("localhost/{ids}", "must start with http:// or https://"),
        ("http:///{ids}", "must start with http:// or https:// and a host"),
        ("file:///etc/{ids}", "must start with http:// or https://"),
        ("http://{ids}.localhost/", "must hold {ids} in its path or its query"),
        ("http://{id}@localhost/", "must hold {id} in its path or its query"),
        ("http://localhost/#{id}", "must hold {id} in its path or its query"),
        ("http://localhost:seven/{ids}", "is not a URL"),
        ("http://localhost:99999/{ids}", "is not a URL"),
        ("http://[::1/{ids}", "is not a URL"),
        ("http://joe:secret@localhost:seven/{ids}", "is not a URL"),
    ],
)
def test_a_url_that_cannot_be_asked_is_refused_with_its_key(url: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        HttpUpstream(settings(upstream_url=url), "TWO_")
    assert str(caught.value).startswith("TWO_UPSTREAM_URL ")
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_credentials_are_sent_and_never_told(serve: Serve) -> None:
    upstream = serve(always(b"", status=404))
    url = f"http://joe:p%40ss%C3%A9@127.0.0.1:{upstream.port}/{{ids}}?key=secret"
    with pytest.raises(PermanentError) as caught:
        HttpUpstream(settings(upstream_url=url))([1])
    scheme, _, token = upstream.headers[0]["authorization"].partition(" ")
    assert (scheme, b64decode(token).decode()) == ("Basic", "joe:p@ssé")
    assert upstream.headers[0]["host"] == f"127.0.0.1:{upstream.port}"
    assert str(caught.value) == f"The upstream 127.0.0.1:{upstream.port} answered 404 to GET /1."


# -- answers that are no data --


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"error": "no such record"}', ': {"error": "no such record"}'),
        (b"<html>\n  down\r\n for  a while</html>", ": <html> down for a while</html>"),
        (b"x" * 300, ": " + "x" * 200 + "…"),
        (b"\xff\xfe", ": \ufffd\ufffd"),
        (b"", "."),
    ],
)
def test_an_error_says_what_the_upstream_says(serve: Serve, body: bytes, shown: str) -> None:
    upstream = serve(always(body, 400))
    with pytest.raises(PermanentError) as caught:
        processor(upstream, "/records/{id}?key=secret")([7])
    assert str(caught.value) == f"The upstream 127.0.0.1:{upstream.port} answered 400 to GET /records/7 for id 7{shown}"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (always(b"<p>Sign in</p>"), "answered 200 to GET /records/7 for id 7 with no JSON: <p>Sign in</p>"),
        (
            always(b"x" * 201, headers={"content-encoding": "gzip"}),
            "gave no answer to GET /records/7 for id 7 (its content is not encoded as it says).",
        ),
        (Exchange.drop, "gave no answer to GET /records/7 for id 7 (it closed the connection)."),
        (
            lambda exchange: truncated(exchange),
            "gave no answer to GET /records/7 for id 7 (it closed the connection in the middle).",
        ),
        (
            lambda exchange: nonsense(exchange),
            "gave no answer to GET /records/7 for id 7 (it does not speak HTTP: SSH-2.0-OpenSSH_9.2).",
        ),
        (
            always(b"moved", 302, {"location": "http://localhost/login?key=secret"}),
            "redirected GET /records/7 for id 7 to http://localhost:80; "
            "redirects are followed on the same scheme, host and port only.",
        ),
    ],
)
def test_every_error_says_what_was_asked(serve: Serve, script: Callable[[Exchange], None], said: str) -> None:
    upstream = serve(script)
    with pytest.raises((PermanentError, UpstreamError)) as caught:
        processor(upstream, "/records/{id}?key=secret")([7])
    assert str(caught.value) == f"The upstream 127.0.0.1:{upstream.port} {said}"


def test_a_path_of_many_ids_leaves_room_for_the_rest(serve: Serve) -> None:
    with pytest.raises(
        InvalidResult, match=r"GET /1000,1001,[0-9,]{480,490}… with 1 results for 999 ids: \[\"one\"\]$"
    ):
        processor(serve(always(["one"])))(range(1000, 1999))


def test_the_error_that_the_screenshots_show_comes_about(serve: Serve) -> None:
    upstream = serve(always(REFUSED.message.partition("/items: ")[2].encode(), 404))
    with pytest.raises(PermanentError) as caught:
        processor(upstream, "/items?ids={ids}")([4710, 4711])
    message = str(caught.value).replace(f"127.0.0.1:{upstream.port}", "upstream.example")
    assert (type(caught.value).__name__, message) == REFUSED


def test_an_error_whose_body_breaks_off_says_what_arrived(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        exchange.start(500, {"content-length": "100"})
        exchange.wfile.write(b"it went")
        exchange.drop()

    with pytest.raises(UpstreamError, match=r"answered 500 to GET /1: it went$"):
        processor(serve(script))([1])


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599, 408, 429])
def test_a_failure_that_may_pass_is_for_another_attempt(serve: Serve, status: int) -> None:
    with pytest.raises(UpstreamError, match=f"answered {status}"):
        processor(serve(always({"1": 1}, status)))([1])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422, 451, 304, 300])
def test_any_other_refusal_is_permanent(serve: Serve, status: int) -> None:
    with pytest.raises(PermanentError, match=f"answered {status}"):
        processor(serve(lambda exchange: exchange.start(status, {"content-length": "0"})))([1])


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>down</html>", b'{"1": ', b'{"1": NaN}', b'{"1": -Infinity}', b"\xff\xfe\x00", b"[" * 100_000],
)
def test_an_answer_that_is_not_json_is_permanent(serve: Serve, body: bytes) -> None:
    with pytest.raises(PermanentError, match=r"answered 200 to GET /1 with no JSON(: .|\.$)"):
        processor(serve(always(body)))([1])


def test_json_of_an_unkeepable_number_is_permanent(serve: Serve) -> None:
    fetch = processor(serve(always(b'{"1": 1e999}')))
    with pytest.raises(InvalidResult, match="id 1"):
        encode_results([1], fetch([1]))


# -- Retry-After --


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_holds_the_queue(serve: Serve, status: int) -> None:
    upstream = serve(always(status=status, headers={"retry-after": "7"}))
    with pytest.raises(HoldQueue) as caught:
        processor(upstream)([1])
    assert caught.value.seconds == 7
    assert f"127.0.0.1:{upstream.port} answered {status}" in str(caught.value)


@pytest.mark.parametrize("status", [500, 502])
def test_retry_after_with_another_status_holds_nothing(serve: Serve, status: int) -> None:
    with pytest.raises(UpstreamError):
        processor(serve(always(status=status, headers={"retry-after": "7"})))([1])


DATE = "Sun, 06 Nov 1994 08:49:07 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 5 ", 5),
        ("0", 1),
        ("86401", 86_400),
        ("9" * 5000, 86_400),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 30),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 30),
        ("Sun Nov  6 08:49:37 1994", 30),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 1),
        ("Sun, 06 Nov 2044 08:49:37 GMT", 86_400),
        ("5, 7, soon", 7),
    ],
)
def test_both_forms_of_retry_after_are_read(value: str, seconds: float) -> None:
    assert retry_after({"retry-after": value, "date": DATE}) == seconds


@pytest.mark.parametrize(
    "value", ["", "soon", "-5", "1.5", "1e3", "5; 5", "٣", "²", "Fri, 31 Dec 99999 23:59:59 GMT", "+9999999999 Nov 06"]
)
def test_an_invalid_retry_after_is_none(value: str) -> None:
    assert retry_after({"retry-after": value, "date": DATE}) is None
    assert retry_after({"date": DATE}) is None


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
def test_a_date_counts_from_now_where_the_answer_has_none(headers: dict[str, str]) -> None:
    until = formatdate(time.time() + 100, usegmt=True)
    assert retry_after({"retry-after": until, **headers}) == pytest.approx(99.5, abs=1.5)


def test_a_429_that_does_not_say_when_is_for_another_attempt(serve: Serve) -> None:
    with pytest.raises(UpstreamError, match="answered 429"):
        processor(serve(always(status=429, headers={"retry-after": "soon"})))([1])


# -- redirects --


def test_redirects_on_the_same_host_are_followed(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        step = int(exchange.path.removeprefix("/"))
        if step == 5:
            return exchange.reply({"0": "there"})
        target = f"{upstream.url}/{step + 1}" if step % 2 else f"/{step + 1}"
        return exchange.reply(b"moved", [301, 302, 303, 307, 308][step], {"location": target})

    upstream = serve(script)
    assert processor(upstream)([0]) == {0: "there"}
    assert upstream.paths == [f"/{step}" for step in range(6)]


def test_a_sixth_redirect_is_not_followed(serve: Serve) -> None:
    upstream = serve(always(status=302, headers={"location": "/again"}))
    with pytest.raises(PermanentError, match="redirected GET /again more than 5 times"):
        processor(upstream)([1])
    assert len(upstream.paths) == 6


def test_redirects_to_anywhere_else_are_refused(serve: Serve) -> None:
    other = serve(always({"1": 1}))
    targets = [
        f"{other.url}/1?key=secret",
        f"//127.0.0.1:{other.port}/1",
        "https://127.0.0.1/",
        "http://localhost/",
        "ftp://127.0.0.1/",
        "mailto:joe@localhost",
    ]
    for target in targets:
        upstream = serve(always(status=302, headers={"location": target}))
        with pytest.raises(PermanentError, match="same scheme, host and port only") as caught:
            processor(upstream)([1])
        assert "secret" not in str(caught.value)
    assert other.connections == 0


@pytest.mark.parametrize("target", ["http://[::1/", "http://127.0.0.1:99999/"])
def test_a_redirect_to_nonsense_is_permanent(serve: Serve, target: str) -> None:
    with pytest.raises(PermanentError, match="redirected GET /1 to something that is not a URL"):
        processor(serve(always(status=302, headers={"location": target})))([1])


# -- size --


def test_an_answer_as_long_as_the_cap_is_taken_and_one_byte_more_is_not(serve: Serve) -> None:
    body = json.dumps({"1": "x" * 100_000}).encode()
    upstream = serve(always(body))
    assert processor(upstream, upstream_max_body=len(body))([1]) == {1: "x" * 100_000}
    with pytest.raises(PermanentError, match=f"more than {len(body) - 1} bytes"):
        processor(upstream, upstream_max_body=len(body) - 1)([1])


def test_an_answer_without_an_end_is_cut_at_the_cap(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        exchange.start(headers={"transfer-encoding": "chunked"})
        while exchange.hang(0):
            exchange.wfile.write(b"1000\r\n" + b" " * 4096 + b"\r\n")
            exchange.wfile.flush()

    with pytest.raises(PermanentError, match="more than 200000 bytes"):
        processor(serve(script), upstream_max_body=200_000)([1])


def test_a_gzip_bomb_costs_little_memory(serve: Serve) -> None:
    bomb = gzip.compress(b" " * 200_000_000)
    upstream = serve(always(bomb, headers={"content-encoding": "gzip"}))
    fetch = processor(upstream, upstream_max_body=1_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(PermanentError, match="more than 1000000 bytes"):
            fetch([1])
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_compressed_answers_are_read(serve: Serve) -> None:
    body = gzip.compress(json.dumps({"1": "x" * 300_000}).encode())
    upstream = serve(always(body, headers={"content-encoding": "gzip"}))
    assert processor(upstream)([1]) == {1: "x" * 300_000}
    assert "gzip" in upstream.headers[0]["accept-encoding"]


# -- time and broken connections --


@pytest.mark.realtime
def test_silence_is_a_timeout(serve: Serve) -> None:
    upstream = serve(lambda exchange: exchange.hang() or exchange.drop())
    with pytest.raises(UpstreamError, match=r"did not answer GET /4 for id 4 within 0\.1 s\.$"):
        processor(upstream, "/{id}", upstream_timeout=0.1)([4])


@pytest.mark.realtime
def test_silence_in_the_middle_of_an_answer_is_a_timeout(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        exchange.start(headers={"content-length": "100"})
        exchange.wfile.write(b"[1, ")
        exchange.wfile.flush()
        exchange.hang()

    with pytest.raises(UpstreamError, match=r"did not answer GET /1 within 0\.1 s\.$"):
        processor(serve(script), upstream_timeout=0.1)([1])


@pytest.mark.realtime
def test_a_dripping_answer_does_not_outlast_the_attempt(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        exchange.start(headers={"content-length": "1000000"})
        while exchange.hang(0.01):
            exchange.wfile.write(b" ")
            exchange.wfile.flush()

    with pytest.raises(UpstreamError, match=r"was not done with GET /1 within 0\.2 s"):
        processor(serve(script), process_timeout=0.2)([1])


def drip_headers(exchange: Exchange) -> None:
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
    for _ in range(500):
        exchange.wfile.write(b"x")
        exchange.wfile.flush()
        if not exchange.hang(0.01):
            return
    exchange.wfile.write(b'\r\ncontent-length: 10\r\n\r\n["late"]  ')


def drip_interim_answers(exchange: Exchange) -> None:
    for _ in range(10):
        exchange.start(103, {"link": "</style.css>"})
        if not exchange.hang(0.1):
            return
    exchange.reply(["late"])


@pytest.mark.realtime
@pytest.mark.parametrize("drip", [drip_headers, drip_interim_answers])
@pytest.mark.parametrize("tls", [False, True])
def test_what_drips_before_an_answer_does_not_outlast_the_attempt(
    drip: Callable[[Exchange], None], trusted: trustme.CA, *, tls: bool
) -> None:
    ended = threading.Event()

    def script(exchange: Exchange) -> None:
        drip(exchange)
        ended.set()

    with Upstream(script, server_context(trusted, "127.0.0.1") if tls else None) as upstream:
        with pytest.raises(UpstreamError, match=r"was not done with GET /1 within 0\.3 s"):
            processor(upstream, process_timeout=0.3)([1])
        assert not ended.is_set()
        upstream.script = always(["data"])
        assert processor(upstream)([1]) == {1: "data"}


def test_interim_answers_without_an_end_are_no_answer(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        for _ in range(interim):
            exchange.start(103)
        exchange.reply(["data"])

    upstream = serve(script)
    interim = 16
    assert processor(upstream)([1]) == {1: "data"}
    interim = 17
    with pytest.raises(UpstreamError, match="more than 16 interim answers"):
        processor(upstream)([1])


@pytest.mark.realtime
def test_many_slow_requests_do_not_outlast_the_attempt(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        exchange.hang(0.05)
        exchange.reply(1)

    upstream = serve(script)
    with pytest.raises(UpstreamError):
        processor(upstream, "/{id}", process_timeout=0.2)(range(1, 1000))
    assert 0 < len(upstream.paths) < 10


def truncated(exchange: Exchange) -> None:
    exchange.start(headers={"content-length": "100"})
    exchange.wfile.write(b'{"1": 1}')
    exchange.drop()


def truncated_chunk(exchange: Exchange) -> None:
    exchange.start(headers={"transfer-encoding": "chunked"})
    exchange.wfile.write(b'8\r\n{"1": 1}\r\n5\r\nab')
    exchange.drop()


def truncated_without_length(exchange: Exchange) -> None:
    exchange.start(headers={"connection": "close"})
    exchange.wfile.write(b'{"1": ')
    exchange.drop()


def nonsense(exchange: Exchange) -> None:
    exchange.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    exchange.drop()


def not_gzip(exchange: Exchange) -> None:
    exchange.reply(b'{"1": 1}', headers={"content-encoding": "gzip"})


@pytest.mark.parametrize(
    "script", [Exchange.drop, truncated, truncated_chunk, truncated_without_length, nonsense, not_gzip]
)
def test_a_broken_answer_is_for_another_attempt(serve: Serve, script: Callable[[Exchange], None]) -> None:
    upstream = serve(script)
    with pytest.raises(UpstreamError, match=f"^The upstream 127.0.0.1:{upstream.port} "):
        processor(upstream)([1])
    assert len(upstream.paths) == 1


def test_an_answer_that_ends_with_its_connection_is_read(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        exchange.start(headers={"connection": "close"})
        exchange.wfile.write(b'{"1": 1}')
        exchange.close_connection = True

    assert processor(serve(script))([1]) == {1: 1}


def test_nobody_there_is_for_another_attempt() -> None:
    with (
        deaf_port() as port,
        pytest.raises(
            UpstreamError, match=rf"The upstream 127\.0\.0\.1:{port} gave no answer to GET /1 \(Connection refused\)\.$"
        ),
    ):
        HttpUpstream(settings(upstream_url=f"http://127.0.0.1:{port}/{{ids}}"))([1])


# -- connections --


def test_a_connection_is_kept_from_call_to_call(serve: Serve) -> None:
    upstream = serve(always("data"))
    fetch = processor(upstream, "/{id}")
    for _ in range(3):
        fetch([1, 2, 3])
    assert (len(upstream.paths), upstream.connections) == (9, 1)


@pytest.mark.parametrize("slots", [{"concurrency": 4}, {"concurrency": 1, "concurrency_most": 4}])
def test_calls_at_once_have_a_connection_each_and_keep_them(serve: Serve, slots: dict[str, int]) -> None:
    together = threading.Barrier(4)

    def script(exchange: Exchange) -> None:
        together.wait(10)
        exchange.reply(["data"])

    upstream = serve(script)
    fetch = processor(upstream, **slots)
    for _ in range(3):
        threads = [threading.Thread(target=fetch, args=([one],)) for one in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert (len(upstream.paths), upstream.connections) == (12, 4)


def test_a_call_goes_on_after_one_that_was_cut_short(serve: Serve) -> None:
    answers = iter([truncated, always(status=500), always(b"x" * 300_000), always({"1": "fine"})])
    upstream = serve(lambda exchange: next(answers)(exchange))
    fetch = processor(upstream, upstream_max_body=100_000)
    for error in (UpstreamError, UpstreamError, PermanentError):
        with pytest.raises(error):
            fetch([1])
    assert fetch([1]) == {1: "fine"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_opens_its_own_connections(serve: Serve) -> None:
    upstream = serve(always(["data"]))
    source = f"""
import os
from app.config import Settings
from app.processors.http import HttpUpstream
fetch = HttpUpstream(Settings(upstream_url="{upstream.url}/{{ids}}"))
fetch([1])
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
fetch([2])
"""
    subprocess.run([sys.executable, "-c", source], check=True, timeout=30, cwd=Path(__file__).parents[2])
    assert (len(upstream.paths), upstream.connections) == (3, 2)


# -- TLS --


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    return authority


def test_a_certificate_of_an_unknown_authority_is_refused(authority: trustme.CA) -> None:
    with Upstream(always({"1": 1}), server_context(authority, "127.0.0.1")) as upstream:
        with pytest.raises(UpstreamError, match=r"cannot be trusted over TLS \(.*certificate verify failed"):
            processor(upstream)([1])
        assert upstream.paths == []


def test_a_certificate_is_trusted_for_its_own_name_only(trusted: trustme.CA) -> None:
    with Upstream(always({"1": 1}), server_context(trusted, "127.0.0.1")) as upstream:
        assert processor(upstream)([1]) == {1: 1}
    with Upstream(always({"1": 1}), server_context(trusted, "cities.example")) as upstream:
        with pytest.raises(UpstreamError, match="cannot be trusted over TLS"):
            processor(upstream)([1])
        assert upstream.paths == []


# -- ids that are strings --

STRINGS = ["a/b", "c,d", "e&f=g#h?", "me@example.org", "\u00fc %2F", "{ids}", "{id}"]


def test_strings_are_percent_encoded_each_by_itself(serve: Serve) -> None:
    upstream = serve(lambda exchange: exchange.reply(dict.fromkeys(STRINGS, 1)))
    assert processor(upstream, "/records?ids={ids}")(STRINGS) == dict.fromkeys(STRINGS, 1)
    (path,) = upstream.paths
    assert path.startswith("/records?ids=a%2Fb,c%2Cd,e%26f%3Dg%23h%3F,me%40example.org,%C3%BC%20%252F,")
    assert [unquote(one) for one in path.partition("=")[2].split(",")] == STRINGS


def test_one_string_a_request_stays_one_segment(serve: Serve) -> None:
    upstream = serve(lambda exchange: exchange.reply(unquote(exchange.path.split("/")[2])))
    assert processor(upstream, "/records/{id}/data")(STRINGS) == {one: one for one in STRINGS}


def test_a_template_is_tried_with_ids_of_their_type(serve: Serve) -> None:
    upstream = serve(always(1))
    path = "/{{ id[:2] }}/{{ id }}"
    assert processor(upstream, path, id_type="string")(["c/d"]) == {"c/d": 1}
    assert upstream.paths == ["/c%2F/c%2Fd"]
    with pytest.raises(ConfigError, match="UPSTREAM_URL fails in line 1"):
        processor(upstream, path)
