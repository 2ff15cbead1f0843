"""An AsyncClient that blocks, so that one suite proves both clients."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from app.client import AsyncClient
from app.core import Clock


class _Sleeping(AsyncClient):
    """Sleeps by its clock."""

    async def _sleep(self, seconds: float) -> None:
        self._clock.wait(asyncio.Event(), seconds)  # type: ignore[arg-type]


class BlockingClient:
    """Has the verbs of an AsyncClient, each run to its end in a loop of its own."""

    def __init__(self, url: str, *, clock: Clock, **options: Any) -> None:
        self._client = _Sleeping(url, clock=clock, **options)

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        call = getattr(self._client, verb)
        return (
            (lambda *words, **more: _each(call(*words, **more)))
            if inspect.isasyncgenfunction(call)
            else (lambda *words, **more: asyncio.run(call(*words, **more)))
        )


def _each(items: AsyncIterator[Any]) -> Iterator[Any]:
    """Yields the items as they come."""
    with asyncio.Runner() as runner:
        while True:
            try:
                yield runner.run(anext(items))  # type: ignore[arg-type]
            except StopAsyncIteration:
                return
