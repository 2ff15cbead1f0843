"""The rows that change, as objects: the limiter's and an ingestion's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Update, bindparam, insert, update

from ..config import Settings
from ..core import Counts, Ingestion, Priority, Timeline, TokenBucket, batch_count, roll_up
from .schema import all_of, ingestions, limiter

_LANES = {Priority.HIGH: "high", Priority.MEDIUM: "medium", Priority.LOW: "low"}


@dataclass(slots=True)
class Limiter:
    """The state of one instance's queue; the totals count batches, `lined` those of `batches` that are in line."""

    instance: int
    full_at: float
    paused: bool
    resumed_at: float
    hold_until: float
    service: float
    aging: float
    latest: float
    orders: int
    dispatched: int
    high: int
    medium: int
    low: int
    lined: int
    running: int
    failed: int

    def __post_init__(self) -> None:
        # SQLite has no truth values.
        self.paused = bool(self.paused)

    @property
    def total(self) -> int:
        """How many batches wait."""
        return self.high + self.medium + self.low

    def waiting(self, priority: Priority) -> int:
        """How many batches wait at one priority."""
        return int(getattr(self, _LANES[priority]))

    def change(self, priority: Priority, by: int) -> None:
        setattr(self, _LANES[priority], self.waiting(priority) + by)

    def bucket(self, settings: Settings) -> TokenBucket:
        return TokenBucket(settings.interval, settings.burst, self.full_at)

    def timeline(self, settings: Settings, now: float) -> Timeline:
        return Timeline(now, self.bucket(settings), self.hold_until, self.running, settings.concurrency, self.service)


@dataclass(slots=True)
class Record:
    """One ingestion, but for its ids. What changes comes after `batch_size`."""

    order: int
    id: str
    rank: float
    priority: int
    created_at: float
    id_count: int
    batch_size: int
    owner: str | None
    cursor: int = 0
    open: int = 1
    cancelled: bool = False
    waiting: int = 0
    waiting_ids: int = 0
    retrying: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    estimated_completion: float | None = None
    miss: float | None = None
    _indexed: tuple[object, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.cancelled = bool(self.cancelled)
        self._indexed = self._in_indexes()

    @property
    def batch_count(self) -> int:
        return batch_count(self.id_count, self.batch_size)

    def ids_at(self, position: int) -> int:
        """How many ids the batch at a position has; only the last may be short."""
        return min(self.batch_size, self.id_count - position * self.batch_size)

    @property
    def finished(self) -> bool:
        return not self.waiting and not self.running

    def counts(self) -> Counts:
        if self.cancelled:
            gone = self.batch_count - self.running - self.completed - self.failed
            return Counts(0, self.running, self.completed, self.failed, gone)
        new = self.waiting - self.retrying
        return Counts(new, self.running + self.retrying, self.completed, self.failed, 0)

    def snapshot(self) -> Ingestion:
        return Ingestion(
            self.id,
            self.order,
            Priority(self.priority),
            self.created_at,
            self.id_count,
            self.batch_size,
            self.counts(),
            self.started_at,
            self.finished_at,
            self.owner,
        )

    def values(self) -> dict[str, Any]:
        """What the columns are to hold."""
        values = {name: getattr(self, name) for name in RECORD_NAMES}
        values["status"] = roll_up(self.counts()).value
        return values

    def moved(self) -> bool:
        """Whether an index is to have it elsewhere than when it was read, or when this was asked last."""
        before, self._indexed = self._indexed, self._in_indexes()
        return self._indexed != before

    def _in_indexes(self) -> tuple[object, ...]:
        return self.open, self.finished_at, roll_up(self.counts())


LIMITER_NAMES = [field.name for field in dataclasses.fields(Limiter)]
LIMITER_COLUMNS = [limiter.c[name] for name in LIMITER_NAMES]
RECORD_NAMES = [field.name for field in dataclasses.fields(Record) if field.init]
RECORD_COLUMNS = [ingestions.c[name] for name in RECORD_NAMES]

ADD_RECORD = insert(ingestions).values(all_of(ingestions))
SAVE_LIMITER = (
    update(limiter)
    .where(limiter.c.instance == bindparam("of_instance"))
    .values({name: bindparam(name) for name in LIMITER_NAMES[1:]})
)
_CHANGING = RECORD_NAMES[RECORD_NAMES.index("cursor") :]
_INDEXED = {"open", "finished_at", "status"}


def _save(names: Iterable[str]) -> Update:
    return (
        update(ingestions)
        .where(ingestions.c.instance == bindparam("of_instance"), ingestions.c.order == bindparam("of_order"))
        .values({name: bindparam(name) for name in names})
    )


# SQLite rewrites every index of which a column is named, also where its value stays.
SAVE_RECORD = {True: _save([*_CHANGING, "status"]), False: _save(set(_CHANGING) - _INDEXED)}
"""By whether it `moved`, in which case alone the columns in indexes are written."""
