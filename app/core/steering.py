"""What people do to the queue, and what the audit log says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from ..config import Settings
from .gate import Gate

Steering: TypeAlias = Callable[[Gate, Settings, float], None]
"""Changes a gate, by the settings, at a moment."""


class Audit(NamedTuple):
    """Who did what, and when: the caller's name (None where there are no keys), and what changed.

    `subject` is an ingestion's id, or empty for the queue. Times are epoch seconds.
    """

    number: int
    at: float
    by: str | None
    action: str
    subject: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def steer(gate: Gate, settings: Settings, now: float, steering: Steering) -> tuple[dict[str, Any], dict[str, Any]]:
    """Change a gate; returns what it was before and is afterwards, as far as that differs."""
    before = _described(gate, settings, now)
    steering(gate, settings, now)
    after = _described(gate, settings, now)
    changed = [name for name in before if before[name] != after[name]]
    return {name: before[name] for name in changed}, {name: after[name] for name in changed}


def _described(gate: Gate, settings: Settings, now: float) -> dict[str, Any]:
    rates = gate.rates.apply(settings)
    return {
        "paused": gate.paused,
        "paused_priorities": [priority.name for priority in sorted(gate.pauses.priorities)],
        "paused_owners": sorted(gate.pauses.owners),
        "hold_until": gate.hold_until if gate.hold_until > now else None,
        "interval": rates.interval,
        "burst": rates.burst,
        "limits": gate.rates.written(settings),
        "concurrency": gate.concurrency.document(),
    }
