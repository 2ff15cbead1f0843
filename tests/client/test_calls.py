"""Which calls go again, when, and how often: to the last attempt and the last second."""

from __future__ import annotations

import errno
import gzip
import inspect
import json
import math
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import closing, suppress
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

import pytest

from app.client import Client, Refused, TimedOut, Unreachable
from app.client.losses import why
from app.httpclient import TimelyResponse, reading_until
from tests.support.documents import page, status
from tests.support.ports import deaf_port
from tests.support.scripted import answer, head, problem, reset, say_nothing, scripted, send
from tests.support.sleeper import Sleeper

Make = Callable[..., Client]
ANSWER = answer(200, status("triggered"))


def within(slept: list[float], bounds: list[float]) -> bool:
    """Whether each pause is as long as its bound, less up to half."""
    return all(bound / 2 <= pause <= bound for pause, bound in zip(slept, bounds, strict=True))


def test_the_pauses_double_up_to_eight_seconds_less_up_to_half(client: Make, clock: Sleeper) -> None:
    with scripted(*[reset] * 9, ANSWER) as server:
        assert client(server.url, retries=9, patience=100).cancel("abc")["status"] == "triggered"
    bounds = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0]
    assert within(clock.slept, bounds)
    assert len({round(pause / bound, 6) for pause, bound in zip(clock.slept, bounds, strict=True)}) > 1


@pytest.mark.parametrize(("patience", "slept"), [(50, [25, 25]), (49.9, [25]), (25, [25]), (24.9, [])])
def test_the_pauses_add_up_to_the_patience_at_most(
    client: Make, clock: Sleeper, patience: float, slept: list[float]
) -> None:
    later = problem(503, "Full.", Retry_After="25")
    with scripted(later, later, later) as server, pytest.raises(Refused):
        client(server.url, patience=patience).cancel("abc")
    assert clock.slept == slept


def test_where_retries_are_given_they_bound_it_too(client: Make) -> None:
    with scripted(*[reset] * 7) as server, pytest.raises(Unreachable):
        client(server.url, retries=5).cancel("abc")
    assert len(server.requests) == 6


def test_it_goes_on_for_as_long_as_it_may(client: Make, clock: Sleeper) -> None:
    # Beyond 1,024 attempts a number that doubles each time would be too large.
    with scripted(*[reset] * 1100, ANSWER) as server:
        assert client(server.url, patience=1e9).cancel("abc")["status"] == "triggered"
    assert max(clock.slept) <= 8


def test_a_client_is_as_patient_as_told_where_nothing_else_is_asked_for() -> None:
    options = inspect.signature(Client).parameters
    assert {name: options[name].default for name in ("timeout", "patience", "retries")} == {
        "timeout": 30,
        "patience": 60,
        "retries": None,
    }


def test_without_retries_it_goes_once(client: Make, clock: Sleeper) -> None:
    with scripted(reset, ANSWER) as server, pytest.raises(Unreachable):
        client(server.url, retries=0).cancel("abc")
    assert clock.slept == []


@pytest.mark.parametrize(
    ("code", "headers", "again"),
    [
        (429, {}, True),
        (502, {}, True),
        (503, {}, True),
        (504, {}, True),
        (409, {"Retry_After": "1"}, True),
        (409, {}, False),
        (404, {"Retry_After": "1"}, False),
        (500, {}, False),
    ],
)
def test_what_is_worth_another_try(client: Make, code: int, headers: dict[str, str], again: bool) -> None:
    with scripted(problem(code, "No.", **headers), ANSWER) as server:
        if again:
            assert client(server.url).cancel("abc")["status"] == "triggered"
        else:
            with pytest.raises(Refused):
                client(server.url).cancel("abc")


