"""An AsyncClient that blocks, so that one suite proves both clients."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from app.client import AsyncClient
from app.core import Clock


class _Sleeping(AsyncClient):
    """Sleeps by its clock."""

    async def _sleep(self, seconds: float) -> None:
        self._clock.wait(threading.Event(), seconds)


class BlockingClient:
    """Has the verbs of an AsyncClient, each run to its end in a thread: Playwright has a loop in this one."""

    def __init__(self, url: str, *, clock: Clock, **options: Any) -> None:
        self._client = _Sleeping(url, clock=clock, **options)

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        call = getattr(self._client, verb)
        run = _each if inspect.isasyncgenfunction(call) else _whole
        return lambda *words, **more: run(lambda: call(*words, **more))


def _whole(call: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(call())).result()


def _each(call: Callable[[], AsyncIterator[Any]]) -> Iterator[Any]:
    """Yields the items as they come."""
    with ThreadPoolExecutor(1) as thread:
        runner = thread.submit(asyncio.Runner).result()
        items = call()

        async def following() -> Any:
            return await anext(items, None)

        try:
            while (item := thread.submit(runner.run, following()).result()) is not None:
                yield item
        finally:
            thread.submit(runner.close).result()
