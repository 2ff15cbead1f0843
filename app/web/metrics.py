"""The metrics for Prometheus. Needs prometheus-client, the extra `metrics`.

Counters and histograms count what this process did, from its signals.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from .. import errors, signals
from ..assembly import Collector
from ..core import Batch, Ingestion, Priority, Timing
from ..keys import Role
from ..service import Service
from .body import MalformedJSON
from .gauges import Gauges
from .problems import problem
from .requirements import needs

if TYPE_CHECKING:
    from prometheus_client import Metric

_WAITS = (0.01, 0.1, 1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400)
"""Upper bounds in seconds of the buckets for how late a batch starts: from at once to a day."""

_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

_REASONS: dict[type[errors.IngestError], str] = {
    MalformedJSON: "malformed",
    errors.InvalidRequest: "invalid",
    errors.KeyReused: "key_reused",
    errors.KeyInUse: "key_in_use",
    errors.TooLate: "deadline",
    errors.QuotaFull: "quota",
    errors.BacklogFull: "backlog",
    errors.StoreUnavailable: "store",
}
_HTTP_REASONS = {413: "too_large", 415: "media_type"}
_OUTCOMES = ("completed", "failed", "cancelled")


class Metrics:
    """The metrics of one instance, in a registry of their own. Raises ModuleNotFoundError without prometheus-client."""

    def __init__(self, service: Service) -> None:
        # From there, because scrapes need it too, and the process may have no file to spare by then.
        from prometheus_client.core import CollectorRegistry, Counter, Histogram

        self.registry = CollectorRegistry()
        name = service.name

        def counter(what: str, about: str, *labels: str) -> Counter:
            return Counter(f"ingestion_{what}", about, ["queue", *labels], registry=self.registry)

        def histogram(what: str, about: str, buckets: tuple[float, ...], label: str) -> Histogram:
            labels = ["queue", label]
            return Histogram(f"ingestion_{what}", about, labels, registry=self.registry, buckets=buckets)

        submissions = counter("submissions", "Submissions accepted.", "priority")
        ids = counter("submitted_ids", "Ids in the submissions accepted.", "priority")
        rejections = counter("rejections", "Submissions refused, by reason.", "reason")
        batches = counter("batches", "Batches that ended, by outcome.", "priority", "outcome")
        retries = counter("retries", "Attempts that failed and are followed by another.", "priority")
        holds = counter("upstream_holds", "Times that the upstream asked for quiet.")
        wait = histogram(
            "batch_wait_seconds", "From when a batch was due to the start of an attempt that ended.", _WAITS, "priority"
        )
        took = histogram("batch_duration_seconds", "From an attempt's start to its outcome.", _DURATIONS, "outcome")

        # Made beforehand, so that each series starts at 0.
        self._submissions = {priority: submissions.labels(name, priority.name) for priority in Priority}
        self._ids = {priority: ids.labels(name, priority.name) for priority in Priority}
        reasons = sorted({*_REASONS.values(), *_HTTP_REASONS.values()})
        self._rejections = {reason: rejections.labels(name, reason) for reason in reasons}
        self._outcomes = {
            (priority, outcome): batches.labels(name, priority.name, outcome)
            for priority, outcome in itertools.product(Priority, _OUTCOMES)
        }
        self._outcomes |= {(priority, "retried"): retries.labels(name, priority.name) for priority in Priority}
        self._holds = holds.labels(name)
        self._wait = {priority: wait.labels(name, priority.name) for priority in Priority}
        self._took = {outcome: took.labels(name, outcome) for outcome in ("completed", "failed", "retried")}

        self.registry.register(Gauges(service))
        for signal, receiver in (
            (signals.ingestion_accepted, self._accepted),
            (signals.ingestion_refused, self._refused),
            (signals.ingestion_finished, self._finished),
            (signals.batch_completed, partial(self._ended, "completed")),
            (signals.batch_retried, partial(self._ended, "retried")),
            (signals.batch_failed, partial(self._ended, "failed")),
            (signals.queue_held, self._held),
        ):
            service.emitter.observe(signal, receiver)

    def _accepted(self, ingestion: Ingestion) -> None:
        self._submissions[ingestion.priority].inc()
        self._ids[ingestion.priority].inc(ingestion.id_count)

    def _refused(self, error: Exception) -> None:
        if isinstance(error, HTTPException):
            reason = _HTTP_REASONS.get(error.code or 0, "malformed")
        else:
            reason = next(_REASONS[kind] for kind in type(error).__mro__ if kind in _REASONS)
        self._rejections[reason].inc()

    def _finished(self, ingestion: Ingestion) -> None:
        if ingestion.counts.cancelled:
            self._outcomes[ingestion.priority, "cancelled"].inc(ingestion.counts.cancelled)

    def _ended(self, outcome: str, batch: Batch, attempt: Timing, **_: Any) -> None:
        self._outcomes[batch.priority, outcome].inc()
        if outcome == "retried" or batch.started_at is not None:  # else it needed no call
            self._took[outcome].observe(attempt.duration)
            self._wait[batch.priority].observe(attempt.wait)

    def _held(self, **_: Any) -> None:
        self._holds.inc()


def add_metrics(blueprint: Blueprint, service: Service) -> None:
    """Add the route for Prometheus; it answers 501 without the extra."""
    try:
        service.collector = Metrics(service).registry
    except ModuleNotFoundError as error:
        if error.name != "prometheus_client":
            raise

    @blueprint.get("/metrics", endpoint="metrics")
    @needs(Role.READ)
    def scrape() -> Response:
        return exposed([service])


def exposed(services: Sequence[Service]) -> Response:
    """Returns the metrics of some instances in the format that the current request asks for; 501 without the extra."""
    collectors = [service.collector for service in services if service.collector]
    if not collectors:
        return problem(501, "Metrics need prometheus-client: pip install 'Flask-Ingestion[metrics]'.")
    from prometheus_client.exposition import choose_encoder

    encode, media_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(_Union(collectors)), content_type=media_type)


class _Union:
    """The metrics of several instances, each family once: they differ in the label `queue`."""

    def __init__(self, collectors: Sequence[Collector]) -> None:
        self._collectors = collectors

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for collector in self._collectors:
            for family in collector.collect():
                known = families.setdefault(family.name, family)
                if known is not family:
                    known.samples += family.samples
        return families.values()
