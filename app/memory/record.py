"""How an ingestion is kept in memory: ids packed, a byte a batch, everything else only where it differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from ..core import COMPLETED, NEW, RUNNING, WAITING, Batch, BatchError, Batches, Counts, Ingestion, Status, batch_count
from ..store import Submission

T = TypeVar("T")

_DICTS = ("attempts", "dues", "errors", "results")


class Record:
    """One ingestion. Not thread-safe by itself: its store changes it under the store's lock.

    `cursor` is the position of the first batch never dispatched, `slot` where the backlog keeps it. `attempts`,
    `errors`, `dues` and `results` go by position.
    """

    __slots__ = (
        "attempts", "batch_size", "cancelled", "created_at", "cursor", "dues", "errors", "estimated_completion",
        "finished_at", "id", "ids", "key", "order", "owner", "priority", "rank", "results", "slot", "started_at",
        "states", "tally",
    )  # fmt: skip

    def __init__(
        self, ingestion_id: str, order: int, rank: float, created_at: float, batch_size: int, submission: Submission
    ) -> None:
        self.id = ingestion_id
        self.order = order
        self.rank = rank
        self.created_at = created_at
        self.batch_size = batch_size
        self.ids = submission.ids
        self.priority = submission.priority
        self.owner = submission.owner
        self.key: tuple[str | None, str] | None = None
        self.slot = -1
        self.cursor = 0
        self.cancelled = False
        self.started_at: float | None = None
        self.finished_at: float | None = None
        self.estimated_completion: float | None = None
        count = batch_count(len(self.ids), batch_size)
        self.states = bytearray(count)
        self.tally = [count, 0, 0, 0, 0]

    attempts: dict[int, int]
    errors: dict[int, BatchError]
    dues: dict[int, float]
    results: dict[int, Sequence[str]]

    def __getattr__(self, name: str) -> dict[int, Any]:
        """One of the dicts, made when it is first asked for: of what only waits there may be very many."""
        if name not in _DICTS:
            raise AttributeError(name)
        found: dict[int, Any] = {}
        setattr(self, name, found)
        return found

    def move(self, position: int, state: int) -> None:
        """Put a batch into another state."""
        self.tally[self.states[position]] -= 1
        self.tally[state] += 1
        self.states[position] = state

    @property
    def waiting(self) -> int:
        """How many batches have yet to be dispatched, for the first time or again."""
        return 0 if self.cancelled else self.tally[NEW] + self.tally[WAITING]

    @property
    def waiting_ids(self) -> int:
        """How many ids the waiting batches hold; only the last of all batches may be short."""
        ids = self.waiting * self.batch_size
        if ids and self.states[-1] in (NEW, WAITING):
            ids -= len(self.states) * self.batch_size - len(self.ids)
        return ids

    @property
    def finished(self) -> bool:
        return not self.waiting and not self.tally[RUNNING]

    def attempt(self, position: int) -> int:
        """The number of the latest attempt at a batch; only those other than the first are stored."""
        return self.attempts.get(position, 0 if self.states[position] == NEW else 1)

    def counts(self) -> Counts:
        new, running, waiting, completed, failed = self.tally
        if self.cancelled:
            return Counts(0, running, completed, failed, new + waiting)
        return Counts(new, running + waiting, completed, failed, 0)

    def snapshot(self) -> Ingestion:
        return Ingestion(
            self.id,
            self.order,
            self.priority,
            self.created_at,
            len(self.ids),
            self.batch_size,
            self.counts(),
            self.started_at,
            self.finished_at,
            self.owner,
        )

    def claimed(self, position: int, attempt: int, due_at: float, now: float) -> Batch:
        """The batch as its claim has it."""
        ids = self.ids[position * self.batch_size : (position + 1) * self.batch_size].tolist()
        error = self.errors.get(position)
        return Batch(self.id, position, ids, Status.TRIGGERED, self.priority, attempt, error, due_at, now)

    def batches(self, span: range) -> Batches:
        """Its batches at the positions of a span."""
        size = self.batch_size
        return Batches(
            self.id,
            self.priority,
            size,
            span.start,
            self.ids[span.start * size : span.stop * size],
            bytes(self.states[span.start : span.stop]),
            _within(self.attempts, span),
            _within(self.errors, span),
            cancelled=self.cancelled,
        )

    def completed_from(self, position: int, limit: int) -> Iterator[tuple[int, Sequence[str]]]:
        """The completed batches among the `limit` from `position`, with their results."""
        for at in range(position, min(position + limit, len(self.states))):
            if self.states[at] == COMPLETED:
                yield at, self.results[at]


class Claim:
    """A batch in process, and how long its claim is good for."""

    __slots__ = ("batch", "lease_until", "record", "started_at")

    def __init__(self, record: Record, batch: Batch, started_at: float, lease_until: float) -> None:
        self.record = record
        self.batch = batch
        self.started_at = started_at
        self.lease_until = lease_until


def _within(told: dict[int, T], span: range) -> dict[int, T]:
    return {position: told[position] for position in span if position in told} if told else {}
