"""One request to a service and its answer, on http.client: connections, and everything that can go wrong with them."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain, islice

from ..httpclient import TimelyResponse, reading_until, whole_number
from .errors import Unreachable
from .losses import LOST, NOT_HTTP, may_pass, too_slow, why
from .messages import Address, CutOff, Lines, Reply, Request

_BLOCK = 65_536


class Transport:
    """Opens a connection for each request, follows no redirect and uses no proxy. Safe to share among threads."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._connect = http.client.HTTPSConnection if address.secure else http.client.HTTPConnection

    def exchange(self, request: Request) -> Reply:
        """Send a request and read the whole answer. Raises Unreachable."""
        with self._response(request) as response:
            return _reply(response)._replace(body=b"".join(_blocks(response)))

    @contextmanager
    def stream(self, request: Request) -> Iterator[tuple[Reply, Iterator[str]]]:
        """Send a request; gives the answer, and the lines of its body as they arrive if it is 200, once one is there.

        Raises Unreachable.
        """
        with self._response(request) as response:
            reply, blocks = _reply(response), _blocks(response)
            if reply.status == 200:
                lines = _lines(blocks)
                first = list(islice(lines, 1))
                yield reply, chain(first, lines)
            else:
                yield reply._replace(body=b"".join(blocks)), iter(())

    @contextmanager
    def _response(self, request: Request) -> Iterator[http.client.HTTPResponse]:
        here, sent, end = self._address, False, time.monotonic() + request.within
        try:
            with closing(self._connect(here.host, here.port, timeout=request.timeout)) as connection:
                connection.response_class = TimelyResponse
                connection.connect()
                sent = True
                # A body may be refused unread; the answer still arrives.
                with suppress(BrokenPipeError, ConnectionResetError):
                    headers = {**here.headers, **request.headers}
                    connection.request(request.method, here.path + request.path, request.body, headers)
                with reading_until(end):
                    response = connection.getresponse()
                yield response
        except (OSError, http.client.HTTPException, UnicodeDecodeError, CutOff) as error:
            waited = request.within if time.monotonic() >= end else request.timeout
            reason = f"{here.url}: {_reason(error, waited)}."
            raise Unreachable(reason, sent=sent, again=may_pass(error)) from error


def _reply(response: http.client.HTTPResponse) -> Reply:
    return Reply.of(response.status, response.getheader)


def _blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yields the body as it arrives. Raises IncompleteRead where it ends early, even where http.client says nothing."""
    got = 0
    while block := response.read1(_BLOCK):
        got += len(block)
        yield block
    if got < (whole_number(response.getheader("Content-Length") or "") or 0):
        raise http.client.IncompleteRead(b"")


def _lines(blocks: Iterator[bytes]) -> Iterator[str]:
    lines = Lines()
    for block in blocks:
        yield from lines.of(block)
    lines.end()


def _reason(error: Exception, waited: float) -> str:
    if isinstance(error, TimeoutError):
        return too_slow(waited)
    if isinstance(error, OSError):  # as are some errors of http.client
        return why(error)
    return LOST if isinstance(error, (http.client.IncompleteRead, CutOff)) else NOT_HTTP
