"""Takes the steps of a verb in the calling thread, on http.client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from .base import Base
from .calls import Pause, Steps, T, Told
from .errors import Unreachable
from .messages import Address, Reply, Request
from .transport import Transport
from .verbs import P


class Blocking(Base):
    """A client whose verbs block until they are done."""

    def _open(self, address: Address) -> None:
        self._transport = Transport(address)

    def _run(self, steps: Steps[T], exchange: Callable[[Request], Reply] | None = None) -> T:
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
                self._clock.wait(threading.Event(), step.seconds)
                continue
            try:
                told = exchange(step)
            except Unreachable as lost:
                told = lost

    def _pages(self, ask: Callable[[str | None], Steps[P]]) -> Iterator[P]:
        """Yields pages, each when it is asked for; `ask` takes the cursor of one, None for the first."""
        cursor: str | None = None
        while True:
            page = self._run(ask(cursor))
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return

    def _stream(self, head: Steps[Reply]) -> Iterator[str]:
        """Yields the lines that follow the head of an answer."""
        lines: Iterator[str] = iter(())
        with ExitStack() as opened:

            def begin(request: Request) -> Reply:
                nonlocal lines
                opened.close()
                reply, lines = opened.enter_context(self._transport.stream(request))
                return reply

            self._run(head, begin)
            yield from lines
