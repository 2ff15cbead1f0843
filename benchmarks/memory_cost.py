"""The memory cost of waiting ids: growth of the process, each figure from a fresh one.

`python -m benchmarks.memory_cost ids` (or `ingestions`) is such a process; it prints its figures as JSON.
"""

from __future__ import annotations

import functools
import gc
import json
import subprocess
import sys
from collections.abc import Mapping

import psutil

from app import create_app

from . import ours, servers
from .big_submit import some_ids
from .processes import ROOT, environment_of_child
from .series import Plan, Series, Unavailable, interleave

IDS = 1_000_000
SUBMITS = 4
INGESTIONS = 100_000


def measure(plan: Plan) -> dict[str, Series]:
    """Bytes per id ("ids"), bytes per id of the process' first such submit ("ids first"), bytes per ingestion."""
    parts = ("ids", "ingestions")
    return interleave(plan, {part: functools.partial(_fresh, part) for part in parts}, warm_up=False)


def _fresh(part: str) -> Mapping[str, float]:
    command = [sys.executable, "-m", "benchmarks.memory_cost", part]
    done = subprocess.run(command, cwd=ROOT, env=environment_of_child(), capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"the process failed: {done.stderr.strip().splitlines()[-1:]}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def _ids() -> dict[str, float]:
    """Submits through the service's own view, so that memory left over from parsing shows.

    The first submit includes what the allocator keeps for later requests; the others add only what waits.
    """
    client = create_app({"INGEST_AUTOSTART": False, "INGEST_MAX_PENDING": 0}).test_client()
    body = servers.body(some_ids(IDS), "LOW")
    before = _resident()
    grown = []
    for _ in range(1 + SUBMITS):
        answer = client.post("/ingest", data=body, content_type="application/json")
        if answer.status_code != 200:
            raise RuntimeError(answer.text)
        del answer
        grown.append(_resident() - before)
    return {"": (grown[-1] - grown[0]) / (IDS * SUBMITS), "first": grown[0] / IDS}


def _ingestions() -> dict[str, float]:
    with ours.queue() as queue:
        queue.submit([1, 2, 3], "LOW")
        before = _resident()
        for first in range(1, INGESTIONS + 1):
            queue.submit([first, first + 1, first + 2], "LOW")
        return {"": (_resident() - before) / INGESTIONS}


if __name__ == "__main__":
    json.dump({"ids": _ids, "ingestions": _ingestions}[sys.argv[1]](), sys.stdout)
