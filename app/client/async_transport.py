"""One request to a service and its answer, on httpx, which the extra `async` installs."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from .errors import Unreachable
from .losses import LOST, NOT_HTTP, may_pass, too_slow, why
from .messages import Address, CutOff, Lines, Reply, Request

if TYPE_CHECKING:
    import httpx


class AsyncTransport:
    """Opens a connection for each request, follows no redirect and uses no proxy, like `Transport`.

    However a request ends, cancelled too, its connection is closed. Raises ImportError without httpx.
    """

    def __init__(self, address: Address) -> None:
        try:
            import httpx
        except ImportError:
            raise ImportError("AsyncClient needs httpx: pip install 'Flask-Ingestion[async]'.", name="httpx") from None
        self._address = address
        self._httpx = httpx
        # The certificates of the system, which http.client trusts, not those that httpx brings along.
        self._trusted = ssl.create_default_context() if address.secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._open: set[httpx.AsyncHTTPTransport] = set()
        self._closed = False

    async def close(self) -> None:
        """Close the connections of requests that have not ended, and make no other."""
        self._closed = True
        for transport in tuple(self._open):
            await transport.aclose()

    async def exchange(self, request: Request) -> Reply:
        """Send a request and read the whole answer. Raises Unreachable."""
        import asyncio  # the command line, which starts often, needs none of it

        try:
            async with asyncio.timeout(request.within), self._response(request) as response:
                return _reply(response)._replace(body=await _whole(response))
        except TimeoutError as error:
            raise Unreachable(f"{self._address.url}: {too_slow(request.within)}.") from error

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[tuple[Reply, AsyncGenerator[str, None]]]:
        """Send a request; gives the answer, and the lines of its body as they arrive if it is 200, once one is there.

        Raises Unreachable.
        """
        async with self._response(request) as response, aclosing(_lines(response)) as lines:
            reply = _reply(response)
            if reply.status == 200:
                yield reply, _after(await anext(lines, None), lines)
            else:
                yield reply._replace(body=await _whole(response)), lines

    @asynccontextmanager
    async def _response(self, request: Request) -> AsyncIterator[httpx.Response]:
        if self._closed:
            raise RuntimeError("This AsyncClient is closed.")
        httpx, here = self._httpx, self._address
        # One that is shared keeps connections of calls that were cancelled, and cookies.
        transport = httpx.AsyncHTTPTransport(verify=self._trusted, trust_env=False)
        self._open.add(transport)
        try:
            async with transport:
                sent = httpx.Request(
                    request.method,
                    here.url + request.path,
                    headers={**here.headers, **request.headers},
                    content=request.body,
                    extensions={"timeout": httpx.Timeout(request.timeout).as_dict()},
                )
                async with aclosing(await transport.handle_async_request(sent)) as response:
                    yield response
        except httpx.InvalidURL as error:
            raise Unreachable(f"{here.url}: {error}.", sent=False, again=False) from error
        except (httpx.HTTPError, UnicodeDecodeError, CutOff) as error:
            reached = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout))
            reason = f"{here.url}: {self._reason(error, request.timeout)}."
            again = not self._closed and may_pass(_cause(error))
            raise Unreachable(reason, sent=reached, again=again) from error
        finally:
            self._open.discard(transport)

    def _reason(self, error: Exception, timeout: float) -> str:
        httpx = self._httpx
        if isinstance(error, httpx.TimeoutException):
            return too_slow(timeout)
        if cause := _cause(error):
            return why(cause)
        if isinstance(error, (httpx.NetworkError, CutOff)):
            return LOST
        # httpx does not tell the two apart.
        return f"{LOST}, or {NOT_HTTP}"


def _reply(response: httpx.Response) -> Reply:
    return Reply.of(response.status_code, response.headers.get)


async def _whole(response: httpx.Response) -> bytes:
    return b"".join([block async for block in response.aiter_raw()])


async def _lines(response: httpx.Response) -> AsyncGenerator[str, None]:
    lines = Lines()
    # A generator that is given up would be closed later, in a task of its own.
    async with aclosing(response.aiter_raw()) as blocks:  # type: ignore[type-var]
        async for block in blocks:
            for line in lines.of(block):
                yield line
    lines.end()


async def _after(first: str | None, lines: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """Yields the first line, if there was one, and the others."""
    if first is not None:
        yield first
        async for line in lines:
            yield line


def _cause(error: BaseException) -> OSError | None:
    """Returns the system's error that one of httpx is about."""
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, OSError) and cause.errno is not None):
        cause = cause.__cause__ or cause.__context__
    return cause
