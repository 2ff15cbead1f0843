"""What a job of the peers with a limit does: one call to the upstream, on a connection that is kept."""

from __future__ import annotations

import os

import urllib3

ALLOWED = int(os.environ.get("BENCH_ALLOWED", "1"))
"""How many calls a second the upstream allows."""

_UPSTREAM = os.environ.get("BENCH_UPSTREAM", "")
_pool = urllib3.PoolManager(maxsize=8)


def call(number: int) -> None:
    _pool.request("GET", f"{_UPSTREAM}/{number}")
