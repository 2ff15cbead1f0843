"""All queues of an app side by side, as JSON."""

from __future__ import annotations

from typing import Any

from flask import current_app

from ..core import timestamp
from ..errors import StoreUnavailable
from ..service import Service, services_of
from ..web import Guard
from . import data
from .alerts import alert


def services() -> list[Service]:
    """Returns the instances of the current app, in the order in which they were added."""
    return services_of(current_app.extensions)


def queues_document(key: str, now: float) -> dict[str, Any]:
    """Returns each queue in a few figures; only its name where `key`, which the caller shows, does not open it.

    A queue whose store cannot be reached says so, and the others are shown.
    """
    queues, found = [], list[dict[str, Any]]()
    for service in services():
        queue, alerts = _queue(service) if Guard(service).holder(key) else ({}, [])
        queues.append({"name": service.name, **queue})
        found += [{**alert, "title": f"{service.name}: {alert['title']}"} for alert in alerts]
    return {
        "now": timestamp(now),
        "alerts": sorted(found, key=lambda alert: alert["level"] != "error"),
        "queues": queues,
    }


def _queue(service: Service) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns a queue's figures, and what is wrong with it."""
    try:
        stats = service.stats()
        upcoming, workers = service.store.upcoming(1), service.workers()
    except StoreUnavailable as error:
        return {"unreachable": True}, [alert("error", "Store unreachable", str(error))]
    known = data.state(service, stats)
    alerts = known.pop("alerts")
    drained = [depth.drained_at for depth in stats.depths.values() if depth.drained_at is not None]
    return {
        **known,
        "waiting": stats.waiting,
        "running": stats.running,
        "failed": stats.failed,
        "waiting_on": stats.waiting_on,
        "hold_until": timestamp(stats.hold_until),
        "slots": data.slots(service, stats, workers),
        "next_dispatch_at": data.next_dispatch(stats, upcoming),
        "drained_at": data.expected(stats, max(drained, default=None)),
    }, alerts
