"""What a queue reports about itself, in figures."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from ..config import Settings
from .concurrency import Concurrency
from .gate import Gate, Waiting, WaitReason
from .limiter import Level
from .models import Claim, Priority
from .pauses import Pauses
from .rates import Rates
from .rules import is_stuck, room_of

_HOLD_ALL = ("hold", "answer", "connections", "slots", "token")
"""What holds whatever is in line."""

HOLDS = ("worker", "store", "paused", "paused_priority", "paused_owner", *_HOLD_ALL, "line")
"""What a batch that has yet to start may wait for."""


class Dispatch(NamedTuple):
    """One start of a batch. `rank`, `order`, `position` is its place in the queue; times are epoch seconds.

    `limited_by` names the last condition it waited for: `arrival`, `retry`, `token`, `hold`, `paused` or `slots`.
    `owner` is its ingestion's. `rode_with` is the id of the batch whose token and call it shared, None where it took a
    token of its own.
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
    owner: str | None = None
    rode_with: str | None = None


class Depth(NamedTuple):
    """The backlog of one priority: how many batches wait, since when, and when the last should end.

    `parked` of them are not in line, because they or their callers are paused; the times are those of the others. With
    PRIORITY_AGING `drained_at` is when all that goes before a new one should end.
    """

    waiting: int
    oldest_at: float | None
    drained_at: float | None
    parked: int


class CallerDepth(NamedTuple):
    """What a caller has waiting at one priority; `name` is None for what is nobody's.

    `parked` of its `waiting` batches are not in line; `oldest_at` says since when the others wait, None where all are.
    """

    name: str | None
    priority: Priority
    waiting: int
    oldest_at: float | None
    parked: int

    @staticmethod
    def longest(
        lined: Mapping[tuple[Priority, str], tuple[int, float]], parked: Mapping[tuple[Priority, str], int], limit: int
    ) -> list[CallerDepth]:
        """Returns the callers that wait longest in line, the longest first, then those of which all is parked.

        `lined` has how many batches of each at a priority are in line and since when, `parked` how many are not.
        """

        waits = [(oldest_at, *of) for of, (_, oldest_at) in lined.items()]
        waits += [(math.inf, *of) for of in parked.keys() - lined.keys()]
        found = []
        for _, priority, name in heapq.nsmallest(limit, waits):
            out, (count, oldest_at) = parked.get((priority, name), 0), lined.get((priority, name), (0, None))
            found.append(CallerDepth(name or None, priority, count + out, oldest_at, out))
        return found


class Accuracy(NamedTuple):
    """By how many seconds the completion estimates made at submission were off, over the latest ended ingestions."""

    ingestions: int
    mean: float
    p95: float


