"""Pages of ingestions, and counts of them, found through the catalog."""

from __future__ import annotations

import threading
from itertools import islice

from ..core import Filter, Ingestion, Status
from .catalog import Catalog


def ingestions(
    lock: threading.Lock, catalog: Catalog, where: Filter, before: int | None, limit: int
) -> list[Ingestion]:
    """Returns at most `limit` of the ingestions that a filter takes, with orders below `before`, the latest first."""
    with lock:
        blocks = catalog.blocks(where, before)
    found: list[Ingestion] = []
    for block in blocks:
        with lock:
            found += [record.snapshot() for record in islice(block.find(where, before), limit - len(found))]
        if len(found) == limit:
            break
    return found


def count(lock: threading.Lock, catalog: Catalog, where: Filter, most: int) -> dict[Status, int]:
    """Returns how many ingestions a filter takes in each status, whichever it names, `most` at most."""
    where = where._replace(status=None, unfinished=False)
    is_kind = (where.owner, where.since, where.until) == (None, None, None)
    with lock:
        counted, blocks = (list(catalog.count(where)), []) if is_kind else ([], catalog.blocks(where))
    for block in blocks:
        with lock:
            counted += block.count(where)
    counts = dict.fromkeys(Status, 0)
    for status, number in counted:
        counts[status] = min(most, counts[status] + number)
    return counts
