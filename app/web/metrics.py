"""The metrics for Prometheus. Needs prometheus-client, the extra `metrics`.

Counters and histograms count what this process did, from its signals; gauges are read from the store at each scrape,
so every process that shares it reports the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from .. import errors, signals
from ..assembly import Collector
from ..callbacks import Courier, Unsent
from ..core import Batch, Ingestion, Priority, Stats, Timing
from ..errors import StoreUnavailable
from ..keys import Role
from ..service import Service
from .auth import needs
from .body import MalformedJSON
from .problems import problem

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
_STORE_UP = "Whether the store can be reached, and took the latest change."
_OUTCOMES = ("completed", "failed", "cancelled")


class Metrics:
    """The metrics of one instance, in a registry of their own. Raises ModuleNotFoundError without prometheus-client."""

    def __init__(self, service: Service) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

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

        self.registry.register(_Gauges(service))
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


class _Gauges:
    """Reads the gauges at each scrape: a collector of prometheus-client."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        service = self._service
        if (state := service.worker.state) != "off":
            yield self._gauge("worker_up", "Whether the worker of this process dispatches.", state == "running")
            about = "Threads of this process that were given up after PROCESS_TIMEOUT and still hang."
            yield self._gauge("abandoned_threads", about, service.worker.abandoned)
        try:
            stats, dispatches, workers = service.stats(), service.store.dispatches(1), service.workers()
            unsent = service.store.outbox.unsent() if service.courier else None
        except StoreUnavailable:
            yield self._gauge("store_up", _STORE_UP, 0)
            return
        yield self._gauge("store_up", _STORE_UP, service.store.trouble is None)
        yield from self._queue(stats)
        yield self._gauge("workers", "Workers that reported within a lease, of all processes.", len(workers))
        yield self._gauge("slots", "Batches that may run at once, in all of them.", sum(one.slots for one in workers))
        if dispatches:
            about = "When the latest batch started."
            yield self._gauge("last_dispatch_timestamp_seconds", about, dispatches[-1].started_at)
        if service.courier and unsent:
            yield from self._callbacks(service.courier, unsent)
        if service.settings.fresh is not None:
            yield self._counter("served_ids", "Ids that got their answer without a call.", service.store.served.ids)
            about = "Batches that ended without a call."
            yield self._counter("served_batches", about, service.store.served.batches)

    def _callbacks(self, courier: Courier, unsent: Unsent) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily

        about = "Callbacks that are over, by outcome."
        counted = CounterMetricFamily("ingestion_callbacks", about, labels=["queue", "outcome"])
        for outcome, number in (("sent", courier.sent), ("failed", courier.failed)):
            counted.add_metric([self._service.name, outcome], number)
        yield counted
        about = "Callbacks that are still to be sent, or have failed for good and can be redriven."
        yield self._gauge("unsent_callbacks", about, unsent._asdict(), "state")

    def _queue(self, stats: Stats) -> Iterator[Metric]:
        settings = self._service.settings
        about = "Seconds between two starts in the long run, by the rate in force; 0 without a limit."
        yield self._gauge("interval_seconds", about, stats.rates.steady_interval(settings, stats.pace))
        about = "The same by the rate that is configured, to which a reset goes back."
        yield self._gauge("configured_interval_seconds", about, settings.steady_interval)
        yield self._gauge("paused", "Whether the queue is paused.", stats.paused)
        yield self._gauge(
            "paused_priority",
            "Whether a priority is paused apart from the queue.",
            {priority.name: priority in stats.pauses.priorities for priority in Priority},
        )
        yield self._gauge("paused_callers", "Callers that are paused.", len(stats.pauses.owners))
        yield self._gauge(
            "parked_batches",
            "Waiting batches that do not start because their priority or caller is paused.",
            {priority.name: stats.depths[priority].parked for priority in Priority},
        )
        if stats.limits:
            about = "Tokens available, by each of several limits."
            yield self._gauge("limit_tokens", about, {one.limit: one.tokens for one in stats.limits}, "limit")
        about = "Seconds per start after the upstream refused; 0 at the configured rate."
        yield self._gauge("slowed_to_seconds", about, stats.pace)
        held = max(0.0, (stats.hold_until or 0.0) - stats.now)
        yield self._gauge("upstream_hold_remaining_seconds", "For how long the upstream still wants quiet.", held)
        yield self._gauge("running_batches", "Batches in process; those that share a call count once.", stats.running)
        yield self._gauge(
            "waiting_batches",
            "Batches that have yet to start, for the first time or again.",
            {priority.name: stats.depths[priority].waiting for priority in Priority},
        )
        yield self._gauge(
            "oldest_wait_seconds",
            "Age of the oldest ingestion with batches still waiting; 0 where nothing waits.",
            {priority.name: stats.now - (stats.depths[priority].oldest_at or stats.now) for priority in Priority},
        )
        yield self._gauge(
            "drain_seconds",
            "Time until everything waiting has ended, if nothing else arrives; absent while all of it is paused, or no "
            "worker is there.",
            {
                priority.name: max(0.0, (depth.drained_at or stats.now) - stats.now)
                for priority, depth in stats.depths.items()
                if not (stats.paused or stats.stalled) and (depth.drained_at or not depth.waiting)
            },
        )
        if stats.accuracy:
            about = "By how much the completions estimated at submission were off, over the latest ingestions."
            values = {"mean": stats.accuracy.mean, "p95": stats.accuracy.p95}
            yield self._gauge("estimate_error_seconds", about, values, "statistic")

    def _counter(self, what: str, about: str, value: int) -> Metric:
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(f"ingestion_{what}", about, labels=["queue"])
        family.add_metric([self._service.name], value)
        return family

    def _gauge(self, what: str, about: str, value: float | dict[str, float], label: str = "priority") -> Metric:
        from prometheus_client.core import GaugeMetricFamily

        labels = ["queue", label] if isinstance(value, dict) else ["queue"]
        family = GaugeMetricFamily(f"ingestion_{what}", about, labels=labels)
        for key, number in value.items() if isinstance(value, dict) else ((None, value),):
            family.add_metric([self._service.name] + ([key] if key else []), number)
        return family


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