@pytest.mark.parametrize(
    ("code", "headers", "again"),
    [(429, {}, True), (503, {}, True), (409, {"Retry_After": "1"}, True), (502, {}, False), (504, {}, False)],
)
@pytest.mark.parametrize("verb", ["redrive", "redrive_callback"])
def test_a_redrive_only_if_it_surely_did_not_work(
    client: Make, verb: str, code: int, headers: dict[str, str], again: bool
) -> None:
    with scripted(problem(code, "No.", **headers), ANSWER) as server:
        if again:
            assert getattr(client(server.url), verb)("abc")["status"] == "triggered"
        else:
            with pytest.raises(Refused):
                getattr(client(server.url), verb)("abc")


@pytest.mark.parametrize("headers", [{}, {"Retry_After": "1"}])
def test_a_503_of_a_proxy_leaves_a_redrive_in_doubt(client: Make, headers: dict[str, str]) -> None:
    with scripted(answer(503, b"<h1>upstream reset</h1>", **headers), ANSWER) as server:
        with pytest.raises(Unreachable, match="answers 503, but not as this service does"):
            client(server.url).redrive("abc")
        assert client(server.url).cancel("abc")["status"] == "triggered"
    assert [request.path for request in server.requests] == ["/status/abc/redrive", "/status/abc/cancel"]


def test_a_redrive_that_reached_nobody_goes_again(client: Make, clock: Sleeper) -> None:
    with deaf_port() as port, pytest.raises(Unreachable):
        client(f"http://127.0.0.1:{port}", retries=2).redrive("abc")
    assert len(clock.slept) == 2


@pytest.mark.parametrize(
    ("header", "pause"),
    [("17", 17.0), (" 0 ", None), (formatdate(0, usegmt=True), None), ("soon", None), ("-5", None), ("1.5", None)],
)
def test_later_is_a_number_of_seconds_or_a_date(client: Make, clock: Sleeper, header: str, pause: float | None) -> None:
    said: list[str] = []
    with scripted(problem(503, "Not now.", Retry_After=header), ANSWER) as server:
        client(server.url, notice=said.append).cancel("abc")
    assert clock.slept == [pause] if pause is not None else 0.1 < clock.slept[0] <= 0.25
    assert said == [f"Not now. Trying again in {clock.slept[0]:.1f} s."]


def test_a_service_that_says_at_once_again_and_again_is_asked_less_and_less(client: Make, clock: Sleeper) -> None:
    with scripted(*[problem(503, "Not now.", Retry_After="0")] * 7, ANSWER) as server:
        client(server.url).cancel("abc")
    assert within(clock.slept, [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0])


def test_a_service_that_asks_for_a_second_again_and_again_is_asked_less_and_less(client: Make, clock: Sleeper) -> None:
    with scripted(*[problem(503, "Not now.", Retry_After="1")] * 7, ANSWER) as server:
        client(server.url).cancel("abc")
    assert clock.slept[:2] == [1.0, 1.0]
    assert within(clock.slept[3:], [2.0, 4.0, 8.0, 8.0])


@pytest.mark.parametrize(
    "date", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_a_date_of_any_form_counts_from_the_answers_own(
    client: Make, clock: Sleeper, date: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        later = problem(503, "Not now.", Retry_After=date, Date="Sun, 06 Nov 1994 08:49:07 GMT")
        with scripted(later, ANSWER) as server:
            client(server.url).cancel("abc")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert clock.slept == [30.0]


@pytest.mark.parametrize("date", ["Sun, 06 Nov 99999999999 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 +99999999999"])
def test_a_date_that_cannot_be_is_none(client: Make, date: str) -> None:
    with scripted(problem(503, "Not now.", Retry_After=date)) as server, pytest.raises(Refused) as refused:
        client(server.url, retries=0).cancel("abc")
    assert refused.value.retry_after is None


@pytest.mark.parametrize("status", [102, 103])
def test_an_interim_answer_is_not_the_answer(client: Make, status: int) -> None:
    def early(connection: socket.socket) -> None:
        connection.sendall(2 * head(status, Link="</style.css>; rel=preload"))
        ANSWER(connection)

    with scripted(early) as server:
        assert client(server.url, retries=0).cancel("abc")["status"] == "triggered"


@pytest.mark.parametrize("sent", [b"HTTP/1.1 200 OK\r\n", head(200, X="a")[:-2], head(503, X="a")[:-4]])
def test_headers_that_break_off_are_no_answer(client: Make, sent: bytes) -> None:
    with scripted(send(sent), ANSWER) as server:
        assert client(server.url).cancel("abc")["status"] == "triggered"
    with scripted(send(sent)) as server, pytest.raises(Unreachable, match="the connection was lost"):
        client(server.url, retries=0).cancel("abc")


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (head(204), "answers 204, but not as this service does"),
        (head(304, ETag='"a"'), "answers 304, but not as this service does"),
        (head(404), "answers 404, but not as this service does"),
        (head(302, Location="/login"), "redirects to /login; use that address instead"),
        (head(200), "answers, but not as this service does"),
    ],
)
def test_an_answer_without_a_body_or_its_length_is_one(client: Make, sent: bytes, told: str) -> None:
    with scripted(send(sent), ANSWER) as server, pytest.raises(Unreachable, match=told):
        client(server.url).cancel("abc")
    assert len(server.requests) == 1


