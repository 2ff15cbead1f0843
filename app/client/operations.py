"""The documents for those who operate the service, typed: the queue, what failed, what started, who did what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core import Id, Priority
from .document import Document
from .documents import BatchError


@dataclass(frozen=True, init=False, eq=False, repr=False)
class FailureSample(Document):
    """The batch of a group that failed last."""

    ingestion_id: str
    batch_id: str
    error: BatchError


@dataclass(frozen=True, init=False, eq=False, repr=False)
class FailureGroup(Document):
    """Batches that failed by errors that read alike."""

    group: str
    type: str
    message: str
    count: int
    first_at: datetime
    last_at: datetime
    sample: FailureSample
    ingestions: tuple[str, ...]


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Failures(Document):
    """A page of groups, and the cursor of the next one."""

    groups: tuple[FailureGroup, ...]
    next_cursor: str | None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class FailedId(Document):
    """An id that failed, and why."""

    id: Id
    ingestion_id: str
    batch_id: str
    failed_at: datetime
    error: BatchError


@dataclass(frozen=True, init=False, eq=False, repr=False)
class SweepCount(Document):
    """How much a redrive or cancel of all that match would act on."""

    ingestions: int
    batches: int


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Sweep(Document):
    """A redrive or cancel of all that match, and how far it is."""

    sweep_id: str
    verb: str
    filter: dict[str, Any]
    by: str | None
    state: str
    matched: int
    acted: int
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Sweeps(Document):
    """The latest redrives and cancels of all that match."""

    sweeps: tuple[Sweep, ...]


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Depth(Document):
    """What waits at one priority."""

    waiting: int
    oldest_at: datetime | None
    drained_at: datetime | None
    paused: bool = False
    parked: int = 0


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Depths(Document):
    """What waits at each priority."""

    HIGH: Depth
    MEDIUM: Depth
    LOW: Depth


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Limit(Document):
    """How one of several limits stands."""

    limit: str
    tokens: int
    next_at: datetime


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Rate(Document):
    """The limits in force; `changed` says whether others are configured, `rate_since` when they were last changed, be
    it by a restart with other settings, in seconds since the epoch, 0 if never."""

    interval: float
    burst: int
    limits: tuple[str, ...]
    changed: bool
    rate_since: float


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Accuracy(Document):
    """By how many seconds the estimates of so many ingestions were off."""

    ingestions: int
    mean: float
    p95: float


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Upcoming(Document):
    """A batch that is about to start."""

    batch_id: str
    ingestion_id: str
    ids: tuple[Id, ...]
    priority: Priority
    estimated_start: datetime | None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Run(Document):
    """A batch that a worker runs."""

    batch_id: str
    ingestion_id: str
    attempt: int
    started_at: datetime


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Worker(Document):
    """A process that works on the queue."""

    id: str
    host: str
    process: int
    version: str
    slots: int
    busy: int
    abandoned: int
    started_at: datetime
    seen_at: datetime
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Concurrency(Document):
    """How many batches a process runs at once: `each`, and by workers' ids or hosts `some`."""

    each: int
    some: Any
    changed: bool
    most: int


@dataclass(frozen=True, init=False, eq=False, repr=False)
class CallerDepth(Document):
    """What a caller has waiting at one priority, where callers take turns; `parked` of it is not in line."""

    name: str | None
    priority: Priority
    waiting: int
    oldest_at: datetime | None
    parked: int


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Queue(Document):
    """The state of the queue."""

    now: datetime
    worker: str
    waiting_on: str | None
    paused: bool
    hold_until: datetime | None
    tokens: int
    next_token_at: datetime
    running: int
    waiting: int
    priorities: Depths
    service_seconds: float
    estimate_error: Accuracy | None
    next: tuple[Upcoming, ...]
    limits: tuple[Limit, ...] = ()
    binding_limit: str | None = None
    slowed_to: float | None = None
    rate: Rate | None = None
    workers: tuple[Worker, ...] = ()
    paused_owners: tuple[str, ...] = ()
    concurrency: Concurrency | None = None
    callers: tuple[CallerDepth, ...] = ()
    stalled: bool = False
    simulated: bool = False


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Dispatch(Document):
    """One start of a batch; times are in seconds since the epoch."""

    started_at: float
    due_at: float
    batch_id: str
    ingestion_id: str
    position: int
    attempt: int
    priority: Priority
    rank: float
    order: int
    limited_by: str
    wait: float
    owner: str | None = None
    rode_with: str | None = None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Dispatches(Document):
    """The latest dispatches, and the limit they were made under."""

    interval: float
    burst: int
    dispatches: tuple[Dispatch, ...]
    limits: tuple[str, ...] = ()
    fair: dict[str, int] | None = None
    changed: bool = False
    rate_since: float = 0.0
    order_since: float = 0.0


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Entry(Document):
    """One entry of the audit log. `subject` is an ingestion's id, or empty for the queue."""

    number: int
    at: datetime
    by: str | None
    action: str
    subject: str
    before: Any
    after: Any


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Audit(Document):
    """A page of the audit log, newest first."""

    entries: tuple[Entry, ...]
    next_cursor: str | None
