"""The client against a server that does whatever a network can do to it."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
import trustme

from app.client import Client, ClientError, Refused, TimedOut, Unreachable
from app.core.models import Priority
from tests.support.documents import status
from tests.support.ports import deaf_port
from tests.support.scripted import answer, chunk, head, problem, reset, say_nothing, scripted, send
from tests.support.sleeper import Sleeper
from tests.support.upstream import Upstream

ACCEPTED = answer(200, {"ingestion_id": "abc"})


Make = Callable[..., Client]


def test_a_submit_is_one_request(client: Make) -> None:
    with scripted(ACCEPTED) as server:
        assert (
            client(server.url + "/", key=" secret\n").submit(
                range(1, 4), Priority.HIGH, deadline=60, callback="x", fresh=0
            )
            == "abc"
        )
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/ingest")
    assert request.json == {"ids": [1, 2, 3], "priority": "HIGH", "deadline": 60, "callback": "x", "fresh": 0}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer secret"
    assert len(request.headers["idempotency-key"]) == 38


def test_strings_are_sent_as_they_are(client: Make) -> None:
    with scripted(ACCEPTED) as server:
        client(server.url).submit(["a/b", "\u00fc"], "LOW")
    assert server.requests[0].json["ids"] == ["a/b", "\u00fc"]


@pytest.mark.parametrize(
    "loss",
    [
        send(b""),
        reset,
        send(b"HTTP/1.1 200"),
        send(b"HTTP/1.1 200 OK\r\nContent-Ty"),
        send(head(200, Content_Length="100") + b'{"ingestion_id": "lost"}'),
        send(head(200, Transfer_Encoding="chunked") + b'5\r\n{"ing'),
        send(head(200, Transfer_Encoding="chunked") + chunk(b'{"ingestion_id": "lost"}')),
        answer(502, b"<h1>Bad Gateway</h1>"),
        answer(504, b""),
    ],
    ids=["closed", "reset", "status-line", "headers", "short", "chunk", "no-last-chunk", "502", "504"],
)
def test_a_submit_that_is_lost_goes_again_under_one_key(client: Make, clock: Sleeper, loss: Any) -> None:
    said: list[str] = []
    with scripted(loss, loss, ACCEPTED) as server:
        assert client(server.url, notice=said.append).submit([1], "LOW") == "abc"
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1
    assert len({request.body for request in server.requests}) == 1
    assert len(server.requests) == 3
    first, second = clock.slept
    assert 0 < first <= 0.25 < second * 2 <= 1
    assert len(said) == 2
    assert "Trying again in" in said[0]


def test_two_submits_have_two_keys_unless_told(client: Make) -> None:
    with scripted(ACCEPTED, ACCEPTED, ACCEPTED) as server:
        for key in (None, None, "monday-17"):
            client(server.url).submit([1], "LOW", idempotency_key=key)
    one, other, told = (request.headers["idempotency-key"] for request in server.requests)
    assert one != other
    assert told == '"monday-17"'


@pytest.mark.parametrize("key", ["", "x" * 256, 'a"b', "a\\b", "ä", "a\nb"])
def test_a_key_that_no_header_can_carry_is_refused(client: Make, key: str) -> None:
    with pytest.raises(ValueError, match="An idempotency key is"):
        client("http://127.0.0.1:1").submit([1], "LOW", idempotency_key=key)


@pytest.mark.parametrize("code", [503, 429, 409])
def test_later_is_obeyed(client: Make, clock: Sleeper, code: int) -> None:
    with scripted(problem(code, "Not now.", Retry_After="17"), ACCEPTED) as server:
        assert client(server.url).submit([1], "LOW") == "abc"
    assert clock.slept == [17]
    first, second = server.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_later_may_be_a_date(client: Make, clock: Sleeper) -> None:
    with scripted(problem(503, "Not now.", Retry_After=formatdate(4e9, usegmt=True)), ACCEPTED) as server:
        client(server.url, patience=1e10).submit([1], "LOW")
        assert clock.slept[0] > 1e9


def test_patience_ends(client: Make, clock: Sleeper) -> None:
    later = problem(503, "The queue is full.", Retry_After="25")
    with scripted(later, later, later) as server, pytest.raises(Refused, match="The queue is full") as caught:
        client(server.url, patience=60).submit([1], "LOW")
    assert clock.slept == [25, 25]
    assert (caught.value.status, caught.value.retry_after) == (503, 25)


def test_retries_end(client: Make, clock: Sleeper) -> None:
    with scripted(reset, reset, reset) as server, pytest.raises(Unreachable, match="the connection was lost"):
        client(server.url, retries=2).submit([1], "LOW")
    assert len(server.requests) == 3
    assert len(clock.slept) == 2


def test_a_refusal_says_everything(client: Make, clock: Sleeper) -> None:
    faults = [{"pointer": "#/ids/0", "detail": "ids[0] must be an integer."}, {"pointer": "#/x", "detail": "No x."}]
    with scripted(problem(422, "2 things are wrong.", faults)) as server, pytest.raises(Refused) as caught:
        client(server.url).submit([1], "LOW")
    assert str(caught.value) == caught.value.detail == "2 things are wrong."
    assert caught.value.status == 422
    assert caught.value.errors == faults
    assert caught.value.problem["title"] == "No"
    assert caught.value.retry_after is None
    assert clock.slept == []


def test_a_conflict_for_good_is_not_repeated(client: Make) -> None:
    with scripted(problem(409, "It is finished.")) as server, pytest.raises(Refused, match="It is finished"):
        client(server.url).cancel("abc")


def test_a_body_that_is_refused_unread_is_a_refusal(client: Make) -> None:
    act = problem(413, "Too large.", Connection="close")
    with scripted(act, unread=True) as server, pytest.raises(Refused, match="Too large"):
        client(server.url).submit(range(10**12, 10**12 + 200_000), "LOW")


def test_a_redrive_that_may_have_worked_is_not_repeated(client: Make) -> None:
    with scripted(reset, answer(200, status("triggered"))) as server, pytest.raises(Unreachable):
        client(server.url).redrive("abc")
    assert len(server.requests) == 1


def test_a_redrive_that_surely_did_not_is(client: Make) -> None:
    with scripted(problem(503, "Later."), answer(200, status("triggered"))) as server:
        assert client(server.url).redrive("abc")["status"] == "triggered"


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (answer(404, b"<h1>Not Found</h1>"), "answers 404, but not as this service does"),
        (answer(200, b"<h1>Welcome</h1>"), "but not as this service does"),
        (answer(200, ["ingestion_id"]), "but not as this service does"),
        (answer(200, {"status": "triggered"}), "but not as this service does: ingestion_id is missing"),
        (send(b"SSH-2.0-OpenSSH_9.2p1\r\n"), "does not speak HTTP"),
    ],
    ids=["html-404", "html-200", "array", "other-service", "ssh"],
)
def test_something_else_is_not_the_service(client: Make, act: Any, message: str) -> None:
    with scripted(act) as server, pytest.raises(Unreachable, match=message) as caught:
        client(server.url, retries=0).submit([1], "LOW")
    # Who knows what it did with the request, and what answers there later?
    assert (caught.value.sent, caught.value.again) == (True, True)


def test_nobody_there(client: Make, clock: Sleeper) -> None:
    with deaf_port() as port, pytest.raises(Unreachable, match=f"http://127.0.0.1:{port}: Connection refused"):
        client(f"http://127.0.0.1:{port}", retries=1).queue()
    assert len(clock.slept) == 1


def test_what_is_wrong_with_tls_stays_wrong(client: Make, clock: Sleeper) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with Upstream(lambda exchange: exchange.reply({}), context) as server:
        with pytest.raises(Unreachable, match="its certificate cannot be trusted"):
            client(server.url).queue()
        assert server.paths == []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def alert() -> None:
            with listener.accept()[0] as connection:
                connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")
                connection.recv(65_536)

        thread = threading.Thread(target=alert)
        thread.start()
        with pytest.raises(Unreachable, match="alert handshake failure"):
            client(f"https://127.0.0.1:{listener.getsockname()[1]}").queue()
        thread.join()
    assert clock.slept == []


def test_a_connection_that_ends_before_tls_is_agreed_on_may_not_the_next_time(client: Make, clock: Sleeper) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            for _ in range(2):
                with listener.accept()[0] as connection:
                    connection.recv(65_536)

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(Unreachable, match="the connection was lost"):
            client(f"https://127.0.0.1:{listener.getsockname()[1]}", retries=1).queue()
        thread.join()
    assert len(clock.slept) == 1


def test_an_answer_that_does_not_come(client: Make) -> None:
    with scripted(say_nothing) as server, pytest.raises(Unreachable, match=r"no answer within 0\.05 s"):
        client(server.url, timeout=0.05, retries=0).queue()


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://x", "http://", "http://u:p@x", "http://x?y", "http://x:y"]
)
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|Port"):
        Client(url)


@pytest.mark.parametrize("key", ["sec\nret", "sec\u00e4ret"])
def test_a_key_that_no_header_may_hold_is_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="no header may hold") as caught:
        Client("http://127.0.0.1", key=key)
    assert "ret" not in str(caught.value)


def test_one_except_catches_them_all() -> None:
    assert issubclass(Unreachable, ClientError)
    assert issubclass(Refused, ClientError)
    assert issubclass(TimedOut, ClientError)


def test_the_client_needs_no_flask() -> None:
    source = "import sys; sys.modules['flask'] = None; sys.path.insert(0, '.')\n"
    source += "import types; app = types.ModuleType('app'); app.__path__ = ['app']; sys.modules['app'] = app\n"
    source += "from app.client import Client; print(Client('http://127.0.0.1'))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.dumps("app.client.client.Client")[1:-1] in done.stdout