def test_an_answer_in_a_coding_that_nobody_asked_for_is_not_the_services(client: Make) -> None:
    packed = gzip.compress(json.dumps(status("triggered")).encode())
    with (
        scripted(answer(200, packed, Content_Encoding="gzip")) as server,
        pytest.raises(Unreachable, match="answers, but not as this service does"),
    ):
        client(server.url).cancel("abc")
    assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("length", ["abc", "-1", "1e3"])
def test_a_length_that_is_none_is_no_answer(client: Make, length: str) -> None:
    act = send(head(200, Content_Length=length) + b"{}")
    with scripted(act) as server, pytest.raises(Unreachable):
        client(server.url, retries=0).queue()


@pytest.mark.parametrize("code", [200, 400])
def test_what_is_nested_beyond_reason_is_not_the_services(client: Make, code: int) -> None:
    with scripted(answer(code, b"[" * 200_000)) as server, pytest.raises(Unreachable, match="not as this service does"):
        client(server.url, retries=0).queue()


@pytest.mark.parametrize("errors", ["xx", 5, ["xx", None], {"pointer": "#"}])
def test_faults_of_another_form_are_none(client: Make, errors: Any) -> None:
    with scripted(problem(422, "No.", errors)) as server, pytest.raises(Refused, match="No") as refused:
        client(server.url, retries=0).cancel("abc")
    assert refused.value.errors == []


@pytest.mark.parametrize("code", [300, 301, 308, 399])
def test_a_redirect_says_where_to(client: Make, code: int) -> None:
    with scripted(answer(code, b"", Location="/there")) as server:
        url = server.url + "/in"
        with pytest.raises(Unreachable, match=f"^{url} redirects to /there; use that address instead") as caught:
            client(url + "/").cancel("abc")
    assert not caught.value.again


@pytest.mark.parametrize(
    "act",
    [
        answer(400, b"", Location="/there"),
        answer(299, b"", Location="/there"),
        answer(301, b""),
        answer(404, ["detail"]),
        answer(404, {"title": "No"}),
        answer(201, status("triggered")),
    ],
    ids=["400", "299", "no-location", "array", "no-detail", "201"],
)
def test_any_other_answer_is_not_the_services(client: Make, act: Any) -> None:
    with scripted(act) as server, pytest.raises(Unreachable, match=r"answers \d{3}, but not as this service does"):
        client(server.url).cancel("abc")


@pytest.mark.parametrize(("code", "hint"), [(404, True), (405, False), (403, False)])
def test_where_nothing_is_found_the_prefix_may_be_missing(client: Make, code: int, hint: bool) -> None:
    with scripted(answer(code, ["detail"])) as server, pytest.raises(Unreachable) as caught:
        client(server.url).cancel("abc")
    assert ("its URL ends with its url_prefix" in str(caught.value)) == hint


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (OSError("Something else."), "Something else"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "[Errno 111] Connect call failed"), "Connection refused"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "the connection was lost before the answer was complete"),
        (PermissionError(errno.EPERM, "[Errno 1] Connect call failed"), "Operation not permitted"),
    ],
)
def test_an_error_of_the_system_is_told_in_its_words(error: OSError, told: str) -> None:
    assert why(error) == told


