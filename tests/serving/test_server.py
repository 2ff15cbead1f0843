"""The standalone service as it is run: a process of its own, talked to over the network."""

from __future__ import annotations

import http.client
import json
import queue
import signal
import socket
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from app import create_app
from app.client import Client, Unreachable
from app.serving.httpd import Server, listen
from app.serving.server import StopSignals, serve, stop_in_time
from tests.support.command import Command
from tests.support.gate import PATIENCE, Gate
from tests.support.sleeper import Sleeper
from tests.support.standalone import Service

SLOW = ("-m", "tests.support.slow_service")
GATED = {"INGEST_PROCESSOR": "tests.support.gate:gated", "INGEST_INTERVAL": "0", "INGEST_BATCH_SIZE": "1"}


def answer_to(connection: socket.socket) -> tuple[http.client.HTTPResponse, Any]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    body = response.read()
    return response, json.loads(body) if body.startswith(b"{") else body


def test_sigterm_ends_what_is_in_hand_and_counts_what_is_lost() -> None:
    with Gate() as gate, Service(SLOW, **gate.environ, **GATED, INGEST_CONCURRENCY="1", INGEST_THREADS="1") as service:
        service.submit([1, 2, 3, 4, 5])
        batch = gate.wait()
        assert batch.errand == "batch [1]"
        running, queued = service.connect(), service.connect()
        running.request("GET", "/slow/running")
        in_hand = gate.wait()
        queued.request("GET", "/slow/queued")

        service.signal(signal.SIGTERM)
        assert "1 batch in process, with 25 s to end" in service.wait_for("SIGTERM: stopping")
        in_hand.let_pass()
        first = running.getresponse()
        gate.wait().let_pass()
        second = queued.getresponse()
        for response, body in ((first, b"running"), (second, b"queued")):
            assert (response.status, response.read()) == (200, body)
            assert response.headers["Connection"] == "close"
        with pytest.raises(ConnectionRefusedError):
            service.connect()
        assert service.process.poll() is None
        batch.let_pass()
        assert service.end() == 0
        assert service.lines[-1].endswith("WARNING stopped; lost with the memory: 4 batches still queued")
        running.close()
        queued.close()


def test_sigint_and_an_idle_connection() -> None:
    with Service() as service:
        idle = service.connect()
        idle.request("GET", "/readyz")
        assert idle.getresponse().read()
        service.signal(signal.SIGINT)
        assert service.end() == 0
        assert service.lines[-1].endswith("INFO stopped; nothing was queued")
        idle.close()


def test_a_second_signal_ends_it_now() -> None:
    with Gate() as gate, Service(**gate.environ, **GATED) as service:
        service.submit([1])
        gate.wait()
        service.signal(signal.SIGTERM)
        service.wait_for("stopping")
        service.signal(signal.SIGTERM)
        assert service.end() == 128 + signal.SIGTERM


def test_a_batch_that_outlasts_the_grace_is_put_back() -> None:
    with Gate() as gate, Service(**gate.environ, **GATED, INGEST_SHUTDOWN_GRACE="0.1") as service:
        service.submit([1])
        gate.wait()
        service.signal(signal.SIGTERM)
        assert service.end() == 0
        assert "did not end in time" in service.output
        assert "stopped; lost with the memory: 1 batch still queued" in service.lines[-1]


@pytest.mark.realtime
def test_an_upload_may_end_and_a_stalled_one_holds_nothing_up() -> None:
    body = b'{"ids": [1], "priority": "LOW"}'
    head = b"POST /quote HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    with Service() as service, service.raw(head + body[:5]) as uploading, service.raw(head) as stalled:
        service.signal(signal.SIGTERM)
        service.wait_for("stopping")
        uploading.sendall(body[5:])
        response, _ = answer_to(uploading)
        assert response.status == 200
        assert stalled.recv(1) == b""
        assert service.end() == 0


def test_a_signal_ends_a_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Patient(queue.SimpleQueue[None]):
        def get(self, *_: Any, **__: Any) -> None:
            """Wait for much longer than asked to."""
            assert super().get(timeout=PATIENCE) is None

    def is_over() -> bool:
        signals.receive(signal.SIGTERM)
        return False

    monkeypatch.setattr("app.serving.server.queue", SimpleNamespace(SimpleQueue=Patient, Empty=queue.Empty))
    signals, began = StopSignals(), time.monotonic()
    signals.wait(is_over)
    assert time.monotonic() - began < PATIENCE


def test_what_arrived_with_the_signal_is_answered() -> None:
    """Connections that nobody has accepted yet, on more than one address."""
    sockets = [*listen("127.0.0.1", 0), *listen("127.0.0.2", 0)]
    signals = StopSignals()
    signals.receive(signal.SIGTERM)
    clients = []
    for one in sockets:
        client = http.client.HTTPConnection(*one.getsockname(), timeout=PATIENCE)
        client.request("GET", "/livez")
        clients.append(client)
    assert serve(create_app({"INGEST_AUTOSTART": False}), sockets, signals) == 0
    for client in clients:
        response = client.getresponse()
        assert response.status == 200
        assert response.headers["Connection"] == "close"
        response.read()
        client.close()


