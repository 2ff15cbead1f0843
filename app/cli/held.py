"""What keeps the waiting batches of an ingestion from starting, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..core import printable
from .times import Times

_WAITS = {
    "arrival": "nothing",
    "paused": "a resume",
    "paused_priority": "a resume of its priority",
    "paused_owner": "a resume of its caller",
    "hold": "the end of a hold",
    "empty": "submissions",
    "answer": "the answer to another call",
    "retry": "a retry",
    "slots": "a slot",
    "connections": "room at the upstream",
    "token": "a token",
    "worker": "a worker",
    "store": "the store, which takes no changes",
    "line": "its turn",
}


class Held(NamedTuple):
    """Why nothing of an ingestion starts, and until when as an RFC 3339 time, None where that is open."""

    why: str
    until: str | None = None


def waits_on(reason: str | None) -> str:
    """Returns in words what a queue or a batch waits on; one that only a newer service knows is returned as it is."""
    return _WAITS.get(reason, reason) if reason else "nothing"


def held(status: Mapping[str, Any], queue: Mapping[str, Any], times: Times) -> Held | None:
    """Returns what keeps the waiting batches of an ingestion from starting, None where they only wait in line."""
    priority, owner, hold = status["priority"], status.get("owner"), queue["hold_until"]
    if not status["counts"]["yet_to_start"] and not any(one.get("next_attempt_at") for one in status["batches"]):
        return None
    if queue["waiting_on"] == "store":
        return Held(waits_on("store"))
    if queue.get("stalled"):
        return Held("a worker; none is there")
    if queue["paused"]:
        return Held("a resume; the queue is paused")
    if queue["priorities"][priority].get("paused"):
        return Held(f"a resume; {priority} is paused")
    if owner is not None and owner in queue.get("paused_owners", ()):
        return Held(f"a resume; {printable(owner)} is paused")
    return Held(f"the end of a hold, {times.due(hold)}", hold) if hold else None


def expected(stamp: str | None, queue: Mapping[str, Any]) -> str | None:
    """Returns a time to come; None while the queue is stalled, for nobody knows when that ends."""
    return None if queue.get("stalled") else stamp


def due_again(stamp: str, held: Held | None, times: Times) -> str:
    """Returns when a batch whose retry is due at `stamp` goes again."""
    if held and held.until is None:
        return "waits to go again"
    return f"goes again {times.due(max(stamp, held.until or stamp) if held else stamp)}"