def test_an_error_of_tls_may_have_no_reason() -> None:
    error = ssl.SSLError(1, "a kind of its own")
    error.reason = None  # type: ignore[assignment]
    assert why(error) == "what answers there does not speak TLS; try http:// instead of https://"


@pytest.mark.parametrize("length", [1, 255])
def test_a_key_has_up_to_255_characters(client: Make, length: int) -> None:
    with scripted(answer(200, {"ingestion_id": "abc"})) as server:
        client(server.url).submit([1], "LOW", idempotency_key="k" * length)
    assert server.requests[0].headers["idempotency-key"] == '"' + "k" * length + '"'


@pytest.mark.parametrize("key", ["", "k" * 256, "a\nb", "caf\u00e9", 'a"b'])
@pytest.mark.parametrize("verb", ["submit", "redrive_all", "cancel_all"])
def test_a_key_that_no_header_can_carry_is_refused_before_anything_is_sent(client: Make, verb: str, key: str) -> None:
    words = ([1], "LOW") if verb == "submit" else ()
    with scripted(ANSWER) as server, pytest.raises(ValueError, match="An idempotency key is 1 to 255 printable ASCII"):
        getattr(client(server.url, retries=0), verb)(*words, idempotency_key=key)
    assert server.requests == []


@pytest.mark.parametrize("timeout", [math.nan, "5", True])
@pytest.mark.parametrize("verb", ["wait", "wait_all"])
def test_a_wait_until_no_moment_is_refused(client: Make, verb: str, timeout: Any) -> None:
    with scripted(ANSWER) as server, pytest.raises(ValueError, match="timeout must be a number of seconds, or None"):
        getattr(client(server.url, retries=0), verb)("a" if verb == "wait" else ["a"], timeout=timeout)
    assert server.requests == []


def test_a_poll_comes_no_sooner_than_a_quarter_of_a_second_and_no_later_than_the_timeout(
    client: Make, clock: Sleeper
) -> None:
    soon, late = ("0", "50")
    acts = [answer(200, status("triggered"), Retry_After=after) for after in (soon, late, late)]
    with scripted(*acts) as server, pytest.raises(TimedOut):
        client(server.url).wait("abc", timeout=40)
    assert clock.slept == [0.25, 39.75]


def test_while_nobody_answers_a_wait_takes_no_longer_than_its_timeout(client: Make, clock: Sleeper) -> None:
    with scripted(*[reset] * 20) as server, pytest.raises(Unreachable):
        client(server.url, retries=20).wait("abc", timeout=3)
    assert 1.0 < sum(clock.slept) <= 3


@pytest.mark.parametrize(("timeout", "told"), [(0.02, "0.1"), (0.2, "0.2")])
def test_the_last_answer_is_awaited_for_what_is_left_of_a_wait(client: Make, timeout: float, told: str) -> None:
    with scripted(say_nothing) as server, pytest.raises(Unreachable, match=f"no answer within {told} s"):
        client(server.url, retries=0).wait("abc", timeout=timeout)


@pytest.mark.parametrize("drip", [b"HTTP/1.1 200 OK\r\nX: ", head(200, Content_Length="500")], ids=["headers", "body"])
def test_an_answer_that_drips_does_not_outlast_a_wait(client: Make, drip: bytes) -> None:
    def act(connection: socket.socket) -> None:
        connection.sendall(drip)
        connection.settimeout(0.02)
        for _ in range(500):
            with suppress(TimeoutError):
                connection.recv(1)  # the client has left
                return
            connection.sendall(b" ")

    with scripted(act) as server, pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
        client(server.url, retries=0, timeout=0.1).wait("abc", timeout=0.2)


