"""What the person on call must know first."""

from __future__ import annotations

from typing import Any

from ..config import Settings
from ..core import Stats, timestamp
from ..service import Service
from ..store import Store

_IN_A_ROW = 5
"""So many calls that failed one after the other are more than bad luck."""

_NEARLY = 0.9
"""The share of its limit from which on the backlog is worth a warning."""


def alerts(service: Service, stats: Stats) -> list[dict[str, Any]]:
    """Returns what is wrong, worst first: `level` (error or warning), `title`, `detail`, and `until` if known."""
    found = [
        *_store(service.store),
        *_worker(service, stats),
        *_failing(service),
        *_simulated(service),
        *_stopped(stats),
        *_backlog(service.settings, stats),
    ]
    return sorted(found, key=lambda one: one["level"] != "error")


def alert(level: str, title: str, detail: str, until: float | None = None) -> dict[str, Any]:
    """Returns one of them; `until` is in epoch seconds."""
    return {"level": level, "title": title, "detail": detail, "until": timestamp(until)}


def _store(store: Store) -> list[dict[str, Any]]:
    if not (trouble := store.trouble):
        return []
    detail = f"{trouble} Until that ends, this process refuses submissions and starts nothing; it goes on trying."
    return [alert("error", "The store takes no changes", detail)]


def _worker(service: Service, stats: Stats) -> list[dict[str, Any]]:
    worker, durable = service.worker.state, service.store.durable
    others = "" if stats.stalled else " Others dispatch."
    if worker == "dead":
        kept = "what waits is kept by the store" if durable else "what waits is in memory and goes with it"
        detail = f"This process no longer dispatches. Its log says why; restart it ({kept}).{others}"
        return [alert("error", "The worker is dead", detail)]
    if worker == "stuck":
        detail = "So many calls of the processor hang that this process starts no batches until one ends; restart it."
        return [alert("error", "The worker is stuck", detail + others)]
    if worker == "stopping":
        detail = f"Running batches may end; this process starts no more.{others}"
        return [alert("warning", "The worker is stopping", detail)]
    if stats.waiting_on == "store":  # another alert says so
        return []
    if stats.stalled and durable:
        detail = "Nothing starts until a process with a worker does; the store keeps what waits until then."
        return [alert("error", "No worker", detail)]
    if stats.stalled:
        return [alert("warning", "No worker in this process", "Nothing is dispatched.")]
    return []


def _failing(service: Service) -> list[dict[str, Any]]:
    calls, type_ = service.worker.failing
    if calls < _IN_A_ROW or service.worker.state == "stuck":  # that alert says more
        return []
    # Not by its message: everybody who may look is shown this.
    detail = f"Each call of this process, the last one with {type_}. The log says why."
    return [alert("error", f"The last {calls} calls failed", detail)]


def _simulated(service: Service) -> list[dict[str, Any]]:
    if not service.simulates:
        return []
    detail = "This process has no processor and no UPSTREAM_URL: ids count as completed, nothing is fetched or sent."
    return [alert("warning", "Work is only simulated", detail)]


def _stopped(stats: Stats) -> list[dict[str, Any]]:
    found = []
    if stats.paused:
        detail = "Nothing is dispatched until it is resumed; submissions are still accepted."
        found.append(alert("warning", "The queue is paused", detail))
    if names := ", ".join(priority.name for priority in sorted(stats.pauses.priorities)):
        detail = "Nothing of that priority is dispatched until it is resumed; submissions are still accepted."
        found.append(alert("warning", f"{names} paused", detail))
    if callers := len(stats.pauses.owners):
        # Not by name: everybody who may look is shown this.
        title = "A caller is paused" if callers == 1 else f"{callers} callers are paused"
        detail = "Nothing of theirs is dispatched until they are resumed; submissions are still accepted."
        found.append(alert("warning", title, detail))
    if stats.hold_until is not None:
        detail = "The upstream asked for quiet: nothing starts until the hold ends."
        found.append(alert("warning", "On hold", detail, stats.hold_until))
    if stats.pace:
        detail = f"The upstream refused (429): one start every {stats.pace:.1f} s, recovering step by step."
        found.append(alert("warning", "Slowed down", detail))
    return found


def _backlog(settings: Settings, stats: Stats) -> list[dict[str, Any]]:
    waiting = stats.waiting
    drained = max((depth.drained_at or stats.now for depth in stats.depths.values()), default=stats.now) - stats.now
    bounds = [
        (waiting, settings.max_pending, f"{waiting} of at most {settings.max_pending} batches wait"),
        (
            drained,
            settings.max_backlog_seconds,
            f"It takes {drained:.0f} s to drain, of at most {settings.max_backlog_seconds:g} s",
        ),
    ]
    for size, most, measure in bounds:
        if most and size >= most:
            return [alert("error", "The backlog is at its limit", f"{measure}; submissions are refused.")]
        if most and size >= most * _NEARLY:
            detail = f"{measure}; larger submissions are refused."
            return [alert("warning", "The backlog is nearly at its limit", detail)]
    return []
