"""Whether the allowance of an upstream is kept, whether it is used, and how soon a HIGH has its turn meanwhile."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from app.limits import Limit, parse_limits

from . import backends, npm, ours, servers
from .precision import TOO_EARLY
from .processes import Child, await_it, program, running
from .series import Contender, Plan, Series, Unavailable, interleave
from .upstream import Upstream, serving, used, violations

ALLOWED = 20
SECONDS = 10.0
WAITING = 1000
URGENT = 15
APART = 0.618
"""Seconds from one HIGH to the next: near the golden section, so that they spread evenly over a second and over an
interval."""

PATIENCE = 2.0
"""Seconds after the run for which a HIGH may still arrive; one that does not counts with what it waited until then."""

OURS = {"one": ("memory", 1), "four": ("postgres", 4)}
"""The store of our services, and how many share it."""


class Peer(NamedTuple):
    """A queue of `benchmarks.peers` with a limit, and the commands of its workers.

    `npm` names the packages of one for Node.js, whose module is a script that also submits.
    """

    module: str
    workers: tuple[str, ...]
    npm: tuple[str, ...] = ()


_CELERY = "celery -A {module} worker --loglevel=WARNING -n %s@%%h"
_HUEY = "huey_consumer --quiet {module}.huey"
_BULLMQ = "node {module} work"
PEERS = {
    "celery-two": Peer("celery_limited", (_CELERY % "one", _CELERY % "two")),
    "celery-one": Peer("celery_limited", (_CELERY % "one",)),
    "dramatiq": Peer("dramatiq_limited", ("dramatiq {module} --processes 2",)),
    "huey": Peer("huey_limited", (_HUEY, _HUEY)),
    "bullmq": Peer("bullmq_limited", (_BULLMQ, _BULLMQ), ("bullmq@6.7.0", "ioredis@5.8.2")),
}


def measure(plan: Plan) -> dict[str, Series]:
    """Violations, the share used in per cent and the mean wait of a HIGH in milliseconds: "four violations", "four
    used", "celery-one high" and so on; and of ours, how many starts were too early.

    One round, because each takes so long.
    """
    contenders: dict[str, Contender] = {name: functools.partial(_ours, *parts) for name, parts in OURS.items()}
    contenders |= {name: functools.partial(_peer, peer) for name, peer in PEERS.items()}
    return interleave(Plan(1, plan.series), contenders, warm_up=False)


def _ours(kind: str, processes: int) -> dict[str, float]:
    limit = f"{ALLOWED}/s"
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(serving())
        settings = {
            "INGEST_UPSTREAM_URL": f"{upstream.url}/{{id}}",
            "INGEST_BATCH_SIZE": "1",
            "INGEST_LIMITS": limit,
            "INGEST_STORE": stack.enter_context(ours.address(kind)),
        }
        ports = [
            stack.enter_context(servers.serving("waitress", environment=settings))["waitress"] for _ in range(processes)
        ]
        servers.post(ports[0], list(range(1, WAITING + 1)), "LOW")
        turns = itertools.cycle(ports)
        figures = _observe(upstream, lambda number: _post(next(turns), number))
        return {**figures, "early": _early(ports[0], limit)}


def _post(port: int, number: int) -> float:
    moment = time.time()
    servers.post(port, [number], "HIGH")
    return moment


def _early(port: int, limit: str) -> int:
    """How many starts came less than a period after the one that many before, by the service's own dispatch log."""
    (one,) = parse_limits(limit)
    assert isinstance(one, Limit)
    log = json.loads(servers.fetch(port, "/dispatches?limit=1000"))["dispatches"]
    starts = sorted(dispatch["started_at"] for dispatch in log)
    return sum(
        later - earlier < one.period - TOO_EARLY for earlier, later in zip(starts, starts[one.most :], strict=False)
    )


def _peer(peer: Peer) -> dict[str, float]:
    with contextlib.ExitStack() as stack:
        upstream, broker = stack.enter_context(serving()), stack.enter_context(backends.redis())
        environment = {"BENCH_BROKER": broker, "BENCH_UPSTREAM": upstream.url, "BENCH_ALLOWED": str(ALLOWED)}
        module = f"benchmarks.peers.{peer.module}"
        submitter = [sys.executable, "-m", "benchmarks.peers.submit", module]
        if peer.npm:
            environment["NODE_PATH"] = stack.enter_context(npm.installed(*peer.npm))
            module = f"benchmarks/peers/{peer.module}.js"
            submitter = ["node", module, "submit"]
        child = Child(*submitter, str(WAITING), environment=environment)
        stack.callback(child.end)
        child.ask()
        *others, last = [_command(worker.format(module=module)) for worker in peer.workers]
        for command in others:
            stack.enter_context(running(command, ready=lambda: True, environment=environment))
        stack.enter_context(running(last, ready=lambda: bool(upstream.calls), environment=environment))
        return _observe(upstream, lambda _: child.ask())


def _command(text: str) -> list[str]:
    first, *rest = text.split()
    return [program(first), *rest]


def _observe(upstream: Upstream, submit: Callable[[int], float]) -> dict[str, float]:
    """The figures of one run. `submit` adds a HIGH and returns the moment before (epoch seconds)."""
    await_it(lambda: bool(upstream.calls), "the first call")
    began = upstream.moments()[0]
    submitted: dict[int, float] = {}
    for number in range(WAITING + 1, WAITING + URGENT + 1):
        _sleep_until(began + APART * (number - WAITING))
        submitted[number] = submit(number)
    _sleep_until(began + SECONDS)
    with contextlib.suppress(Unavailable):
        await_it(lambda: submitted.keys() <= upstream.arrivals().keys(), "each HIGH", seconds=PATIENCE)
    ended, arrivals = time.time(), upstream.arrivals()
    waits = [arrivals.get(number, ended) - moment for number, moment in submitted.items()]
    moments = [moment for moment in upstream.moments() if moment < began + SECONDS]
    return {
        "violations": violations(moments, ALLOWED),
        "used": 100 * used(moments, ALLOWED, SECONDS),
        "high": 1000 * sum(waits) / len(waits),
    }


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))
