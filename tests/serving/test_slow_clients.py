"""Clients that keep a connection to themselves: they take no answers, or send a request byte by byte, or for no end.

The test turns the server's loop itself, and says what time it is.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import pytest
from flask import Flask, Response, request

from app.serving.httpd import Server, listen
from tests.support.clock import START
from tests.support.gate import PATIENCE

MEGABYTE = 1_000_000
MAX_BODY = 1_000
ROOM = 8 * MAX_BODY
"""What the bodies that the server keeps may take in all."""


class Loop:
    """The server with one thread, and its clients."""

    def __init__(self, app: Flask, max_body: int = MAX_BODY) -> None:
        sockets = listen("127.0.0.1", 0)
        self._address = sockets[0].getsockname()
        self.server = Server(app, sockets, 1, max_body)
        self._clients = contextlib.ExitStack()

    def __enter__(self) -> Loop:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._clients.close()
        self.until(lambda: not self.server.close_idle())
        self.server.close()

    def client(self, data: bytes = b"") -> socket.socket:
        """A connection that has sent these bytes, whose own buffers are small."""
        connection = self._clients.enter_context(socket.socket())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.settimeout(PATIENCE)
        connection.connect(self._address)
        self.send(connection, data)
        return connection

    def send(self, connection: socket.socket, data: bytes) -> None:
        """Send, until the server has read all of it that it reads."""
        connection.setblocking(False)
        while data:
            with contextlib.suppress(BlockingIOError):
                data = data[connection.send(data) :]
            self.server.turn(0)
        connection.settimeout(PATIENCE)
        for _ in range(500):  # 8 KB each
            self.server.turn(0)

    def until(self, happened: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, "it does not happen"
            self.server.turn(0.01)

    def receive(self, connection: socket.socket, size: int = 65_536) -> bytes:
        """What comes next, empty at the end of the connection."""
        received: list[bytes] = []
        connection.setblocking(False)

        def look() -> bool:
            with contextlib.suppress(BlockingIOError):
                received.append(connection.recv(size))
            return bool(received)

        self.until(look)
        return received[0]

    def rest(self, connection: socket.socket) -> bytes:
        """All that comes until the end of the connection."""
        parts = []
        while part := self.receive(connection):
            parts.append(part)
        return b"".join(parts)

    def answer(self, connection: socket.socket) -> tuple[int, bytes]:
        """The status and the body of the next answer, read to its end and no further."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self.receive(connection, 1)
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")).split()[1])
        while len(body) < length:
            body += self.receive(connection, length - len(body))
        return int(head.split()[1]), body

    def ask(self, path: str = "/small") -> tuple[int, bytes]:
        """What another client is answered."""
        return self.answer(self.client(get(path)))

    def is_open(self, connection: socket.socket) -> bool:
        """Whether the server has neither sent anything nor closed the connection."""
        for _ in range(100):
            self.server.turn(0)
        connection.setblocking(False)
        try:
            connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        return False


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\n\r\n".encode()


def post(size: int) -> bytes:
    return b"POST /take HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size


def later(seconds: float) -> float:
    return time.time() + seconds


class App(Flask):
    """An app with answers of all sizes; it counts its calls, and waits where it is told to."""

    def __init__(self) -> None:
        super().__init__("big")
        self.calls = 0
        self.made = 0
        self.closed = threading.Event()
        self.held = threading.Event()
        self.add_url_rule("/small", "small", lambda: "small")
        self.add_url_rule("/big/<int:megabytes>", view_func=self.big)
        self.add_url_rule("/endless", view_func=self.endless)
        self.add_url_rule("/held", view_func=self.hold)
        self.add_url_rule("/take", "take", lambda: str(len(request.get_data())), methods=["POST"])

    def big(self, megabytes: int) -> Response:
        self.calls += 1
        return Response(b"x" * megabytes * MEGABYTE)

    def endless(self) -> Response:
        return Response(self._parts())

    def _parts(self) -> Iterator[bytes]:
        try:
            while True:
                self.made += 1
                yield b"x" * MEGABYTE
        finally:
            self.closed.set()

    def hold(self) -> str:
        self.held.wait(PATIENCE)
        return "held"


@pytest.fixture(autouse=True)
def _only_the_test_looks_and_says_what_time_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.serving.httpd._LOOK", float("inf"))
    # Each look at the clock takes a microsecond, however busy the machine is.
    ticks = itertools.count()
    monkeypatch.setattr(time, "time", lambda: START + next(ticks) / 1_000_000)


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def loop(app: App) -> Iterator[Loop]:
    with Loop(app) as loop:
        yield loop


