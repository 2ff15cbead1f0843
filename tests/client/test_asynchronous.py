"""What only AsyncClient promises: cancellation, its extra, and its likeness to Client."""

from __future__ import annotations

import asyncio
import inspect
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from typing import Any

import pytest
import trustme

from app.client import AsyncClient, Client, Unreachable
from tests.support.documents import EXAMPLES, status
from tests.support.scripted import answer, chunk, head, scripted
from tests.support.upstream import Exchange, Upstream

ACCEPTED = answer(200, {"ingestion_id": "abc"})


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    """What a coroutine returns, in a thread without another loop."""

    async def whole() -> Any:
        return await main()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, whole()).result(60)


class Stuck:
    """Sends the beginning of an answer and then nothing; `gone` is set once the client has closed its connection."""

    def __init__(self, beginning: bytes) -> None:
        self.reached, self.gone = threading.Event(), threading.Event()
        self._beginning = beginning

    def __call__(self, connection: socket.socket) -> None:
        connection.sendall(self._beginning)
        self.reached.set()
        with suppress(ConnectionResetError):  # where it had not read all
            assert connection.recv(1) == b""
        self.gone.set()


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 20)


HALF = {
    "nothing": b"",
    "half-head": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "half-body": head(200, Content_Length="100") + b'{"ingestion_id": ',
    "half-chunk": head(200, Transfer_Encoding="chunked") + b'5\r\n{"ing',
}


@pytest.mark.parametrize("beginning", HALF.values(), ids=HALF)
def test_a_cancelled_call_closes_its_connection_and_can_be_repeated(beginning: bytes) -> None:
    stuck = Stuck(beginning)

    async def main() -> str:
        async with AsyncClient(server.url) as client:
            call = asyncio.create_task(client.submit([1], "LOW", idempotency_key="one"))
            await until(stuck.reached)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await until(stuck.gone)
            return await client.submit([1], "LOW", idempotency_key="one")

    with scripted(stuck, ACCEPTED) as server:
        assert run(main) == "abc"
    first, second = server.requests
    assert (first.body, first.headers["idempotency-key"]) == (second.body, second.headers["idempotency-key"])


@pytest.mark.parametrize("beginning", HALF.values(), ids=HALF)
def test_a_client_that_is_closed_ends_its_calls_and_makes_no_other(beginning: bytes) -> None:
    stuck = Stuck(beginning)

    async def main() -> None:
        client = AsyncClient(server.url)
        call = asyncio.create_task(client.submit([1], "LOW"))
        await until(stuck.reached)
        await client.close()
        with pytest.raises(Unreachable):
            await call
        await until(stuck.gone)
        with pytest.raises(RuntimeError, match="is closed"):
            await client.submit([1], "LOW")

    with scripted(stuck, ACCEPTED) as server:
        run(main)
    assert len(server.requests) == 1


def test_a_call_that_is_cancelled_at_any_step_leaves_no_connection() -> None:
    async def main() -> None:
        open_ = 0
        one_gone = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal open_
            open_ += 1
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(head(200, Content_Length="8") + b'{"a": 1}')
                await reader.read()
            writer.close()
            open_ -= 1
            one_gone.set()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            client = AsyncClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", retries=0)
            steps, ended = 0, False
            while not ended:
                call = asyncio.create_task(client.cancel("abc"))
                for _ in range(steps):
                    await asyncio.sleep(0)
                ended = call.done()
                call.cancel()
                with suppress(asyncio.CancelledError, Unreachable):
                    await call
                steps += 1
            assert steps > 10
            for _ in range(10):  # The last may not have been accepted yet.
                await asyncio.sleep(0)
            async with asyncio.timeout(5):
                while open_:
                    await one_gone.wait()
                    one_gone.clear()
            await client.close()

    run(main)


def test_a_time_limit_of_ones_own_ends_a_call() -> None:
    stuck = Stuck(b"")

    async def main() -> None:
        async def end(limit: asyncio.Timeout) -> None:
            await until(stuck.reached)
            limit.reschedule(0)

        async def ask() -> None:
            async with asyncio.timeout(None) as limit:
                ending = asyncio.create_task(end(limit))
                await client.queue()
            await ending

        async with AsyncClient(server.url) as client:
            with pytest.raises(TimeoutError):
                await ask()
            await until(stuck.gone)

    with scripted(stuck) as server:
        run(main)
    assert len(server.requests) == 1


def test_a_wait_can_be_cancelled_while_it_pauses() -> None:
    async def main() -> None:
        seen = asyncio.Event()
        async with AsyncClient(server.url) as client:
            waiting = asyncio.create_task(client.wait("abc", progress=lambda _: seen.set()))
            await seen.wait()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    with scripted(answer(200, status("triggered"), Retry_After="50")) as server:
        run(main)


@pytest.mark.parametrize("way", ["cancel", "break"])
def test_results_that_are_given_up_leave_no_connection(way: str) -> None:
    stuck = Stuck(head(200, Transfer_Encoding="chunked") + chunk(b'{"id":1,"data":"a"}\n{"i'))

    async def first(client: AsyncClient, got: asyncio.Event) -> None:
        async for result in client.iter_results("abc"):
            assert result.data == "a"
            got.set()
            if way == "break":
                break

    async def main() -> None:
        got = asyncio.Event()
        async with AsyncClient(server.url) as client:
            reading = asyncio.create_task(first(client, got))
            await got.wait()
            if way == "cancel":
                reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await until(stuck.gone)

    with scripted(stuck) as server:
        run(main)