def test_a_silence_within_an_answer_lasts_no_longer_than_the_whole_may() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, reading_until(time.monotonic() + 0.1):
        ours.settimeout(2)
        with closing(TimelyResponse(ours)) as response, pytest.raises(TimeoutError):
            response.begin()
        assert 0 < ours.gettimeout() <= 0.1


def test_an_answer_that_drips_may_take_longer_than_each_part_of_it_while_a_wait_goes_on(client: Make) -> None:
    document = json.dumps(status("completed")).encode()

    def act(connection: socket.socket) -> None:
        connection.sendall(head(200, Content_Length=str(len(document) + 15)))
        connection.settimeout(0.1)
        for _ in range(15):
            with suppress(TimeoutError):
                connection.recv(1)
            connection.sendall(b" ")
        connection.sendall(document)

    with scripted(act) as server:
        assert client(server.url, timeout=1, retries=0).wait("abc", timeout=60).status == "completed"


def test_an_id_that_no_url_can_hold_is_answered_with_an_error_of_the_clients(client: Make, clock: Sleeper) -> None:
    with scripted(answer(431, b"")) as server, pytest.raises(Unreachable):
        client(server.url).status("x" * 70_000)
    assert not clock.slept


def test_the_listing_of_those_with_failed_batches(client: Make) -> None:
    with scripted(answer(200, page())) as server:
        assert list(client(server.url).list(failed=True)) == []
    assert server.requests[0].path == "/ingestions?failed=true&limit=100"
    with scripted(answer(200, {"ingestions": []})) as server, pytest.raises(Unreachable, match="not as this service"):
        list(client(server.url).list())


def test_every_request_says_who_asks_and_for_what(client: Make) -> None:
    with scripted(ANSWER) as server:
        client(server.url).cancel("abc")
    headers = server.requests[0].headers
    assert (headers["accept"], headers["user-agent"]) == ("application/json", "flask-ingestion")
    assert headers["connection"] == "close"
    assert not {"authorization", "content-type"} & headers.keys()


@pytest.mark.parametrize("url", ["https://h:1/a", "HTTP://h", "http://[::1]:8000/a/"])
def test_a_url_may_have_any_scheme_of_http_and_a_path(url: str) -> None:
    Client(url)


@pytest.mark.parametrize(
    ("url", "sent"),
    [("{url}/é b%20c", "/%C3%A9%20b%20c/queue"), ("{url}\n", "/queue"), (" {url}/~a:/ ", "/~a:/queue")],
)
def test_a_path_is_sent_as_http_takes_it(client: Make, url: str, sent: str) -> None:
    with scripted(problem(404, "No.")) as server, pytest.raises(Refused):
        client(url.format(url=server.url), retries=0).queue()
    assert server.requests[0].path == sent


@pytest.mark.parametrize("id_", [".", "..", "...", "a/../b"])
def test_an_id_of_dots_is_not_taken_for_a_folder(client: Make, id_: str) -> None:
    with scripted(problem(404, "No.")) as server, pytest.raises(Refused):
        client(server.url, retries=0).where(id_)
    path = server.requests[0].path.partition("?")[0]
    assert unquote(path.removeprefix("/ids/")) == id_
    assert not {".", ".."} & set(path.split("/"))


@pytest.mark.parametrize(
    "url", ["http://a..b", "http://exa mple", "http://h\x7f", f"http://{'a' * 64}.com", "http://.a"]
)
def test_a_name_that_no_host_can_have_is_refused_by_both_clients(client: Make, url: str) -> None:
    with pytest.raises(ValueError, match="looks like http://127"):
        client(url)


def test_a_name_in_other_letters_is_looked_up_as_dns_has_it(client: Make) -> None:
    with pytest.raises(Unreachable, match=r"http://xn--bcher-kva\.invalid: "):
        client("http://bücher.invalid", retries=0).queue()


@pytest.mark.parametrize("url", ["http://h/?q=1", "http://h/#f", "http://u@h/", "h:80", "ftp://h"])
def test_and_nothing_else(url: str) -> None:
    with pytest.raises(ValueError, match="looks like http://127"):
        Client(url)
