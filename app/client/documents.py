"""The documents about ingestions, typed.

`status.created_at` is an attribute, known to a type checker; `status["created_at"]` is the member as it was sent. A
member whose attribute has a default is not always sent, or not by an older service.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core import Id, Priority, Status
from .document import Document


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Accepted(Document):
    """The answer to a submission."""

    ingestion_id: str


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Counts(Document):
    """How many batches are in each status."""

    yet_to_start: int
    triggered: int
    completed: int
    failed: int
    cancelled: int


@dataclass(frozen=True, init=False, eq=False, repr=False)
class BatchError(Document):
    """Why an attempt or an id failed."""

    type: str
    message: str


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Batch(Document):
    """One batch of an ingestion."""

    batch_id: str
    ids: tuple[Id, ...]
    status: Status
    attempts: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    next_attempt_at: datetime | None = None
    error: BatchError | None = None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Ingestion(Document):
    """An ingestion, as a listing has it."""

    ingestion_id: str
    status: Status
    priority: Priority
    id_count: int
    batch_count: int
    counts: Counts
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    owner: str | None = None
    served: int | None = None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Callback(Document):
    """How the callback of an ingestion's end stands."""

    id: str
    state: str
    attempts: int
    error: str | None
    next_attempt_at: datetime | None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class StatusPage(Ingestion):
    """An ingestion with a page of its batches, and an estimate until it has ended."""

    batches: tuple[Batch, ...] = ()
    batches_ahead: int | None = None
    estimated_start: datetime | None = None
    estimated_completion: datetime | None = None
    at_latest: bool = False
    callback: Callback | None = None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Page(Document):
    """A page of the listing, and the cursor of the next one."""

    ingestions: tuple[Ingestion, ...]
    next_cursor: str | None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Result(Document):
    """What an id brought: its data, or with `failed`, the error of one that failed."""

    id: Id
    data: Any = None
    error: BatchError | None = None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Attempt(Document):
    """One attempt at a batch; `outcome` is completed, retry, failed or released, None while it runs."""

    batch_id: str
    position: int
    attempt: int
    due_at: datetime
    limited_by: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    error: BatchError | None
    host: str | None
    process: int | None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Attempts(Document):
    """The attempts that are kept of an ingestion's batches."""

    ingestion_id: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    estimated_at_submission: datetime | None
    waiting_on: str | None
    kept: int
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Answer(Document):
    """What an id brought last: its data, or why it failed."""

    data: Any = None
    error: BatchError | None = None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Found(Document):
    """An id in a batch of an ingestion; `estimated_start` is None while paused, and where the batch does not wait."""

    ingestion: Ingestion
    batch: Batch
    estimated_start: datetime | None
    result: Answer | None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Search(Document):
    """Where an id is, the newest ingestion first, and whether there is `more` than was asked for.

    Unless `complete`, what was submitted after `searched_since` was searched, and all or some of the unfinished.
    """

    id: str
    found: tuple[Found, ...]
    more: bool
    complete: bool
    searched: int
    all_unfinished: bool
    searched_since: datetime | None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Estimate(Document):
    """When something would start and end; None while it is paused. `at_latest`: it may be sooner, but not later."""

    batches_ahead: int
    estimated_start: datetime | None
    estimated_completion: datetime | None
    at_latest: bool = False


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Quote(Document):
    """An estimate for each priority."""

    HIGH: Estimate
    MEDIUM: Estimate
    LOW: Estimate