def test_it_serves_on_every_address_and_stops_from_any_thread() -> None:
    sockets = [*listen("127.0.0.1", 0), *listen("127.0.0.2", 0)]
    signals = StopSignals()
    codes = []
    app = create_app({"INGEST_AUTOSTART": False})
    thread = threading.Thread(target=lambda: codes.append(serve(app, sockets, signals)))
    thread.start()
    for one in sockets:
        client = http.client.HTTPConnection(*one.getsockname(), timeout=PATIENCE)
        client.request("GET", "/livez")
        assert client.getresponse().status == 200
        client.close()
    signals.receive(signal.SIGTERM)
    thread.join(PATIENCE)
    assert codes == [0]


def test_it_ends_with_a_stop_and_waits_for_nothing_where_its_thread_ends_later(monkeypatch: pytest.MonkeyPatch) -> None:
    joined, in_time = threading.Event(), list[bool]()
    wake, join = Server.wake, threading.Thread.join

    def linger(server: Server) -> None:
        wake(server)
        if threading.current_thread().name == "ingest-stop":
            in_time.append(joined.wait(PATIENCE))

    def joining(thread: threading.Thread, timeout: float | None = None) -> None:
        if thread.name == "ingest-stop":
            joined.set()
        join(thread, timeout)

    monkeypatch.setattr(Server, "wake", linger)
    monkeypatch.setattr(threading.Thread, "join", joining)
    signals = StopSignals()
    signals.receive(signal.SIGTERM)
    app = create_app({"INGEST_AUTOSTART": False, "INGEST_SHUTDOWN_GRACE": 3600})
    assert serve(app, listen("127.0.0.1", 0), signals) == 0
    assert in_time == [True]