class Stats(NamedTuple):
    """The state of the whole queue. Times are epoch seconds.

    `failed` counts the failed batches of all ingestions remembered. `next_retry_at` is when the first retry is due;
    None if there is none. `limits` holds how each stands, where there are several; `pace` is the seconds per start to
    which refusals of the upstream lead, 0 where there are none. An operator changed `rates`, `pauses` apart from the
    whole, and `concurrency`; `order_since` is when what is in line last changed places, because some of it was moved or
    resumed, or because of another setting. `stalled` says that no worker can start anything, which a store alone cannot
    tell; where something waits, it waits on the `worker`, or on the `store`.
    """

    now: float
    paused: bool
    hold_until: float | None
    waiting_on: WaitReason | None
    tokens: int
    next_token_at: float
    running: int
    service_seconds: float
    depths: Mapping[Priority, Depth]
    accuracy: Accuracy | None
    failed: int
    next_retry_at: float | None
    limits: Sequence[Level]
    pace: float
    rates: Rates
    pauses: Pauses
    concurrency: Concurrency
    order_since: float
    stalled: bool = False

    @property
    def waiting(self) -> int:
        """How many batches wait, at all priorities."""
        return sum(depth.waiting for depth in self.depths.values())

    @property
    def binding_limit(self) -> str | None:
        """The one of several limits whose next token arrives last, None while each has one."""
        latest = max(self.limits, key=lambda level: level.next_at, default=None)
        return latest.limit if latest and latest.next_at > self.now else None

    def holds(self, priority: Priority, owner: str | None) -> str:
        """Returns what a batch that has yet to start waits for now, given its ingestion's priority and owner.

        That is `waiting_on`, but `paused_priority` or `paused_owner` where only these are paused, and `line` where
        something may start.
        """
        if self.stalled:
            return "store" if self.waiting_on == "store" else "worker"
        if self.paused:
            return "paused"
        if priority in self.pauses.priorities:
            return "paused_priority"
        if owner in self.pauses.owners:
            return "paused_owner"
        if self.waiting_on == "retry":
            return "answer"  # It waits for no retry, so it would be due, were others not asking its ids.
        return self.waiting_on if self.waiting_on in _HOLD_ALL else "line"

    def without(self, what: Literal["worker", "store"]) -> Stats:
        """Returns the state of a queue of which nothing can start, for want of a worker or of a store to write to."""
        return self._replace(stalled=True, waiting_on="empty" if self.waiting_on == "empty" else what)

    @classmethod
    def of(
        cls,
        gate: Gate,
        settings: Settings,
        now: float,
        *,
        first_due: float | None,
        slots: int,
        waiting: Waiting,
        running: int,
        service: float,
        depths: Mapping[Priority, Depth],
        accuracy: Accuracy | None,
        failed: int,
        next_retry_at: float | None,
    ) -> Stats:
        """Returns the state of a queue whose first waiting batch is due at `first_due` (None: nothing waits)."""
        free, room = max(0, slots - running), room_of(settings, running)
        wait = gate.wait(now, due=first_due, slots=free, room=room, waiting=waiting)
        return cls(
            now,
            gate.paused,
            gate.hold_until if gate.hold_until > now else None,
            wait.reason if wait else None,
            gate.limiter.tokens(now),
            gate.limiter.when(0, now),
            running,
            service,
            depths,
            accuracy,
            failed,
            next_retry_at,
            gate.limiter.levels(now),
            gate.slowed_to(settings, now),
            gate.rates,
            gate.pauses,
            gate.concurrency,
            gate.order_since,
        )


class Estimate(NamedTuple):
    """What an unfinished ingestion can expect if nothing else arrives.

    `start` is that of the next batch to be dispatched. `next_change` is the soonest moment at which its status can
    change: at any time while one of its batches runs, else when the next one can start. All in seconds since the epoch,
    None while the queue, its priority or its caller is paused. `at_latest` says that it may be sooner, but not later.
    """

    batches_ahead: int
    start: float | None
    completion: float | None
    next_change: float | None
    at_latest: bool = False


class Quote(NamedTuple):
    """When a request would start and end at one priority, in epoch seconds; None while that is paused.

    `at_latest` says that it may be sooner, but not later.
    """

    batches_ahead: int
    start: float | None
    completion: float | None
    at_latest: bool = False


class WorkerReport(NamedTuple):
    """A worker as it last reported: `busy` of its `slots` run a batch, and `abandoned` processor calls hang.

    It reports as many slots as are configured, and the store tells how many are in force. The store sets `started_at`
    and `seen_at`, in epoch seconds.
    """

    id: str
    host: str
    process: int
    version: str
    slots: int
    busy: int
    abandoned: int
    started_at: float = 0.0
    seen_at: float = 0.0

    @property
    def is_stuck(self) -> bool:
        """Whether so many calls hang that it starts no more."""
        return is_stuck(self.abandoned, self.slots)


class Run(NamedTuple):
    """A batch in process since `started_at` (epoch seconds); `worker` is the id of the one that runs it, if known."""

    worker: str | None
    batch_id: str
    ingestion_id: str
    attempt: int
    started_at: float


class Timing(NamedTuple):
    """How long an attempt took and how late it started, in seconds."""

    duration: float
    wait: float

    @classmethod
    def of(cls, claim: Claim, started_at: float, now: float) -> Timing:
        """Returns the timing of an attempt that ends now; never negative, even if the times come from two clocks."""
        took, late = now - started_at, started_at - claim.due_at
        return cls(took if took > 0 else 0.0, late if late > 0 else 0.0)
