"""A batch's rank and its room, and what an operator's command refuses."""

from __future__ import annotations

import sys

from ..config import Settings
from ..errors import Conflict
from .models import Priority, Status

_MOST_ABANDONED = 10
"""At this many threads given up per slot no other is started, because each keeps its memory until it ends."""


def may_be_early(settings: Settings) -> bool:
    """Returns whether a batch may go sooner than estimated: with FILL, with FRESH, or with FAIR and PRIORITY_AGING."""
    return settings.fill or settings.fresh is not None or (settings.fair and bool(settings.priority_aging))


def room_of(settings: Settings, running: int) -> int:
    """Returns how many more batches the upstream takes at once, where `running` are in process."""
    return settings.upstream_connections - running if settings.upstream_connections else sys.maxsize


def is_stuck(abandoned: int, slots: int) -> bool:
    """Returns whether a worker starts nothing more, because so many calls that were given up still hang."""
    return abandoned >= _MOST_ABANDONED * slots


def rank_of(aging: float, priority: Priority, now: float) -> float:
    """Returns the rank of an ingestion created now, given PRIORITY_AGING; the lowest rank goes first."""
    return now + priority * aging if aging else float(priority)


def is_last(attempt: int, max_attempts: int) -> bool:
    """Returns whether no attempt follows if this one fails."""
    return attempt >= max_attempts


def check_cancel(status: Status, *, cancelled: bool) -> bool:
    """Returns whether a cancel changes anything. Raises Conflict if the ingestion ended in another way."""
    if cancelled:
        return False
    if status.final:
        raise Conflict(f"The ingestion is {status.value}; nothing is left to cancel.")
    return True


def check_move(status: Status, *, cancelled: bool) -> None:
    """Raises Conflict if nothing of the ingestion is left to go at another priority."""
    if cancelled or status.final:
        raise Conflict(f"The ingestion is {'cancelled' if cancelled else status.value}; nothing is left to move.")


def check_redrive(failed: int, *, cancelled: bool) -> None:
    """Raises Conflict if no batch of the ingestion failed, or if it was cancelled."""
    if cancelled:
        raise Conflict("The ingestion was cancelled; submit the ids again instead.")
    if not failed:
        raise Conflict("No batch of the ingestion failed; there is nothing to redrive.")
