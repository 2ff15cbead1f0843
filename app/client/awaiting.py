"""Takes the steps of a verb in an event loop of asyncio, on httpx."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Self

from .async_transport import AsyncTransport
from .base import Base
from .calls import Pause, Steps, T, Told
from .errors import Unreachable
from .messages import Address, Reply, Request
from .verbs import P


class Awaiting(Base):
    """A client whose verbs are awaited."""

    async def close(self) -> None:
        """Close what is still open."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _open(self, address: Address) -> None:
        self._transport = AsyncTransport(address)

    async def _sleep(self, seconds: float) -> None:
        import asyncio  # the command line, which starts often, needs none of it

        await asyncio.sleep(seconds)

    async def _run(self, steps: Steps[T], exchange: Callable[[Request], Awaitable[Reply]] | None = None) -> T:
        """Take the steps of a verb; returns its outcome."""
        exchange = exchange or self._transport.exchange
        told: Told = None
        while True:
            try:
                step = steps.send(told)
            except StopIteration as end:
                outcome: T = end.value
                return outcome
            if isinstance(step, Pause):
                told = None
                await self._sleep(step.seconds)
                continue
            try:
                told = await exchange(step)
            except Unreachable as lost:
                told = lost

    async def _pages(self, ask: Callable[[str | None], Steps[P]]) -> AsyncGenerator[P, None]:
        """Yields pages, each when it is asked for; `ask` takes the cursor of one, None for the first."""
        cursor: str | None = None
        while True:
            page = await self._run(ask(cursor))
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _stream(self, head: Steps[Reply]) -> AsyncGenerator[str, None]:
        """Yields the lines that follow the head of an answer."""
        lines: AsyncGenerator[str, None]
        async with AsyncExitStack() as opened:

            async def begin(request: Request) -> Reply:
                nonlocal lines
                await opened.aclose()
                reply, lines = await opened.enter_async_context(self._transport.stream(request))
                return reply

            await self._run(head, begin)
            async with aclosing(lines):
                async for line in lines:
                    yield line
