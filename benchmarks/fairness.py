"""How long a submit of 5 ids waits while submits of 1,000,000 ids are being accepted."""

from __future__ import annotations

import functools

from . import load, servers
from .big_submit import some_ids
from .http import IDS
from .series import Contender, Plan, Series, interleave

QUIET_COUNT = 3000
BUSY_SECONDS = 2.5
BIG_MOST = 20


def measure(plan: Plan) -> dict[str, Series]:
    """The p99 in milliseconds on 16 connections: "quiet waitress", "busy fastapi" and so on."""
    with servers.serving(*servers.SERVICES) as ports:
        big = servers.body(some_ids(1_000_000), "LOW")
        contenders: dict[str, Contender] = {}
        for name, port in ports.items():
            contenders[f"quiet {name}"] = functools.partial(_quiet, port)
            contenders[f"busy {name}"] = functools.partial(_busy, port, big)
        return interleave(plan, contenders)


def _small(port: int, count: int, seconds: float) -> load.Load:
    return load.Load(port, "/ingest", servers.body(IDS, "MEDIUM"), count=count, seconds=seconds)


def _quiet(port: int) -> float:
    return 1000 * load.run(_small(port, QUIET_COUNT, 60.0)).p99()


def _busy(port: int, body: str) -> float:
    """Of the small submits in flight while big ones arrived, one after the other."""
    small = load.begin(_small(port, 1_000_000, BUSY_SECONDS))
    big = load.run(load.Load(port, "/ingest", body, connections=1, count=BIG_MOST, seconds=BUSY_SECONDS - 0.5))
    return 1000 * load.finish(small).p99(since=big.starts[0], until=big.starts[-1] + big.latencies[-1])
