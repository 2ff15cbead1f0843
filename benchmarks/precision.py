"""How late a start is, in real time, compared with a bare wait on a threading.Condition."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from app import IngestionAPI

from . import ours
from .processes import await_it
from .series import Contender, Plan, Series, interleave, percentile

TOO_EARLY = 1e-6
"""Rounding error, in seconds, of the difference of two epoch times in floating point."""


class Course(NamedTuple):
    """Queues of one interval, evenly staggered over `spread` seconds, each with so many starts after its first."""

    interval: float
    queues: int
    starts: int
    spread: float


COURSES = {
    "5s": Course(5.0, 50, 1, 1.0),
    "0.1s": Course(0.1, 5, 20, 0.1),
    "0.01s": Course(0.01, 1, 200, 0.0),
}


def measure(plan: Plan) -> dict[str, Series]:
    """Milliseconds late at p50 and p99 ("0.1s ours p50", "0.1s wait p50"), and how many starts came too early."""
    contenders: dict[str, Contender] = {}
    for name, course in COURSES.items():
        contenders[f"{name} ours"] = functools.partial(_ours, course)
        contenders[f"{name} wait"] = functools.partial(_waits, course)
    return interleave(plan, contenders, warm_up=False)


class _Queue:
    """A queue, from `ours.queue`, whose processor does nothing but look at the clock."""

    def __init__(self, course: Course, api: IngestionAPI) -> None:
        self._course = course
        self._api = api
        self._calls: list[float] = []
        clock = self._api.service.clock

        @self._api.processor
        def note(_: Sequence[int]) -> None:
            self._calls.append(clock.now())

        self._api.submit(range(1, 3 * course.starts + 4), "HIGH")

    def start(self) -> None:
        self._api.start()

    def done(self) -> bool:
        return len(self._calls) > self._course.starts

    def lateness(self) -> tuple[list[float], list[float]]:
        """How many seconds after its token each start came, and each processor call."""
        starts = [dispatch.started_at for dispatch in self._api.service.store.dispatches(self._course.starts + 1)]
        tokens = [start + self._course.interval for start in starts]
        pairs = list(zip(tokens, starts[1:], self._calls[1:], strict=False))
        return [start - token for token, start, _ in pairs], [call - token for token, _, call in pairs]


def _ours(course: Course) -> dict[str, float]:
    with contextlib.ExitStack() as stack:
        apis = [stack.enter_context(ours.queue(interval=course.interval)) for _ in range(course.queues)]
        queues = [_Queue(course, api) for api in apis]
        for queue in queues:
            queue.start()
            time.sleep(course.spread / course.queues)
        time.sleep(course.interval * course.starts)
        await_it(lambda: all(queue.done() for queue in queues), "the last start")
    starts, calls = ([late for queue in queues for late in queue.lateness()[which]] for which in (0, 1))
    return {
        "p50": 1000 * percentile(starts, 50),
        "p99": 1000 * percentile(starts, 99),
        "early": sum(late < -TOO_EARLY for late in starts),
        "call": 1000 * percentile(calls, 50),
    }


def _waits(course: Course) -> dict[str, float]:
    late: list[float] = []

    def wait() -> None:
        condition = threading.Condition()
        with condition:
            for _ in range(course.starts):
                began = time.monotonic()
                condition.wait(course.interval)
                late.append(time.monotonic() - began - course.interval)

    threads = [threading.Thread(target=wait) for _ in range(course.queues)]
    for thread in threads:
        thread.start()
        time.sleep(course.spread / course.queues)
    for thread in threads:
        thread.join()
    return {"p50": 1000 * percentile(late, 50), "p99": 1000 * percentile(late, 99)}