def test_who_takes_no_answers_keeps_no_thread_and_gets_them_once_it_does(app: App, loop: Loop) -> None:
    """More than waitress lets wait at a time, in answers that are each less."""
    greedy = loop.client(get("/big/9") * 4)
    loop.until(lambda: app.calls)
    for _ in range(6):
        assert loop.ask() == (200, b"small")
    assert app.calls == 1
    for number in range(1, 5):
        status, body = loop.answer(greedy)
        assert (status, len(body)) == (200, 9 * MEGABYTE)
        assert app.calls <= number + 1
    assert app.calls == 4


def test_who_takes_nothing_of_a_long_answer_is_cut_off_and_its_thread_is_free(app: App, loop: Loop) -> None:
    greedy = loop.client(get("/endless"))
    loop.until(lambda: app.made > 16)
    for _ in range(50):
        loop.server.hurry(later(1000))
        loop.server.turn(0)
    assert not app.closed.is_set(), "nobody else wants its thread"
    waiting = loop.client(get("/small"))
    loop.server.hurry(later(29))
    assert not app.closed.is_set()
    loop.until(lambda: loop.server.hurry(later(31)) or app.closed.is_set())
    assert loop.answer(waiting) == (200, b"small")
    with contextlib.suppress(ConnectionResetError):
        assert len(loop.rest(greedy)) < 16 * MEGABYTE


def test_a_connection_that_is_cut_off_leaves_no_request_in_line(
    app: App, loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "flask_ingestion")
    greedy = loop.client(get("/big/9") + post(3) + b"abc" + get("/big/9"))
    loop.until(lambda: app.calls)
    assert loop.ask() == (200, b"small")
    busy, waiting = loop.client(get("/held")), loop.client(get("/small"))
    # The kernel may take some more of the answer at a look, and then another look is needed.
    loop.until(lambda: loop.server.hurry(later(31)) or "is cut off" in caplog.text)
    app.held.set()
    assert [loop.answer(one)[1] for one in (busy, waiting)] == [b"held", b"small"]
    with contextlib.suppress(ConnectionResetError):
        loop.rest(greedy)
    assert app.calls == 1


