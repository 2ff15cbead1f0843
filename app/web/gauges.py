"""The metrics that are read at each scrape: those of the store are the same in every process that shares it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..callbacks import Courier, Unsent
from ..core import Priority, Stats
from ..errors import StoreUnavailable
from ..service import Service

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

_STORE_UP = "Whether the store can be reached, and took the latest change."


class Gauges:
    """A collector of prometheus-client for one instance."""

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
        about = "Callbacks that are over, by outcome."
        yield self._counter("callbacks", about, {"sent": courier.sent, "failed": courier.failed}, "outcome")
        about = "Callbacks that are still to be sent, or have failed for good."
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

    def _counter(self, what: str, about: str, value: float | dict[str, float], label: str = "") -> Metric:
        from prometheus_client.core import CounterMetricFamily

        return self._family(CounterMetricFamily, what, about, value, label)

    def _gauge(self, what: str, about: str, value: float | dict[str, float], label: str = "priority") -> Metric:
        from prometheus_client.core import GaugeMetricFamily

        return self._family(GaugeMetricFamily, what, about, value, label)

    def _family(
        self,
        kind: type[CounterMetricFamily | GaugeMetricFamily],
        what: str,
        about: str,
        value: float | dict[str, float],
        label: str,
    ) -> Metric:
        """Returns a metric with one value, or with one for each key of a dict, which `label` then has."""
        labels = ["queue", label] if isinstance(value, dict) else ["queue"]
        family = kind(f"ingestion_{what}", about, labels=labels)
        for key, number in value.items() if isinstance(value, dict) else ((None, value),):
            family.add_metric([self._service.name] + ([key] if key else []), number)
        return family
