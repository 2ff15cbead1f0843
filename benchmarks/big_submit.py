"""Submitting many ids in one request, one request at a time."""

from __future__ import annotations

import functools
import json
import random
import time

from . import load, servers
from .series import Contender, Plan, Series, interleave, percentile

SIZES = {"1k": (1_000, 100), "100k": (100_000, 4), "1m": (1_000_000, 1)}
"""How many ids, and how many such requests per round."""


def measure(plan: Plan) -> dict[str, Series]:
    """Ids per second ("100k waitress"), and of json.loads on the same bytes alone ("1m json.loads")."""
    with servers.serving(*servers.SERVICES) as ports:
        contenders: dict[str, Contender] = {}
        for size, (count, requests) in SIZES.items():
            body = servers.body(some_ids(count), "MEDIUM")
            for name, port in ports.items():
                contenders[f"{size} {name}"] = functools.partial(_submit, port, body, count, requests)
            contenders[f"{size} json.loads"] = functools.partial(_parse, body.encode(), count, requests)
        return interleave(plan, contenders)


def some_ids(count: int) -> list[int]:
    """Ids of up to nine digits, the same each time."""
    return random.Random(count).choices(range(1, 10**9), k=count)


def _submit(port: int, body: str, count: int, requests: int) -> float:
    result = load.run(load.Load(port, "/ingest", body, connections=1, count=requests))
    return count / percentile(result.latencies, 50)


def _parse(body: bytes, count: int, requests: int) -> float:
    taken = []
    for _ in range(requests):
        began = time.perf_counter()
        json.loads(body)
        taken.append(time.perf_counter() - began)
    return count / percentile(taken, 50)
