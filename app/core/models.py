"""The basic types: priority, status, ingestion, batch."""

from __future__ import annotations

import math
from enum import IntEnum, StrEnum
from typing import NamedTuple
from uuid import UUID, uuid5

from .uuids import batch_id


class Priority(IntEnum):
    """How urgent an ingestion is. The value is its weight: the lowest goes first."""

    HIGH = 1
    MEDIUM = 2
    LOW = 3


class Status(StrEnum):
    """Where a batch or a whole ingestion stands. It only moves forward."""

    YET_TO_START = "yet_to_start"
    TRIGGERED = "triggered"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether it is final unless an operator redrives it."""
        return self not in (Status.YET_TO_START, Status.TRIGGERED)


class BatchError(NamedTuple):
    """Why the latest attempt at a batch failed: the error's type and message, no traceback."""

    type: str
    message: str

    @classmethod
    def of(cls, error: BaseException) -> BatchError:
        try:
            message = str(error)
        except BaseException as trouble:  # noqa: BLE001  Whatever it is, the first error has to be reported.
            message = f"its message cannot be had: {type(trouble).__name__}"
        return cls.made(type(error).__name__, message)

    @classmethod
    def made(cls, type_: str, message: str) -> BatchError:
        """Returns the error with its message cut to 2000 characters."""
        return cls(type_, message[:2000])


LOST = BatchError("LeaseExpired", "the worker did not report back in time")
"""The error of an attempt whose lease ran out."""


class Batch(NamedTuple):
    """Up to `BATCH_SIZE` consecutive ids of one ingestion: the unit of dispatch, retry and status.

    `attempt` counts from 1 once it has been dispatched. `started_at` says when the latest attempt began, `finished_at`
    when it ended the batch, and `next_attempt_at` when a batch that waits for its retry is due, in epoch seconds.
    `asked` holds the indexes of `ids` in the whole batch where a claim asks only some; `alone` says that they go one by
    one, because the batch failed as a whole.
    """

    ingestion_id: str
    position: int
    ids: list[int] | list[str]
    status: Status
    priority: Priority
    attempt: int = 0
    error: BatchError | None = None
    started_at: float | None = None
    finished_at: float | None = None
    next_attempt_at: float | None = None
    asked: tuple[int, ...] = ()
    alone: bool = False

    @property
    def id(self) -> str:
        return batch_id(self.ingestion_id, self.position)

    @property
    def waits(self) -> bool:
        """Whether it waits for its first or next attempt."""
        return self.status is Status.YET_TO_START or self.next_attempt_at is not None

    @property
    def key(self) -> str:
        """A UUID, the same for each attempt that asks the same ids, for an upstream that knows idempotency keys."""
        return str(uuid5(UUID(self.id), repr(self.asked))) if self.asked else self.id


class Claim(NamedTuple):
    """A batch of `owner`, claimed by a worker: due at `due_at`, claimed at `claimed_at` (epoch seconds).

    With FILL, `riders` are the claims of the batches that share its call.
    """

    batch: Batch
    due_at: float
    claimed_at: float
    owner: str | None = None
    riders: tuple[Claim, ...] = ()

    @property
    def all(self) -> tuple[Claim, ...]:
        """The claims of its call, its own first."""
        return (self, *self.riders)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The batches of its call, its own first."""
        return (self.batch, *[one.batch for one in self.riders]) if self.riders else (self.batch,)

    @property
    def owners(self) -> set[str | None]:
        """The owners of the batches in its call, None among them for those without."""
        return {one.owner for one in self.all}

    def is_latest(self, attempt: int, claimed_at: float | None) -> bool:
        """Returns whether this is still the store's latest claim of the batch: the fence against late outcomes.

        The attempt alone does not identify a claim, because a release decrements it and a redrive resets it.
        """
        return self.batch.attempt == attempt and self.claimed_at == claimed_at


class Counts(NamedTuple):
    """How many batches of an ingestion, or of a priority, are in each status."""

    yet_to_start: int = 0
    triggered: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def unfinished(self) -> int:
        return self.yet_to_start + self.triggered


class Ingestion(NamedTuple):
    """A snapshot of one accepted request. Times are seconds since the epoch.

    `order` increases with every ingestion created in a store. `served` counts the ids that got their answer without a
    call, None where FRESH was not set when it was accepted.
    """

    id: str
    order: int
    priority: Priority
    created_at: float
    id_count: int
    batch_size: int
    counts: Counts
    started_at: float | None = None
    finished_at: float | None = None
    owner: str | None = None
    served: int | None = None

    @property
    def status(self) -> Status:
        return roll_up(self.counts)

    @property
    def batch_count(self) -> int:
        return batch_count(self.id_count, self.batch_size)


def roll_up(counts: Counts) -> Status:
    """Returns the status of an ingestion, given those of its batches."""
    if counts.unfinished:
        return Status.YET_TO_START if counts.yet_to_start == sum(counts) else Status.TRIGGERED
    if counts.cancelled:
        return Status.CANCELLED
    return Status.FAILED if counts.failed else Status.COMPLETED


def batch_count(id_count: int, batch_size: int) -> int:
    """Returns the number of batches that this many ids make."""
    return math.ceil(id_count / batch_size)