def test_a_store_that_hangs_is_not_asked_what_is_left_and_a_late_stop_wakes_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The number of the closed file that a late one would write to may be that of another file by then."""
    monkeypatch.setattr("app.serving.server._REQUEST_GRACE", 0.01)
    back, asked = threading.Event(), list[bool]()
    app = create_app({"INGEST_AUTOSTART": False, "INGEST_SHUTDOWN_GRACE": 0})
    store = app.extensions["ingest"].store
    monkeypatch.setattr(app.extensions["ingest"], "stop", lambda: back.wait(PATIENCE))
    monkeypatch.setattr(store, "stats", lambda: asked.append(True))
    raised = list[BaseException | None]()
    monkeypatch.setattr(threading, "excepthook", lambda told: raised.append(told.exc_value))
    signals = StopSignals()
    signals.receive(signal.SIGTERM)
    assert serve(app, listen("127.0.0.1", 0), signals) == 1
    assert not asked
    (late,) = (one for one in threading.enumerate() if one.name == "ingest-stop")
    back.set()
    late.join(PATIENCE)
    assert not raised
    assert "the worker did not stop in time" in caplog.text


def test_a_worker_alone_waits_no_longer_for_a_store_that_hangs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.serving.server._REQUEST_GRACE", 0.01)
    service = create_app({"INGEST_AUTOSTART": False, "INGEST_SHUTDOWN_GRACE": 0}).extensions["ingest"]
    back = threading.Event()
    monkeypatch.setattr(service, "stop", lambda: back.wait(PATIENCE))
    assert not stop_in_time(service)
    assert service.shutting_down, "or the end of the process would stop it once more"
    assert "the worker did not stop in time" in caplog.text
    back.set()
    assert stop_in_time(service)


def test_a_worker_alone_that_cannot_be_stopped_has_not_stopped_in_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = create_app({"INGEST_AUTOSTART": False}).extensions["ingest"]
    monkeypatch.setattr(service, "stop", lambda: 1 / 0)
    assert not stop_in_time(service)
    assert caplog.messages == ["the worker could not be stopped"]


def test_one_port_for_all_addresses_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def two(*_: Any, **__: Any) -> list[Any]:
        nowhere = ("192.0.2.1", 0)  # TEST-NET-1, RFC 5737
        found = [("127.0.0.1", 0), nowhere, ("127.0.0.2", 0)]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    sockets = listen("two.example", 0)
    first, second = (one.getsockname() for one in sockets)
    assert (first[0], second[0]) == ("127.0.0.1", "127.0.0.2")
    assert first[1] == second[1]
    for one in sockets:
        one.close()


@pytest.mark.parametrize(
    ("environ", "code", "sentence"),
    [
        ({"INGEST_PORT": "http"}, 2, "INGEST_PORT must be a whole number from 0 to 65535, not 'http'."),
        ({"INGEST_PORT": "0", "INGEST_PROCESSOR": "no_such_module:f"}, 2, "INGEST_PROCESSOR names 'no_such_module:f'"),
        (
            {"INGEST_ALLOW_OPEN": "1", "INGEST_HOST": "192.0.2.1"},
            1,
            "Cannot listen on 192.0.2.1, port 8000: Cannot assign requested address",
        ),
        (
            {"INGEST_ALLOW_OPEN": "1", "INGEST_HOST": "no such host"},
            1,
            "INGEST_HOST 'no such host' is not an address of this machine",
        ),
    ],
)
def test_what_keeps_it_from_starting_is_a_sentence(environ: dict[str, str], code: int, sentence: str) -> None:
    with Command("wsgi.py", environ=environ) as command:
        assert command.end() == code
        (line,) = command.lines
        assert line.startswith(f"flask_ingestion: {sentence}")


def test_a_port_in_use_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with Command("wsgi.py", environ={"INGEST_PORT": str(port)}) as command:
            assert command.end() == 1
            (line,) = command.lines
            assert line.startswith(f"flask_ingestion: Cannot listen on 127.0.0.1, port {port}: Address already in use")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service(INGEST_MAX_IDS="10") as service:
        yield service


def post(headers: bytes, body: bytes = b"") -> bytes:
    return b"POST /ingest HTTP/1.1\r\nContent-Type: application/json\r\n" + headers + b"\r\n\r\n" + body


def sized(size: int) -> bytes:
    return post(b"Content-Length: %d" % size, b"[" + b" " * (size - 2) + b"]")


LIMIT = 65_536 + 22 * 10


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x00\xff\xfe garbage\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /livez HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (post(b"Content-Length: -1"), 400),
        (post(b"Transfer-Encoding: chunked", b"zz\r\n"), 400),
        (post(b"Transfer-Encoding: gzip"), 501),
        (b"GET /livez HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (sized(LIMIT), 422),
        (sized(LIMIT + 1), 413),
        (sized(2 * LIMIT - 1), 413),
        (post(b"Content-Length: 999999999999"), 413),
        (post(b"Transfer-Encoding: chunked", b"30000\r\n" + b" " * 0x30000), 413),
    ],
    ids=lambda value: str(value[:30]) if isinstance(value, bytes) else None,
)
def test_every_refusal_is_a_problem_document(service: Service, sent: bytes, status: int) -> None:
    with service.raw(sent) as connection:
        response, problem = answer_to(connection)
    assert response.status == status == problem["status"]
    assert response.headers["Content-Type"] == "application/problem+json"
    assert len(problem["detail"]) > 10
    assert "Server" not in response.headers


def test_tls_is_refused_at_once_with_the_reason(service: Service) -> None:
    clock = Sleeper()
    with pytest.raises(Unreachable, match="does not speak TLS; try http:// instead of https://"):
        # Longer than a test may take.
        Client(f"https://127.0.0.1:{service.port}", timeout=10 * PATIENCE, clock=clock).queue()
    assert clock.slept == []
    with service.raw(b"\x16\x03\x01\x07\xfe") as connection:
        response, problem = answer_to(connection)
    assert (response.status, problem["detail"]) == (400, "This port takes http://, not https://.")


def test_a_half_sent_request_keeps_no_thread(service: Service) -> None:
    head = b"POST /ingest HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n{"
    with (
        service.raw(head),
        service.raw(head),
        service.raw(head),
        service.raw(head),
        service.raw(head[:20]),
        service.raw(b""),
    ):
        assert service.call("GET", "/livez")["status"] == "ok"


def test_a_truncated_body_is_nothing_accepted(service: Service) -> None:
    before = service.call("GET", "/ingestions")
    with service.raw(b"POST /ingest HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{") as half:
        half.shutdown(socket.SHUT_WR)
        assert half.recv(1) == b""
    assert service.call("GET", "/ingestions") == before


@pytest.mark.realtime
def test_the_default_schedule() -> None:
    """A later HIGH goes before what waits, and starts stay 5 s apart."""
    with Gate() as gate, Service(**gate.environ, INGEST_PROCESSOR="tests.support.gate:gated") as service:
        arrived: list[tuple[float, str]] = []
        service.submit([1, 2, 3, 4, 5], "MEDIUM")
        for number in range(4):
            visitor = gate.wait()
            arrived.append((time.monotonic(), visitor.errand))
            visitor.let_pass()
            if number == 0:
                time.sleep(2)
                service.submit([6, 7, 8, 9], "HIGH")
        assert [errand for _, errand in arrived] == ["batch [1, 2, 3]", "batch [6, 7, 8]", "batch [9]", "batch [4, 5]"]
        starts = [one["started_at"] for one in service.call("GET", "/dispatches")["dispatches"]]
        for moments in (starts, [moment for moment, _ in arrived]):
            assert [moment - moments[0] for moment in moments] == pytest.approx([0, 5, 10, 15], abs=1)
        assert all(later - earlier >= 5 for earlier, later in pairwise(starts))
