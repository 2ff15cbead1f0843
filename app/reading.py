"""What a store says when it is asked, which changes nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from .core import (
    ALL_FAILURES,
    ANY,
    Attempt,
    Audit,
    Batch,
    BatchError,
    Batches,
    CallerDepth,
    Dispatch,
    Estimate,
    Failure,
    FailureFilter,
    Filter,
    Id,
    Ingestion,
    Minute,
    Priority,
    Quote,
    Run,
    Stats,
    Status,
    WorkerReport,
)


class Reading(ABC):
    """What is known of the ingestions, and of the queue as a whole."""

    @abstractmethod
    def get(self, ingestion_id: str) -> Ingestion:
        """Returns the ingestion."""

    @abstractmethod
    def batches(
        self, ingestion_id: str, offset: int = 0, limit: int | None = None, *, only: Status | None = None
    ) -> tuple[Ingestion, Batches]:
        """Returns the ingestion and at most `limit` of its batches from `offset`, both of the same moment.

        With `only`, of its batches in that status.
        """

    @abstractmethod
    def status(
        self, ingestion_id: str, offset: int = 0, limit: int | None = None, *, only: Status | None = None
    ) -> tuple[Ingestion, Estimate | None, Batches]:
        """Returns the same, with the ingestion's estimate, which is None once it has ended."""

    @abstractmethod
    def results(self, ingestion_id: str, *, failed: bool = False) -> Iterator[tuple[Id, str | BatchError]]:
        """Yields each id that was answered with its data as JSON text, in the ingestion's order.

        With `failed`, each id that failed for good too, with its error.
        """

    @abstractmethod
    def attempts(
        self, ingestion_id: str, offset: int = 0, limit: int | None = None
    ) -> tuple[Ingestion, float | None, list[Attempt]]:
        """Returns the attempts at `limit` of an ingestion's batches from `offset`, by position, then in their order.

        Beside them the ingestion, and its completion as estimated at submission; None if it was not, as while paused,
        and if it was redriven after its end. At most `ATTEMPTS_KEPT` of each batch are kept.
        """

    @abstractmethod
    def ingestions(self, where: Filter = ANY, *, before: int | None = None, limit: int = 50) -> list[Ingestion]:
        """Returns ingestions newest first, those with `order` below `before`; the last page has fewer than `limit`.

        A filter by status or priority does not look at each ingestion, however rare what it takes is.
        """

    @abstractmethod
    def count(self, where: Filter = ANY, *, most: int) -> dict[Status, int]:
        """Returns how many of the ingestions that a filter takes by all but status and `unfinished` are in each status.

        Counts to `most` in each; with an owner or `failed`, a database looks at the latest 10 times `most` only.
        """

    @abstractmethod
    def failures(self, where: FailureFilter = ALL_FAILURES, *, ids: bool = False) -> Iterator[Failure]:
        """Yields the batches that failed for good, the latest first, each as it is when it is reached.

        With `ids`, each with its ids that failed. A database reads it in pages, by an index.
        """

    @abstractmethod
    def find(self, prefix: str, *, owner: str | None = None, limit: int = 2) -> list[Ingestion]:
        """Returns at most `limit` ingestions, an `owner`'s if given, whose id begins with `prefix`."""

    @abstractmethod
    def quote(self, count: int, owner: str | None = None) -> dict[Priority, Quote]:
        """Returns when an owner's submission of `count` batches would start and end at each priority."""

    @abstractmethod
    def audits(self, limit: int, before: int | None = None) -> list[Audit]:
        """Returns the latest entries of the audit log, newest first; those with `number` below `before`."""

    @abstractmethod
    def stats(self) -> Stats:
        """Returns the state of the whole queue."""

    @abstractmethod
    def upcoming(self, limit: int, *, owner: str | None = None) -> list[tuple[Batch, float | None]]:
        """Returns the next `limit` batches in the order they will start, each with its start (None while paused).

        With an `owner`, only those among them that belong to its ingestions.
        """

    @abstractmethod
    def callers(self, limit: int, *, owner: str | None = None) -> list[CallerDepth]:
        """Returns what each caller has waiting at each priority, of those that wait longest first.

        With an `owner`, only its own. Empty where callers take no turns.
        """

    @abstractmethod
    def workers(self) -> list[WorkerReport]:
        """Returns the workers that reported within a lease, the longest running first."""

    @abstractmethod
    def runs(self, limit: int) -> list[Run]:
        """Returns the batches in process, the longest running first."""

    @abstractmethod
    def dispatches(self, limit: int) -> list[Dispatch]:
        """Returns the latest dispatches, oldest first."""

    @abstractmethod
    def minutes(self) -> dict[int, Minute]:
        """Returns figures of the last hour by minutes since the epoch, of those in which something happened.

        A start is that of a call, whatever rides in it.
        """
