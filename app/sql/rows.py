"""The mutable rows as objects: the limiter's and an ingestion's."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeAlias

from sqlalchemy import Update, bindparam, insert, update

from ..config import Settings
from ..core import (
    Aside,
    Concurrency,
    Counts,
    Gate,
    Ingestion,
    Pauses,
    Priority,
    Slots,
    Starts,
    Timeline,
    batch_count,
    concurrency_of,
    count_statuses,
    may_be_early,
    pauses_of,
    roll_up,
    room_of,
)
from .schema import all_of, ingestions, queues

Figures: TypeAlias = bytes | bytearray

_LANES = {
    False: {Priority.HIGH: "high", Priority.MEDIUM: "medium", Priority.LOW: "low"},
    True: {Priority.HIGH: "parked_high", Priority.MEDIUM: "parked_medium", Priority.LOW: "parked_low"},
}
"""The names of the totals, by whether they count what is parked."""


@dataclass(slots=True)
class QueueRow:
    """The state of one instance's queue.

    The totals count batches; `high`, `medium` and `low` those in line, `lined` the rows of `batches` in line, `running`
    the calls in process, `starts` what started in `minute`. `levels` is the state of the other limits, and what people
    changed, as JSON; `figures` what else happened in the minute, packed. `fair` is the virtual time of each priority as
    JSON, None while callers take no turns.
    """

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
    parked_high: int
    parked_medium: int
    parked_low: int
    lined: int
    running: int
    failed: int
    slots: int
    minute: int
    starts: int
    levels: str | None
    figures: Figures | None
    found_from: int
    found_to: int
    fair: str | None
    _before: tuple[object, ...] = field(init=False)

    def __post_init__(self) -> None:
        # SQLite returns truth values as numbers.
        self.paused = bool(self.paused)
        self._before = _queue_values(self)

    @property
    def total(self) -> int:
        """Returns how many batches are in line."""
        return self.high + self.medium + self.low

    @property
    def parked(self) -> int:
        """Returns how many batches wait outside of the line."""
        return self.parked_high + self.parked_medium + self.parked_low

    def waiting(self, priority: Priority, *, parked: bool = False) -> int:
        """Returns how many batches of one priority are in line, or parked."""
        return int(getattr(self, _LANES[parked][priority]))

    def change(self, priority: Priority, by: int, *, parked: bool) -> None:
        setattr(self, _LANES[parked][priority], self.waiting(priority, parked=parked) + by)

    def pauses(self) -> Pauses:
        """Returns what is paused apart from the whole, without the rest of the gate."""
        return pauses_of(json.loads(self.levels)) if self.levels else Pauses()

    def changes(self) -> dict[str, Any]:
        """Returns the columns that changed since it was read, with their values."""
        changed = zip(QUEUE_NAMES[1:], self._before, _queue_values(self), strict=True)
        return {name: value for name, before, value in changed if value != before}

    def gate(self, settings: Settings, now: float) -> Gate:
        """Returns the gate as stored in the row."""
        gate = Gate.of(settings, now, self.full_at, json.loads(self.levels) if self.levels else None)
        gate.paused, gate.resumed_at, gate.hold_until = self.paused, self.resumed_at, self.hold_until
        return gate

    def keep(self, gate: Gate) -> None:
        """Store a gate's changes in the row."""
        self.full_at, self.levels = _kept(gate)
        self.paused, self.resumed_at, self.hold_until = gate.paused, gate.resumed_at, gate.hold_until

    def has_limiter_of(self, gate: Gate) -> bool:
        """Returns whether the row says of the limiter what the gate does."""
        return (self.full_at, self.levels) == _kept(gate)

    def concurrency(self) -> Concurrency:
        """Returns how many batches each process runs at once, where that was changed."""
        return concurrency_of(json.loads(self.levels)) if self.levels else Concurrency()

    def most_running(self, settings: Settings) -> int:
        """Returns how many batches may run at once, in all processes."""
        return min(self.slots or self.concurrency().each or settings.concurrency, room_of(settings, 0))

    def timeline(
        self, settings: Settings, now: float, aside: Aside, started: Callable[[], Iterable[float]]
    ) -> Timeline:
        """Returns the timeline of the upcoming starts."""
        slots = Slots(self.most_running(settings), self.running, started, self.service, now)
        starts = Starts(now, self.gate(settings, now).limiter, max(now, self.hold_until), slots, self.total, aside)
        return Timeline(starts, self.paused, self.parked, may_be_early(settings))


