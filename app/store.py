"""The one seam to state: queue, limiter and records, behind one interface.

One claim changes them together, so they belong together. `MemoryStore` keeps them in this process; a store that several
processes share does each of these calls in one transaction.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from .callbacks import Outbox
from .core import (
    WHOLE_QUEUE,
    Claim,
    Finder,
    Gate,
    Ids,
    Ingestion,
    Pauses,
    Priority,
    Rates,
    ServedLog,
    Steering,
    Sweeps,
    Wait,
    WorkerReport,
)
from .errors import StoreUnavailable
from .outcomes import Ended, Outcome
from .reading import Reading


class Submission(NamedTuple):
    """What a caller hands over.

    `key` makes it idempotent for its `owner`; `fingerprint` detects a different request under the same key, and `alias`
    is that of the same request in another spelling. A submission that cannot end by `deadline` (epoch seconds) is
    refused. `callback` is the URL that its end is sent to; without one, that is WEBHOOK_URL. `fresh` is what counts
    instead of FRESH, in seconds.
    """

    ids: Ids
    priority: Priority
    owner: str | None = None
    key: str | None = None
    fingerprint: str = ""
    deadline: float | None = None
    callback: str | None = None
    fresh: float | None = None
    alias: str | None = None

    def repeats(self, fingerprint: str) -> bool:
        """Returns whether it asks for the same as the submission of which this is kept."""
        return fingerprint in (self.fingerprint, self.alias)


class Store(Reading):
    """Thread-safe. Every call may raise StoreUnavailable; those that take an id raise UnknownIngestion."""

    durable = False
    """Whether its contents survive the process."""

    groups = False
    """Whether it serves concurrent calls together; otherwise each waits for the one before it."""

    outbox: Outbox
    """The callbacks; one is added in the step in which an ingestion ends, where it has a receiver."""

    sweeps: Sweeps
    """The sweeps: redrives and cancels of all that match."""

    finder: Finder
    """Where ids are."""

    served: ServedLog
    """What was answered from what is known; with FRESH, `add`, `claim` and `proceed` add to it."""

    @abstractmethod
    def add(self, submission: Submission) -> tuple[Ingestion, bool]:
        """Accept a submission; returns the ingestion and whether it is new (False: its key was used before).

        With FRESH, its first batches are completed if all their ids are known, up to the first that is to be asked. An
        owner has at most `KEY_QUOTA` ids waiting, in batches that wait for their first or next attempt. Raises
        KeyReused, QuotaFull, BacklogFull or TooLate, and stores nothing then.
        """

    @abstractmethod
    def claim(self, limit: int, *, was_full: bool = False) -> list[Claim] | Wait:
        """Take tokens and the most urgent due batches, up to `limit`, in one step; returns the claims, or what to wait
        for.

        With FILL, each takes along what fits into its call. With FRESH, batches that come up and are known end without
        a token, and those with an id in process await its outcome. `was_full` says, for the dispatch log, that the
        caller had no free slot until now.
        """

    @abstractmethod
    def renew(self, claims: Sequence[Claim]) -> None:
        """Extend the leases of these claims: the heartbeat. Some may be where it raises StoreUnavailable."""

    @abstractmethod
    def recover(self) -> list[tuple[Claim, Ingestion]]:
        """End claims whose lease ran out, by `Outcome.lost`; returns each with its ingestion, none once all have ended.

        Both the batch and the ingestion are as they stand afterwards. They are few enough that nobody waits for it.
        """

    @abstractmethod
    def end(self, claim: Claim, outcome: Outcome) -> Ended | None:
        """End a claim; returns what that led to, or None if the claim was lost, which changes nothing.

        A call that raised StoreUnavailable may be repeated: an outcome that was recorded after all is recognised.
        """

    @abstractmethod
    def end_together(self, ended: Sequence[tuple[Claim, Outcome]]) -> list[Ended | None]:
        """`end` claims in one step, each by its own outcome."""

    @abstractmethod
    def proceed(
        self, claim: Claim, outcome: Outcome, *, was_full: bool = False
    ) -> tuple[Ended | None, list[Claim] | Wait]:
        """`end` a claim and `claim` one batch in one step; in SQL this has 1.5 to 1.7 times the batches/s."""

    @abstractmethod
    def hold(self, seconds: float) -> None:
        """Start nothing for `seconds`; never shortens a hold."""

    @abstractmethod
    def slow_down(self, claim: Claim) -> float | None:
        """Halve the rate, because the upstream refused a claimed batch; returns the seconds per start from now on.

        The rate rises again step by step, never above what is configured. None if the batch started before the latest
        slow-down, which then counts for both.
        """

    @abstractmethod
    def report(self, worker: WorkerReport) -> int:
        """Record that a worker is alive, until a lease passes without a report; returns how many slots it has.

        It reports those that are configured. The store sets its times.
        """

    @abstractmethod
    def leave(self, worker_id: str) -> None:
        """Forget a worker."""

    @abstractmethod
    def cancel(self, ingestion_id: str, by: str | None = None) -> tuple[Ingestion, bool]:
        """Cancel what has not started; returns the ingestion and whether this call, not an earlier one, cancelled it.

        Raises Conflict if the ingestion ended in another way.
        """

    @abstractmethod
    def redrive(self, ingestion_id: str, by: str | None = None) -> Ingestion:
        """Start the failed batches over, at their rank. Raises Conflict if none failed, or on a cancelled ingestion."""

    @abstractmethod
    def move(self, ingestion_id: str, priority: Priority, by: str | None = None) -> Ingestion:
        """Move the waiting batches of an ingestion, its retries too, to another priority, in its creation order.

        What runs ends as usual. Raises Conflict if the ingestion has ended or was cancelled.
        """

    @abstractmethod
    def steer(self, action: str, steering: Steering, by: str | None) -> bool:
        """Change the gate, for all processes and until it is changed again; returns whether anything differs.

        What `by` (a caller's name) changed is in the audit log, as are its cancels and redrives.
        """

    def pause(self, by: str | None = None, what: Pauses = WHOLE_QUEUE) -> None:
        """Start nothing, or nothing of some priorities and callers, until `resume`; submissions are still accepted.

        Returns once what waits of them is parked; in a database that takes a turn for each 100 ingestions.
        """
        self.steer("pause", lambda gate, *_: gate.pause(what), by)

    def resume(self, by: str | None = None, what: Pauses = WHOLE_QUEUE) -> None:
        """End a pause of the queue, or of some priorities and callers."""
        self.steer("resume", lambda gate, _, now: gate.resume(now, what), by)

    def end_hold(self, by: str | None = None) -> bool:
        """End a hold; returns whether there was one."""
        return self.steer("end_hold", lambda gate, _, now: gate.end_hold(now), by)

    def change_rates(self, rates: Rates, by: str | None = None) -> None:
        """Go by these rates; `Rates()` goes back to what is configured."""
        self.steer("change_rates", lambda gate, settings, now: gate.change_rates(settings, rates, now), by)

    def change_concurrency(self, name: str | None, count: int | None, by: str | None = None) -> None:
        """Have each process, or the worker or host of a name, run so many batches at once, None: as configured.

        Without both, all are as configured.
        """
        workers = self.workers()

        def change(gate: Gate, *_: Any) -> None:
            gate.concurrency = gate.concurrency.change(name, count, workers)

        self.steer("change_concurrency", change, by)

    @abstractmethod
    def prune(self) -> Iterator[int]:
        """Forget ingestions that ended more than `RETENTION` seconds ago, a few in each step; yields how many.

        Also forgets callbacks, as the outbox does, and completes a pause or a resume that was interrupted.
        """

    @property
    def trouble(self) -> StoreUnavailable | None:
        """Why this process could change nothing when it last tried, None where it could.

        What is kept may still be read then, as on a full disk.
        """
        return None

    @abstractmethod
    def ping(self) -> None:
        """Raise StoreUnavailable if the store cannot be reached, or takes no changes."""

    @abstractmethod
    def close(self) -> None:
        """Release what the store holds open."""


@runtime_checkable
class Forkable(Protocol):
    """A store that must be idle while its process forks."""

    def before_fork(self) -> None:
        """Finish calls in progress and start nothing new."""

    def after_fork_in_parent(self) -> None:
        """Continue."""

    def disown(self) -> None:
        """In the forked child: drop the parent's resources without closing them."""
