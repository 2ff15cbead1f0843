"""One POST, and every way in which a receiver can fail to answer it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from app.callbacks.post import Post
from app.receivers import address_of
from tests.support.ports import deaf_port
from tests.support.upstream import Exchange, Upstream

BOUND = 20.0
"""Seconds of real time after which a test gives up waiting."""


def post(url: str, timeout: float = 10.0) -> Post:
    """A POST that is over."""
    made = Post(address_of(url), {"x-one": "1"}, b"{}", timeout, ssl.create_default_context)
    made.start("post")
    assert made.over.wait(BOUND)
    return made


@contextmanager
def listening(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server of bare sockets, which says what it likes to one connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join(BOUND)


def test_it_is_a_post_of_the_body_to_path_and_query() -> None:
    bodies: list[bytes] = []

    def take(exchange: Exchange) -> None:
        bodies.append(exchange.body)
        exchange.reply(status=202)

    with Upstream(take) as upstream:
        made = post(f"{upstream.url}/in?key=1#part")
    assert (made.status, made.error) == (202, "")
    assert (upstream.paths, bodies) == (["/in?key=1"], [b"{}"])
    assert upstream.headers[0]["x-one"] == "1"


@pytest.mark.parametrize("status", [301, 400, 404, 410, 500])
def test_anything_but_success_is_an_error_and_no_redirect_is_followed(status: int) -> None:
    with Upstream(lambda exchange: exchange.reply(status=status, headers={"location": "/other"})) as upstream:
        made = post(f"{upstream.url}/secret?key=1")
    assert (made.status, made.error) == (status, f"127.0.0.1:{upstream.port} answered {status}.")
    assert len(upstream.paths) == 1


def test_an_interim_answer_is_not_the_answer() -> None:
    def early(exchange: Exchange) -> None:
        exchange.start(103)
        exchange.reply(status=204)

    with Upstream(early) as upstream:
        assert post(upstream.url).status == 204


def test_interim_answers_without_an_end_are_no_answer() -> None:
    def early(exchange: Exchange) -> None:
        for _ in range(17):
            exchange.start(103)
        exchange.reply(status=204)

    with Upstream(early) as upstream:
        assert post(upstream.url).error == f"127.0.0.1:{upstream.port} does not speak HTTP."


def test_who_hangs_is_left_after_the_timeout() -> None:
    with Upstream(lambda exchange: exchange.hang() and None) as upstream:
        made = post(upstream.url, timeout=0.05)
    assert made.error == f"127.0.0.1:{upstream.port} did not answer within 0.05 s."


def test_who_drips_is_cut_off() -> None:
    """No timeout of a socket ends this: each wait is short."""
    arrived, never = threading.Event(), threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.recv(65_536)
        arrived.set()
        with suppress(OSError):  # as soon as it is cut off
            while not never.wait(0.001):
                connection.sendall(b"H")

    with listening(drip) as url:
        made = Post(address_of(url), {}, b"{}", 10, ssl.create_default_context)
        made.start("post")
        assert arrived.wait(BOUND)
        made.cut("It took too long.")
        assert (made.status, made.error) == (0, "It took too long.")
        assert made.over.is_set()


def test_a_port_that_nobody_listens_at() -> None:
    with deaf_port() as port:
        assert post(f"http://127.0.0.1:{port}/").error == f"127.0.0.1:{port} cannot be reached (Connection refused)."


def test_a_name_that_is_none() -> None:
    assert post("http://nobody.invalid/").error.startswith("nobody.invalid cannot be reached (")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 twohundred OK\r\n\r\n", "does not speak HTTP"),
    ],
)
def test_what_is_no_answer(said: bytes, why: str) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(said)

    with listening(talk) as url:
        made = post(url)
    assert made.error == f"{address_of(url).host} {why}."


def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_over_tls_the_certificate_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ok(exchange: Exchange) -> None:
        exchange.reply()

    authority = trustme.CA()
    with Upstream(ok, server_context(authority)) as upstream:
        assert "cannot be trusted over TLS" in post(upstream.url).error
        bundle = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(bundle))
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        assert post(upstream.url).status == 200
        assert len(upstream.paths) == 1
