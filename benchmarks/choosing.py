"""What one claim costs while 1,000 or 1,000,000 batches wait.

Each store is in a process of its own, `python -m benchmarks.choosing KIND SHAPE COUNT`, so that the batches waiting in
one do not burden the garbage collector of the other.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import time

from app.outcomes import Outcome
from app.store import Store

from . import ours
from .processes import Child, answer
from .series import Contender, Plan, Series, Unavailable, interleave

COUNTS = {"1k": 1_000, "1m": 1_000_000}
SHAPES = ("one", "many")
"""How the waiting batches were submitted: in one ingestion, or in many with a fixed number of batches each."""

MANY = {"memory": 10, "sqlite": 100, "postgres": 100}
CLAIMS = 200


def measure(plan: Plan) -> dict[str, Series]:
    """Microseconds per claim: "memory one 1k", "sqlite many 1m" and so on."""
    found: dict[str, Series] = {}
    for kind in ours.STORES:
        for shape in SHAPES:
            found.update(_measure(plan, kind, shape))
    return found


def _measure(plan: Plan, kind: str, shape: str) -> dict[str, Series]:
    with contextlib.ExitStack() as stack:
        contenders: dict[str, Contender] = {}
        for count in COUNTS:
            if plan.wants(name := f"{kind} {shape} {count}"):
                child = Child(sys.executable, "-m", __name__, kind, shape, count)
                stack.callback(child.end)
                contenders[name] = child.ask
        return interleave(plan, contenders)


def _serve(kind: str, shape: str, count: str) -> None:
    try:
        with ours.store(kind, interval=0, concurrency=CLAIMS) as store:
            waiting = COUNTS[count]
            batches = waiting if shape == "one" else MANY[kind]
            ours.fill(store, waiting // batches, batches)
            answer(functools.partial(_claims, store, min(batches, CLAIMS)))
    except Unavailable as reason:
        print(reason)


def _claims(store: Store, batches: int) -> float:
    """Claims some batches one by one, then adds as many, in ingestions of `batches` each."""
    claimed = []
    began = time.perf_counter()
    for _ in range(CLAIMS):
        claimed.append(store.claim(1))
    took = time.perf_counter() - began
    for claims in claimed:
        if not isinstance(claims, list):
            raise RuntimeError(f"nothing could be claimed: {claims}")
        store.end(claims[0], Outcome.ack([]))
    ours.fill(store, max(1, CLAIMS // batches), batches)
    return 1e6 * took / CLAIMS


if __name__ == "__main__":
    _serve(*sys.argv[1:])
