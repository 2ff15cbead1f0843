"""Draining an unlimited queue, with a processor that does nothing."""

from __future__ import annotations

import contextlib
import functools
import itertools
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from . import backends, ours
from .processes import ROOT, await_it, environment_of_child, program, running
from .series import Contender, Plan, Series, Unavailable, interleave

MOST_SECONDS = 60.0


class Peer(NamedTuple):
    """A queue of `benchmarks.peers`: how many batches it gets per round, its worker's command, and what it requires
    first.

    The batches last about a second. The worker runs as on the first page of its documentation.
    """

    module: str
    backend: str
    batches: int
    worker: str
    prepare: str = ""


PEERS = {
    "celery": Peer("celery_queue", "redis", 1000, "celery -A {module} worker --loglevel=WARNING"),
    "rq": Peer("rq_queue", "redis", 60, "rq worker --quiet --url {broker}"),
    "dramatiq": Peer("dramatiq_queue", "redis", 4000, "dramatiq {module}"),
    "huey-redis": Peer("huey_queue", "redis", 4000, "huey_consumer --quiet {module}.huey"),
    "huey-sqlite": Peer("huey_queue", "file", 2500, "huey_consumer --quiet {module}.huey"),
    "procrastinate": Peer(
        "procrastinate_queue",
        "postgres",
        150,
        "procrastinate --app={module}.app worker",
        "procrastinate --app={module}.app schema --apply",
    ),
}
OURS = {"memory": (20, 1000), "sqlite": (20, 200), "postgres": (20, 50)}
"""How many ingestions of how many batches our own stores get per round."""


def measure(plan: Plan) -> dict[str, Series]:
    """Batches per second: "ours memory", "celery" and so on."""
    contenders: dict[str, Contender] = {f"ours {kind}": functools.partial(_drain_ours, kind) for kind in OURS}
    wanted = {name: peer for name, peer in PEERS.items() if plan.wants(name)}
    with contextlib.ExitStack() as stack:
        brokers = {kind: _broker(stack, kind) for kind in {peer.backend for peer in wanted.values()}}
        for name, peer in wanted.items():
            contenders[name] = functools.partial(_drain_peer, peer, brokers[peer.backend])
            if peer.prepare:
                _run(peer, peer.prepare, brokers[peer.backend])
        return interleave(plan, contenders, warm_up=False)


def _broker(stack: contextlib.ExitStack, kind: str) -> str | Unavailable:
    """Where queues of a kind live, or why they cannot."""
    try:
        if kind == "redis":
            return stack.enter_context(backends.redis())
        if kind == "postgres":
            return stack.enter_context(backends.postgres())
        return f"{stack.enter_context(tempfile.TemporaryDirectory())}/huey.db"
    except Unavailable as reason:
        return reason


def _drain_peer(peer: Peer, broker: str | Unavailable) -> float:
    """From the start of the queue's first job to that of its last: the worker's start-up time is not counted."""
    if isinstance(broker, Unavailable):
        raise broker
    with tempfile.TemporaryDirectory() as folder:
        first, last = Path(folder, "first"), Path(folder, "last")
        _run(peer, f"python -m benchmarks.peers.fill {{module}} {peer.batches} {folder}", broker)
        with running(_command(peer, peer.worker, broker), ready=first.exists, environment={"BENCH_BROKER": broker}):
            await_it(last.exists, f"{peer.module} to drain", seconds=MOST_SECONDS)
        return peer.batches / (float(last.read_text()) - float(first.read_text()))


def _run(peer: Peer, command: str, broker: str | Unavailable) -> None:
    if isinstance(broker, Unavailable):
        return
    environment = environment_of_child({"BENCH_BROKER": broker})
    done = subprocess.run(_command(peer, command, broker), cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"{command.split()[0]} failed: {done.stderr.strip().splitlines()[-1:]}")


def _command(peer: Peer, command: str, broker: str) -> list[str]:
    first, *rest = command.format(module=f"benchmarks.peers.{peer.module}", broker=broker).split()
    return [program(first), *rest]


def _drain_ours(kind: str) -> float:
    """From the worker's start to that of the last batch; all batches were queued before."""
    ingestions, batches = OURS[kind]
    with ours.address(kind) as url, ours.queue(store=url, interval=0) as queue:
        numbers, drained = itertools.count(1), threading.Event()

        @queue.processor
        def count(_: Sequence[int]) -> None:
            if next(numbers) == ingestions * batches:
                drained.set()

        for _ in range(ingestions):
            queue.submit(range(1, 3 * batches + 1), "MEDIUM")
        began = time.monotonic()
        queue.start()
        if not drained.wait(MOST_SECONDS):
            raise Unavailable(f"batches were unfinished after {MOST_SECONDS:g} s")
        return ingestions * batches / (time.monotonic() - began)
