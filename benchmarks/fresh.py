"""How many calls it takes to answer requests that want much the same ids."""

from __future__ import annotations

import functools
import itertools
import math
import random
import time
from collections.abc import Sequence
from typing import Any

from app.core import Stats

from . import ours
from .series import Contender, Plan, Series, Unavailable, interleave

REQUESTS = 10_000
IDS = 5_000
SKEW = 1.1
"""The exponent s of Zipf's law: the id of rank k is drawn in proportion to 1 / k ** s."""

CALL = 0.001
MOST_SECONDS = 120.0

CONTENDERS: dict[str, dict[str, Any]] = {
    "neither": {},
    "fill": {"fill": True},
    "fresh": {"fresh": 0},
    "both": {"fill": True, "fresh": 0},
}


def measure(plan: Plan) -> dict[str, Series]:
    """Calls that the processor gets: "neither", "fill", "fresh", "both"; and "least", each id once in full batches."""
    ids = drawn()
    contenders: dict[str, Contender] = {
        name: functools.partial(_calls, ids, chosen) for name, chosen in CONTENDERS.items()
    }
    contenders["least"] = lambda: math.ceil(len(set(ids)) / ours.BATCH_SIZE)
    return interleave(plan, contenders, warm_up=False)


def drawn() -> list[int]:
    """The id of each request, the same in each run."""
    weights = [1 / rank**SKEW for rank in range(1, IDS + 1)]
    return random.Random(1).choices(range(1, IDS + 1), weights, k=REQUESTS)


def _calls(ids: Sequence[int], chosen: dict[str, Any]) -> float:
    """All requests are queued before the worker starts, as after an outage."""
    numbers = itertools.count()
    with ours.queue(interval=0, **chosen) as queue:
        if missing := chosen.keys() - vars(queue.service.settings).keys():
            raise Unavailable(f"not available: there is no {', '.join(missing).upper()}")

        @queue.processor
        def call(_: Sequence[int]) -> None:
            next(numbers)
            time.sleep(CALL)

        for one in ids:
            queue.submit([one], "MEDIUM")
        queue.start()
        give_up_at = time.monotonic() + MOST_SECONDS
        while _is_busy(queue.service.store.stats()):
            if time.monotonic() > give_up_at:
                raise Unavailable(f"batches were unfinished after {MOST_SECONDS:g} s")
            time.sleep(0.01)
    return float(next(numbers))


def _is_busy(stats: Stats) -> bool:
    return bool(stats.running) or any(depth.waiting for depth in stats.depths.values())
