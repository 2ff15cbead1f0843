"""What a store tells of its queue, in figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .models import Priority


class Dispatch(NamedTuple):
    """One start of a batch. `rank`, `order`, `position` is its place in the queue; times are epoch seconds.

    `limited_by` is what came last of all it had to wait for: `arrival`, `retry`, `token`, `hold`, `paused` or `slots`.
    """

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


class Depth(NamedTuple):
    """What waits at one priority: batches, since when the oldest ingestion waits, when the last one should start."""

    waiting: int = 0
    oldest_at: float | None = None
    drained_at: float | None = None


class Accuracy(NamedTuple):
    """By how many seconds the completions estimated at submission were off, over the latest ingestions that ended."""

    ingestions: int
    mean: float
    p95: float


class Stats(NamedTuple):
    """The state of the whole queue. Times are epoch seconds.

    `failed` counts the failed batches of all ingestions remembered. `next_retry_at` is when the first of those that
    wait for another attempt is due; None where none does.
    """

    now: float
    paused: bool
    hold_until: float | None
    waiting_on: str | None
    tokens: int
    next_token_at: float
    running: int
    service_seconds: float
    depths: Mapping[Priority, Depth]
    accuracy: Accuracy | None
    failed: int = 0
    next_retry_at: float | None = None


class Quote(NamedTuple):
    """When a request would start and end at one priority, in epoch seconds; None while the queue is paused."""

    batches_ahead: int
    start: float | None
    completion: float | None