FAILED = (
    b'{"id":1,"ingestion_id":"abc","batch_id":"b","failed_at":"2026-01-01T00:00:00Z",'
    b'"error":{"type":"E","message":"boom"}}\n{"i'
)
STREAMS: dict[str, tuple[bytes, Callable[[AsyncClient], Any]]] = {
    "results": (b'{"id":1,"data":"a"}\n{"i', lambda client: client.iter_results("abc")),
    "failed ids": (FAILED, lambda client: client.failed_ids()),
}


@pytest.mark.parametrize(("sent", "read"), STREAMS.values(), ids=STREAMS)
def test_a_stream_that_is_closed_leaves_nothing_to_do(sent: bytes, read: Callable[[AsyncClient], Any]) -> None:
    stuck = Stuck(head(200, Transfer_Encoding="chunked") + chunk(sent))
    left: list[str] = []

    def note(generator: Any) -> None:
        left.append(generator.ag_code.co_filename)
        close(generator)

    async def main() -> None:
        nonlocal close
        close = sys.get_asyncgen_hooks().finalizer
        sys.set_asyncgen_hooks(finalizer=note)
        async with AsyncClient(server.url) as client:
            async with aclosing(read(client)) as found:
                assert (await anext(found)).id == 1
            assert asyncio.all_tasks() == {asyncio.current_task()}
            await until(stuck.gone)

    close: Any = None
    with scripted(stuck) as server:
        run(main)
    # What nobody closed is closed later, in a task of its own; httpx has such generators too.
    assert [one for one in left if "/app/client/" in one] == []


def test_many_calls_at_once() -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as client:
            ids = await asyncio.gather(*(client.submit([number], "LOW") for number in range(150)))
            assert set(ids) == {"abc"}

    with scripted(*[ACCEPTED] * 150) as server:
        run(main)
    assert sorted(request.json["ids"][0] for request in server.requests) == list(range(150))


def verbs(kind: type) -> dict[str, Any]:
    return {name: member for name, member in inspect.getmembers(kind, callable) if not name.startswith("_")}


def test_both_clients_have_the_same_verbs_with_the_same_arguments() -> None:
    blocking, asynchronous = verbs(Client), verbs(AsyncClient)
    assert asynchronous.keys() - blocking.keys() == {"close"}
    for name, verb in blocking.items():
        other = asynchronous[name]
        assert inspect.signature(verb).parameters == inspect.signature(other).parameters, name
        assert inspect.getdoc(verb) == inspect.getdoc(other), name


def test_without_httpx_the_extra_is_named() -> None:
    source = "import sys; sys.modules['httpx'] = None\nfrom app import AsyncClient, Client\nClient()\nAsyncClient()"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("ImportError: AsyncClient needs httpx: pip install 'Flask-Ingestion[async]'.\n")


def test_the_package_imports_no_client_until_somebody_asks() -> None:
    source = "import sys, app\nprint([name for name in sys.modules if 'ingestion.client' in name or name == 'httpx'])\n"
    source += "from app import Client\nprint({'asyncio', 'httpx'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\nset()\n"


# -- TLS --


def served(authority: trustme.CA) -> Upstream:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def script(exchange: Exchange) -> None:
        exchange.reply(EXAMPLES["getQueue"])

    return Upstream(script, context)


@pytest.fixture(scope="module")
def authority() -> Iterator[trustme.CA]:
    return trustme.CA()


def test_the_certificates_of_the_system_are_trusted(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, client: Callable[..., Client]
) -> None:
    with authority.cert_pem.tempfile() as file, served(authority) as upstream:
        with pytest.raises(Unreachable, match="its certificate cannot be trusted"):
            client(upstream.url, retries=0).queue()
        monkeypatch.setenv("SSL_CERT_FILE", file)
        assert client(upstream.url).queue().running == 1


# -- from_env --


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_by_the_environment(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(answer(200, EXAMPLES["getQueue"])) as server:
        monkeypatch.setenv("INGEST_URL", f"{server.url}/in")
        monkeypatch.setenv("INGEST_KEY", "secret")
        client = kind.from_env(timeout=3.0)
        told = run(client.queue) if kind is AsyncClient else client.queue()
    assert told.running == 1
    (request,) = server.requests
    assert (request.path, request.headers["authorization"]) == ("/in/queue", "Bearer secret")
    monkeypatch.setenv("INGEST_URL", "localhost:8000")
    with pytest.raises(ValueError, match="INGEST_URL and INGEST_KEY name no service: The URL of a service looks like"):
        kind.from_env()
    monkeypatch.setenv("INGEST_URL", "")
    monkeypatch.delenv("INGEST_KEY")
    kind.from_env()


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_an_empty_key_in_the_environment_is_none(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_KEY", "")
    with scripted(answer(200, EXAMPLES["getQueue"])) as server:
        monkeypatch.setenv("INGEST_URL", server.url)
        client = kind.from_env()
        run(client.queue) if kind is AsyncClient else client.queue()
    assert "authorization" not in server.requests[0].headers
