"""Estimating when an ingestion ends while very many are unfinished."""

from __future__ import annotations

import contextlib
import functools
import random
import time

from app.store import Store

from . import ours
from .series import Contender, Plan, Series, Unavailable, interleave

INGESTIONS = {"memory": 100_000, "sqlite": 10_000, "postgres": 10_000}
"""Fewer for stores where adding them takes longer than all the other rows together."""

BATCHES = 2
ASKED = 200


def measure(plan: Plan) -> dict[str, Series]:
    """Milliseconds a status with its estimate, for each store: "memory", "sqlite", "postgres"."""
    found: dict[str, Series] = {}
    for kind in filter(plan.wants, ours.STORES):
        with contextlib.ExitStack() as stack:
            try:
                store = stack.enter_context(ours.store(kind))
            except Unavailable as reason:
                found[kind] = reason
                continue
            ids = ours.fill(store, INGESTIONS[kind], BATCHES)
            contender: Contender = functools.partial(_estimates, store, random.Random(1), ids)
            found.update(interleave(plan, {kind: contender}))
    return found


def _estimates(store: Store, chance: random.Random, ids: list[str]) -> float:
    asked = chance.sample(ids, ASKED)
    began = time.perf_counter()
    for one in asked:
        store.status(one, limit=0)
    return 1000 * (time.perf_counter() - began) / ASKED
