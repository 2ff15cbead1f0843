"""The one seam to state: queue, limiter and records, behind one interface.

They change together in one claim, so they sit together. `MemoryStore` keeps them in this process; a store that several
processes share does each of these calls in one transaction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .core import Batch, BatchError, Batches, Dispatch, Estimate, Ingestion, Priority, Quote, Stats, Status


class Submission(NamedTuple):
    """What a caller hands over. `key` makes it idempotent for its `owner`; `fingerprint` tells its requests apart.

    `deadline` is the moment (epoch seconds) by which it must be able to end, or be refused.
    """

    ids: array[int]
    priority: Priority
    owner: str | None = None
    key: str | None = None
    fingerprint: str = ""
    deadline: float | None = None


class Wait(NamedTuple):
    """Why nothing could be claimed, and in how many seconds it is worth another try (None: when something changes).

    `reason` is one of `paused`, `hold`, `empty`, `retry`, `slots` and `token`.
    """

    seconds: float | None
    reason: str


class Store(ABC):
    """Thread-safe. Every call may raise StoreUnavailable; those that take an id raise UnknownIngestion.

    `durable` says whether what it holds outlives the process, `shares` whether calls that come together gain from that:
    else they only wait for one another.
    """

    durable: bool
    shares: bool

    # -- accepting and telling --

    @abstractmethod
    def add(self, submission: Submission) -> tuple[Ingestion, bool]:
        """Accept a submission; the ingestion, and whether it is new (False: the key had it accepted before).

        An owner has at most `KEY_QUOTA` ids waiting, those in batches that have yet to start or go again. Raises
        KeyReused, QuotaFull, BacklogFull or TooLate, and then nothing is kept.
        """

    @abstractmethod
    def get(self, ingestion_id: str) -> Ingestion:
        """The ingestion as it stands."""

    @abstractmethod
    def batches(self, ingestion_id: str, offset: int = 0, limit: int | None = None) -> tuple[Ingestion, Batches]:
        """The ingestion and its batches from `offset`, `limit` at most, both of the same moment."""

    @abstractmethod
    def status(
        self, ingestion_id: str, offset: int = 0, limit: int | None = None
    ) -> tuple[Ingestion, Estimate | None, Batches]:
        """The same, with its estimate; None once it is finished."""

    @abstractmethod
    def results(self, ingestion_id: str) -> Iterator[tuple[int, str]]:
        """Each id of the completed batches with its data as JSON text, in the ingestion's order."""

    @abstractmethod
    def ingestions(
        self,
        *,
        status: Status | None = None,
        priority: Priority | None = None,
        owner: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Ingestion]:
        """Newest first, those with `order` below `before`; fewer than `limit` means there are no more."""

    @abstractmethod
    def estimate(self, ingestion_id: str) -> Estimate | None:
        """What the ingestion can expect; None once it is finished."""

    @abstractmethod
    def quote(self, count: int) -> dict[Priority, Quote]:
        """When a submission of `count` batches would start and end at each priority."""

    # -- dispatching --

    @abstractmethod
    def claim(self, limit: int, *, was_full: bool = False) -> list[Batch] | Wait:
        """Take tokens AND the most urgent due batches, up to `limit`, in one step; else say what to wait for.

        `was_full` says that the caller had no free slot until now, for the dispatch log.
        """

    @abstractmethod
    def renew(self, batches: Sequence[Batch]) -> None:
        """The heartbeat: extend the leases of these claims."""

    @abstractmethod
    def recover(self) -> list[tuple[Batch, Ingestion]]:
        """Put back every batch whose lease ran out, or fail it after its last attempt; these, each with its ingestion.

        A batch is as it stands afterwards, with its claim's times.
        """

    @abstractmethod
    def ack(self, batch: Batch, results: Sequence[str]) -> Ingestion | None:
        """The claim ended well: `results` is JSON text for each of its ids, empty for null.

        Like the calls below, returns the ingestion afterwards, or None where the claim was lost and nothing changed.
        """

    def proceed(
        self, batch: Batch, results: Sequence[str], *, was_full: bool = False
    ) -> tuple[Ingestion | None, list[Batch] | Wait]:
        """`ack`, and `claim` one batch in its place."""
        return self.ack(batch, results), self.claim(1, was_full=was_full)

    @abstractmethod
    def retry(self, batch: Batch, error: BatchError, delay: float) -> Ingestion | None:
        """The attempt failed: wait `delay` seconds and go again, at the same rank."""

    @abstractmethod
    def bury(self, batch: Batch, error: BatchError) -> Ingestion | None:
        """The batch failed for good."""

    @abstractmethod
    def release(self, batch: Batch) -> Ingestion | None:
        """Put the batch back untouched: this attempt is not counted."""

    @abstractmethod
    def hold(self, seconds: float) -> None:
        """Let nothing start for so many seconds; never shortens a hold."""

    # -- controlling --

    @abstractmethod
    def cancel(self, ingestion_id: str) -> tuple[Ingestion, bool]:
        """Never start what has not started; the ingestion, and whether this call cancelled it (False: an earlier one).

        Raises Conflict where it finished otherwise.
        """

    @abstractmethod
    def redrive(self, ingestion_id: str) -> Ingestion:
        """Start its failed batches over, at its rank. Raises Conflict where none failed, or it was cancelled."""

    @abstractmethod
    def pause(self) -> None:
        """Dispatch nothing until `resume`, and accept everything."""

    @abstractmethod
    def resume(self) -> None:
        """End a pause."""

    # -- looking on --

    @abstractmethod
    def stats(self) -> Stats:
        """The state of the whole queue."""

    @abstractmethod
    def upcoming(self, limit: int) -> list[tuple[Batch, float | None]]:
        """The next batches in true order, each with the time it should start (None while paused)."""

    @abstractmethod
    def dispatches(self, limit: int) -> list[Dispatch]:
        """The latest dispatches, oldest first."""

    @abstractmethod
    def prune(self) -> int:
        """Forget what ended more than `RETENTION` seconds ago; how many ingestions that were."""

    @abstractmethod
    def ping(self) -> None:
        """Raises StoreUnavailable where the store cannot be reached."""

    def before_fork(self) -> None:
        """The process is about to fork: be in the middle of nothing."""
        return

    def after_fork_in_parent(self) -> None:
        """It has forked: go on."""
        return

    def disown(self) -> None:
        """In a forked child: let go of what is the parent's, without closing it."""
        return

    @abstractmethod
    def close(self) -> None:
        """Give back what the store holds open."""
