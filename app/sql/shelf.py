"""A cache of ids, for those of which a database reads all to return some."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict

from sqlalchemy import bindparam, select

from ..core import Ids, Strings
from .contents import ids, strings
from .ids import unpack
from .rows import IngestionRow
from .schema import THIS
from .wire import Wire

_INTEGERS = select(ids.c.ids).where(ids.c.instance == THIS, ids.c.order == bindparam("order"))
_LINES = select(strings.c.lines).where(strings.c.instance == THIS, strings.c.order == bindparam("order"))
_MOST = 32_000_000
"""Bytes of ids kept at most, not counting the latest ingestion."""


class Shelf:
    """An ingestion's ids never change, so what was read once stays valid.

    Thread-safe. It is for strings, and for more than `large` integers.
    """

    def __init__(self, *, is_sqlite: bool) -> None:
        # SQLite follows a chain of pages to any part of a row; PostgreSQL jumps straight to it.
        self.large = 4096 if is_sqlite else sys.maxsize
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Ids] = OrderedDict()
        self._total = 0

    def slice(self, connection: Wire, instance: int, row: IngestionRow, part: slice) -> Ids:
        """Returns a part of an ingestion's ids."""
        key = row.id  # an order may come again, where a database was restored under a running process
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return kept[part]
        found = _read(connection, instance, row)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = found
                self._total += sys.getsizeof(found)
            while self._total > _MOST and len(self._kept) > 1:
                self._total -= sys.getsizeof(self._kept.popitem(last=False)[1])
        return found[part]


def _read(connection: Wire, instance: int, row: IngestionRow) -> Ids:
    stored = connection.execute(_LINES if row.strings else _INTEGERS, {"this": instance, "order": row.order}).scalar()
    return Strings(stored) if row.strings else unpack(stored)