def test_who_takes_little_at_a_time_gets_all_of_it(app: App, loop: Loop) -> None:
    """The kernel says that a socket is writable once a third of its buffer is free, which may take a while."""
    slow = loop.client(get("/big/15"))
    loop.until(lambda: app.calls)
    assert loop.ask() == (200, b"small")
    slow.setblocking(False)
    received = 0
    for _ in range(14 * MEGABYTE // 200_000):
        read = 0
        while read < 200_000:
            with contextlib.suppress(BlockingIOError):
                part = slow.recv(200_000 - read)
                assert part, "it was cut off"
                read += len(part)
        received += read
        loop.server.hurry(later(31))
    while received < 15 * MEGABYTE:
        received += len(loop.receive(slow))


@pytest.mark.parametrize("sent", [b"G", b"GET /small HTTP/1.1\r\nX: ", b"GET /small HTTP/1.1\r\nX: a\r\n"], ids=str)
def test_header_fields_that_drip_are_refused_after_half_a_minute(loop: Loop, sent: bytes) -> None:
    slow, idle = loop.client(sent), loop.client()
    for seconds in (10, 20, 29):
        loop.send(slow, b"a")
        loop.server.hurry(later(seconds))
        assert loop.is_open(slow)
    loop.send(slow, b"a")
    loop.server.hurry(later(31))
    status, body = loop.answer(slow)
    assert (status, json.loads(body)["detail"]) == (408, "The header fields did not come within 30 s.")
    assert loop.rest(slow) == b""
    assert loop.is_open(idle)


@pytest.mark.parametrize(
    ("sent", "seconds", "refused"),
    [(1, 59, False), (1, 61, True), (600_000, 119, False), (600_000, 121, True), (2_200_000, 279, False)],
)
def test_a_body_has_a_minute_and_a_second_more_for_each_10_000_bytes(
    app: App, sent: int, seconds: float, refused: bool
) -> None:
    with Loop(app, max_body=3 * MEGABYTE) as loop:
        slow = loop.client(post(sent + 1))
        loop.send(slow, b"x" * sent)
        loop.server.hurry(later(seconds))
        if not refused:
            loop.send(slow, b"x")
            assert loop.answer(slow) == (200, str(sent + 1).encode())
            return
        status, body = loop.answer(slow)
        said = "The body took longer than 60 s and 1 s more for each 10,000 bytes of it."
        assert (status, json.loads(body)["detail"]) == (408, said)


def test_the_server_looks_by_itself(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.serving.httpd._LOOK", 0.0)
    monkeypatch.setattr("app.serving.incoming._HEADER_PATIENCE", 0.0)
    with Loop(app) as loop:
        assert loop.answer(loop.client(b"G"))[0] == 408


def test_what_the_server_does_not_read_is_not_late(app: App, loop: Loop) -> None:
    """The rest of a second request waits until the first is answered."""
    client = loop.client(get("/held") + get("/small")[:9])
    loop.server.hurry(later(1000))
    app.held.set()
    assert loop.answer(client) == (200, b"held")
    loop.server.hurry(later(1020))
    loop.send(client, get("/small")[9:])
    assert loop.answer(client) == (200, b"small")


def test_bodies_take_no_more_than_their_room(loop: Loop) -> None:
    clients = [loop.client(post(1_999) + b"x" * 1_990) for _ in range(7)]
    refused: list[socket.socket] = []

    def look() -> bool:
        refused[:] = [client for client in clients if not loop.is_open(client)]
        return len(refused) == 7 - ROOM // 1_990

    loop.until(look)
    for client in clients:
        if client in refused:
            status, body = loop.answer(client)
            assert (status, json.loads(body)["status"]) == (503, 503)
        else:
            loop.send(client, b"x" * 9)
            assert loop.answer(client) == (200, b"1999")


def test_whole_bodies_that_wait_for_a_thread_count(app: App, loop: Loop) -> None:
    holder = loop.client(get("/held"))
    whole = [loop.client(post(1_950) + b"x" * 1_950) for _ in range(4)]
    half = loop.client(post(300) + b"x" * 299)
    app.held.set()
    assert loop.answer(holder) == (200, b"held")
    assert [loop.answer(client) for client in whole] == [(200, b"1950")] * 4
    status, _ = loop.answer(half)
    assert status == 503


def test_what_is_left_half_sent_keeps_nobody_out(loop: Loop) -> None:
    left = loop.client(post(1_999) + b"x" * 100)
    others = [loop.client(post(1_999) + b"x" * 1_950) for _ in range(4)]
    late = loop.client(post(200) + b"x" * 150)
    loop.send(late, b"x" * 50)
    assert loop.answer(late) == (200, b"200")
    response = http.client.HTTPResponse(left)
    left.settimeout(PATIENCE)
    response.begin()
    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    response.close()
    assert all(loop.is_open(client) for client in others)


# -- what is refused while it is being sent --

BEGUN = post(100 * MAX_BODY) + b"x"


def test_who_still_sends_what_is_refused_gets_the_answer(loop: Loop) -> None:
    client = loop.client(BEGUN)
    loop.send(client, MEGABYTE * b"x")
    status, _ = loop.answer(client)
    assert status == 413
    assert loop.receive(client) == b""
    loop.send(client, MEGABYTE * b"x")
    client.close()
    loop.until(lambda: not list(loop.server._channels()))


def test_but_not_for_ever(loop: Loop) -> None:
    client = loop.client(BEGUN)
    loop.answer(client)
    assert loop.receive(client) == b""
    loop.server.hurry(later(29))
    (_,) = loop.server._channels()
    loop.server.hurry(later(31))
    assert list(loop.server._channels()) == []


def test_who_is_gone_is_not_waited_for(loop: Loop) -> None:
    client = loop.client(BEGUN)
    (channel,) = loop.server._channels()
    loop.until(lambda: channel.unread)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    loop.until(lambda: not list(loop.server._channels()))
    channel.will_close, channel.lingers_until = True, None  # as waitress may find it once it is closed
    channel.handle_close()


def test_at_its_end_it_accepts_no_more_than_it_has_room_for(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.serving.httpd.room_for_connections", lambda: 9)
    with Loop(app) as loop, contextlib.ExitStack() as clients:
        for _ in range(20):
            clients.enter_context(socket.create_connection(loop._address, timeout=PATIENCE))
        loop.server.stop_listening()
        assert 0 < len(list(loop.server._channels())) < 9


def test_the_end_of_the_server_waits_for_nobody_who_was_refused(loop: Loop) -> None:
    client = loop.client(BEGUN)
    loop.answer(client)
    assert loop.receive(client) == b""
    assert loop.server.close_idle() == 0
