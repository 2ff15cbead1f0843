"""One request to a service and its answer: connections, and everything that can go wrong with them."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from ..errors import IngestError

_BLOCK = 65_536


class ClientError(IngestError):
    """The base of every error of a client."""


class Unreachable(ClientError):
    """No service answered: it is absent, too slow, was cut off, or something else answers there.

    `sent` says whether the request may have taken effect, `again` whether another attempt may succeed.
    """

    def __init__(self, detail: str, *, sent: bool = True, again: bool = True) -> None:
        super().__init__(detail)
        self.sent = sent
        self.again = again


class Reply(NamedTuple):
    """A whole answer. `retry_after` is in seconds."""

    status: int
    body: bytes
    retry_after: float | None
    location: str | None


class Transport:
    """Opens a connection for each request, follows no redirect and uses no proxy. Safe to share among threads."""

    def __init__(self, url: str, key: str | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or "@" in url:
            raise ValueError(f"The URL of a service looks like http://127.0.0.1:8000, not {url!r}.")
        self.url = url.rstrip("/")
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self._connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._headers = {"Accept": "application/json", "Connection": "close", "User-Agent": "flask-ingestion"}
        if key is not None:
            if not key.strip().isascii() or not key.strip().isprintable():
                raise ValueError("The key holds a character that no header may hold.")
            self._headers["Authorization"] = f"Bearer {key.strip()}"

    def exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout: float) -> Reply:
        """Send a request, with JSON where it has a body, and read the whole answer.

        Each wait for the network takes `timeout` seconds at most. Raises Unreachable.
        """
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        with self._response(method, path, body, headers, timeout) as response:
            return _answer(response, b"".join(_blocks(response)))

    @contextmanager
    def stream(self, path: str, timeout: float) -> Iterator[tuple[Reply, Iterator[str]]]:
        """Get an answer, and the lines of its body as they arrive if it is 200. Raises Unreachable."""
        with self._response("GET", path, None, {}, timeout) as response:
            blocks = _blocks(response)
            if response.status == 200:
                yield _answer(response, b""), _lines(blocks)
            else:
                yield _answer(response, b"".join(blocks)), iter(())

    @contextmanager
    def _response(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Iterator[http.client.HTTPResponse]:
        sent = False
        try:
            with closing(self._connect(self._host, self._port, timeout=timeout)) as connection:
                connection.connect()
                sent = True
                # A body may be refused unread; the answer still arrives.
                with suppress(BrokenPipeError, ConnectionResetError):
                    connection.request(method, self._path + path, body, {**self._headers, **headers})
                yield connection.getresponse()
        except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
            again = isinstance(error, ssl.SSLEOFError) or not isinstance(error, ssl.SSLError)
            raise Unreachable(f"{self.url}: {_reason(error, timeout)}.", sent=sent, again=again) from error


def _answer(response: http.client.HTTPResponse, body: bytes) -> Reply:
    retry_after = _seconds(response.getheader("Retry-After"))
    return Reply(response.status, body, retry_after, response.getheader("Location"))


def _blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yields the body as it arrives. Raises IncompleteRead where it ends early, even where http.client says nothing."""
    got = 0
    while block := response.read1(_BLOCK):
        got += len(block)
        yield block
    length = response.getheader("Content-Length")
    # Headers that are cut off lack the length, too.
    if got < int(length or 0) or (not got and length is None and not response.chunked):
        raise http.client.IncompleteRead(b"")


def _lines(blocks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line.decode()
    if rest:
        raise http.client.IncompleteRead(rest)


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s"
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, http.client.IncompleteRead)):
        return "the connection was lost before the answer was complete"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate cannot be trusted, {error.verify_message}"
    if isinstance(error, ssl.SSLError) and "ALERT" not in (error.reason or ""):
        return "what answers there does not speak TLS; try http:// instead of https://"
    if isinstance(error, http.client.HTTPException):
        return "what answers there does not speak HTTP"
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")


def _seconds(header: str | None) -> float | None:
    """Returns the seconds of Retry-After (RFC 9110, section 10.2.3), a number of seconds or a date."""
    if header is None:
        return None
    try:
        return max(
            0.0, float(header) if header.strip().isdigit() else parsedate_to_datetime(header).timestamp() - time.time()
        )
    except ValueError:
        return None
