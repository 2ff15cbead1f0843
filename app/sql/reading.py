"""What the store in a database says when it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ..core import (
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
from ..reading import Reading
from . import attempts, audits, catalog, depths, failures, forecast, minutes, reads, workers
from .instance import Instance, View
from .rows import IngestionRow


class SQLReading(Reading):
    """Each call is one snapshot."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def get(self, ingestion_id: str) -> Ingestion:
        return self._instance.read_one(ingestion_id, lambda _, row: row.snapshot())

    def batches(
        self, ingestion_id: str, offset: int = 0, limit: int | None = None, *, only: Status | None = None
    ) -> tuple[Ingestion, Batches]:
        def told(view: View, row: IngestionRow) -> tuple[Ingestion, Batches]:
            return row.snapshot(), reads.batches_of(view, row, offset, limit, only)

        return self._instance.read_one(ingestion_id, told)

    def status(
        self, ingestion_id: str, offset: int = 0, limit: int | None = None, *, only: Status | None = None
    ) -> tuple[Ingestion, Estimate | None, Batches]:
        def told(view: View, row: IngestionRow) -> tuple[Ingestion, Estimate | None, Batches]:
            estimate = forecast.estimate(view, row)
            return row.snapshot(), estimate, reads.batches_of(view, row, offset, limit, only)

        return self._instance.read_one(ingestion_id, told)

    def results(self, ingestion_id: str, *, failed: bool = False) -> Iterator[tuple[Id, str | BatchError]]:
        row = self._instance.read_one(ingestion_id, lambda _, row: row)
        return self._results(row, failed)

    def _results(self, row: IngestionRow, failed: bool) -> Iterator[tuple[Id, str | BatchError]]:
        for span in reads.spans(row):
            yield from self._instance.read_one(row.id, partial(reads.results_of, span=span, failed=failed))

    def attempts(
        self, ingestion_id: str, offset: int = 0, limit: int | None = None
    ) -> tuple[Ingestion, float | None, list[Attempt]]:
        def told(view: View, row: IngestionRow) -> tuple[Ingestion, float | None, list[Attempt]]:
            return row.snapshot(), row.estimated_completion, attempts.of(view, row, offset, limit)

        return self._instance.read_one(ingestion_id, told)

    def ingestions(self, where: Filter = ANY, *, before: int | None = None, limit: int = 50) -> list[Ingestion]:
        return self._instance.read(lambda view: catalog.listing(view, where, before, limit))

    def count(self, where: Filter = ANY, *, most: int) -> dict[Status, int]:
        return self._instance.read(lambda view: catalog.count(view, where, most))

    def failures(self, where: FailureFilter = ALL_FAILURES, *, ids: bool = False) -> Iterator[Failure]:
        # Whether the store can be reached must be known before the first is asked for.
        self._instance.look()
        return failures.of(self._instance, where, with_ids=ids)

    def find(self, prefix: str, *, owner: str | None = None, limit: int = 2) -> list[Ingestion]:
        return self._instance.read(lambda view: reads.find(view, prefix, owner, limit))

    def quote(self, count: int, owner: str | None = None) -> dict[Priority, Quote]:
        return self._instance.read(lambda view: forecast.quotes(view, count, owner))

    def audits(self, limit: int, before: int | None = None) -> list[Audit]:
        return self._instance.read(lambda view: audits.latest(view, limit, before))

    def stats(self) -> Stats:
        return self._instance.read(reads.stats)

    def upcoming(self, limit: int, *, owner: str | None = None) -> list[tuple[Batch, float | None]]:
        return self._instance.read(lambda view: forecast.upcoming(view, limit, owner))

    def callers(self, limit: int, *, owner: str | None = None) -> list[CallerDepth]:
        return self._instance.read(lambda view: depths.caller_depths(view, limit, owner))

    def workers(self) -> list[WorkerReport]:
        return self._instance.read(workers.present)

    def runs(self, limit: int) -> list[Run]:
        return self._instance.read(lambda view: workers.runs(view, limit))

    def dispatches(self, limit: int) -> list[Dispatch]:
        return self._instance.read(lambda view: reads.dispatched(view, min(limit, view.settings.dispatch_log)))

    def minutes(self) -> dict[int, Minute]:
        return self._instance.read(minutes.last_hour)
