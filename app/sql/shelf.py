"""A cache of the ids of large ingestions, for a database that reads all of them to return some."""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict

from sqlalchemy import bindparam, select

from .ids import unpack
from .schema import THIS, ids
from .wire import Wire

_ALL = select(ids.c.ids).where(ids.c.instance == THIS, ids.c.order == bindparam("order"))
_MOST = 4_000_000
"""Most ids kept, 8 bytes each, not counting the latest ingestion."""


class Shelf:
    """An ingestion's ids never change, so what was read once stays valid.

    Thread-safe. Ingestions with at least `large` ids are kept.
    """

    def __init__(self, *, is_sqlite: bool) -> None:
        # SQLite follows a chain of pages to any part of a row; PostgreSQL jumps straight to it.
        self.large = 4096 if is_sqlite else 2**62
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, int], array[int]] = OrderedDict()
        self._total = 0

    def slice(self, connection: Wire, instance: int, order: int, part: slice) -> array[int]:
        """Returns a part of an ingestion's ids."""
        key = instance, order
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return kept[part]
        found = unpack(connection.execute(_ALL, {"this": instance, "order": order}).scalar())
        with self._lock:
            if key not in self._kept:
                self._kept[key] = found
                self._total += len(found)
            while self._total > _MOST and len(self._kept) > 1:
                self._total -= len(self._kept.popitem(last=False)[1])
        return found[part]
