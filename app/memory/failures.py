"""The batches that failed, found through the catalog: they cost nothing until somebody asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from ..core import FAILED, BatchError, Failure, FailureFilter, Filter, Spot
from .catalog import Catalog
from .record import Record

CHUNK = 1000
"""Batches read under one hold of the lock."""


def failures(lock: threading.Lock, catalog: Catalog, where: FailureFilter, *, ids: bool) -> Iterator[Failure]:
    """Yields the failed batches of the records in the catalog, the latest first."""
    kind = Filter(priority=where.priority, owner=where.owner, failed=True)
    found: list[tuple[Spot, Record]] = []
    with lock:
        blocks = catalog.blocks(kind)
    for block in blocks:
        with lock:
            for record in block.find(kind, None):
                found += _spots(record)
    found.sort(key=lambda one: one[0], reverse=True)
    for first in range(0, len(found), CHUNK):
        with lock:
            told = [_failure(*one, ids=ids) for one in found[first : first + CHUNK]]
        yield from (one for one in told if one is not None and where.takes(one))


def _spots(record: Record) -> Iterator[tuple[Spot, Record]]:
    position = record.states.find(FAILED)
    while position >= 0:
        yield (record.details.times[2 * position + 1], record.order, position), record
        position = record.states.find(FAILED, position + 1)


def _failure(spot: Spot, record: Record, *, ids: bool) -> Failure | None:
    """Returns the failed batch, None if it has been started over since."""
    at, _, position = spot
    if record.states[position] != FAILED or record.details.times[2 * position + 1] != at:
        return None
    error = record.details.errors[position]
    failed: list[tuple[int | str, BatchError]] = []
    if ids:
        told = zip(record.ids_of(position), record.answers(position).of_each(FAILED, error), strict=True)
        failed = [(one, answer) for one, answer in told if isinstance(answer, BatchError)]
    return Failure(spot, record.id, record.priority, record.owner, error, failed)