def _kept(gate: Gate) -> tuple[float, str | None]:
    # In one order, whatever that of the limits is in the settings of each process.
    full_at, levels = gate.kept()
    return full_at, json.dumps(levels, sort_keys=True) if levels else None


@dataclass(slots=True)
class IngestionRow:
    """One ingestion without its ids. Only the fields from `cursor` on can change, and in a move priority and rank."""

    order: int
    id: str
    rank: float
    priority: int
    created_at: float
    id_count: int
    batch_size: int
    owner: str | None
    strings: bool
    callback: str | None = None
    caller: int | None = None
    since: float | None = None
    cursor: int = 0
    parked: bool = False
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
    served: int = 0
    _indexed: tuple[object, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.cancelled = bool(self.cancelled)
        self.parked = bool(self.parked)
        self.strings = bool(self.strings)
        self._indexed = self._in_indexes()

    @property
    def batch_count(self) -> int:
        return batch_count(self.id_count, self.batch_size)

    def size_of(self, position: int) -> int:
        """Returns how many ids the batch at a position has; only the last may have fewer."""
        return min(self.batch_size, self.id_count - position * self.batch_size)

    @property
    def open(self) -> int:
        """1 while a batch that never started is in line, else 0."""
        return int(self.cursor < self.batch_count and not self.parked and not self.cancelled)

    @property
    def finished(self) -> bool:
        return not self.waiting and not self.running

    def counts(self) -> Counts:
        running, completed, failed = self.running, self.completed, self.failed
        rest = self.batch_count - running - completed - failed
        return count_statuses(rest - self.retrying, running, self.retrying, completed, failed, cancelled=self.cancelled)

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
            None if self.since is None else self.served,
        )

    def values(self) -> tuple[dict[str, Any], bool]:
        """Returns the values for the columns, and whether its place in an index moved since it was read or the last
        call.
        """
        before, self._indexed = self._indexed, self._in_indexes()
        values = dict(zip(INGESTION_NAMES, _ingestion_values(self), strict=True))
        values["status"], values["open"] = self._indexed[:2]
        return values, self._indexed != before

    def _in_indexes(self) -> tuple[object, ...]:
        return roll_up(self.counts()).value, self.open, self.parked, self.finished_at, self.failed


QUEUE_NAMES = [field.name for field in dataclasses.fields(QueueRow) if field.init]
QUEUE_COLUMNS = [queues.c[name] for name in QUEUE_NAMES]
_queue_values = attrgetter(*QUEUE_NAMES[1:])
INGESTION_NAMES = [field.name for field in dataclasses.fields(IngestionRow) if field.init]
INGESTION_COLUMNS = [ingestions.c[name] for name in INGESTION_NAMES]
_ingestion_values = attrgetter(*INGESTION_NAMES)

ADD_INGESTION = insert(ingestions).values(all_of(ingestions))


@functools.lru_cache(256)
def save_queue(names: tuple[str, ...]) -> Update:
    """Returns the statement that writes these columns of a queue's row, each of which costs time."""
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    return update(queues).where(queues.c.instance == bindparam("of_instance")).values(values)


_CHANGING = INGESTION_NAMES[INGESTION_NAMES.index("cursor") :]
_INDEXED = {"open", "parked", "finished_at", "failed", "status"}


def _save(names: Iterable[str]) -> Update:
    return (
        update(ingestions)
        .where(ingestions.c.instance == bindparam("of_instance"), ingestions.c.order == bindparam("of_order"))
        .values({name: bindparam(name) for name in names})
    )


# SQLite rewrites every index that has a named column, even if the value stays the same.
SAVE_INGESTION = {True: _save([*_CHANGING, "status", "open"]), False: _save(set(_CHANGING) - _INDEXED)}
"""Keyed by whether it moved: only then are indexed columns written."""
