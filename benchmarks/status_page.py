"""The status of 100,000 batches, requested over HTTP."""

from __future__ import annotations

import functools
import json
import time
from typing import Any

from . import load, servers
from .big_submit import some_ids
from .series import Plan, Series, interleave, percentile

BATCHES = 100_000
REQUESTS = 3


def measure(plan: Plan) -> dict[str, Series]:
    """Milliseconds from the request to the last byte, and of json.dumps on our document alone ("json.dumps")."""
    with servers.serving(*servers.SERVICES) as ports:
        paths = {name: f"/status/{servers.post(port, some_ids(3 * BATCHES), 'LOW')}" for name, port in ports.items()}
        document = json.loads(servers.fetch(ports["waitress"], paths["waitress"]))
        if len(document["batches"]) != BATCHES:
            raise ValueError(f"the status shows {len(document['batches'])} batches, not {BATCHES}")
        asked = {name: functools.partial(_ask, port, paths[name]) for name, port in ports.items()}
        return interleave(plan, {**asked, "json.dumps": functools.partial(_dump, document)})


def _ask(port: int, path: str) -> float:
    result = load.run(load.Load(port, path, connections=1, count=REQUESTS))
    return 1000 * percentile(result.latencies, 50)


def _dump(document: Any) -> float:
    taken = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        json.dumps(document)
        taken.append(time.perf_counter() - began)
    return 1000 * percentile(taken, 50)
