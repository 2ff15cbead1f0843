"""The byte a store keeps for each batch, and the status it means to a caller."""

from __future__ import annotations

from collections.abc import Sequence

from .models import Counts, Status

NEW, RUNNING, WAITING, COMPLETED, FAILED = range(5)
"""WAITING means waiting for the next attempt. A cancel is recorded once for the whole ingestion, not per batch."""

_STATUS_OF = (Status.YET_TO_START, Status.TRIGGERED, Status.TRIGGERED, Status.COMPLETED, Status.FAILED)
_CANCELLED = (Status.CANCELLED, Status.TRIGGERED, Status.CANCELLED, Status.COMPLETED, Status.FAILED)


def statuses(*, cancelled: bool) -> Sequence[Status]:
    """Returns the status that each state means, depending on whether the ingestion was cancelled."""
    return _CANCELLED if cancelled else _STATUS_OF


def states_of(status: Status, *, cancelled: bool) -> tuple[int, ...]:
    """Returns the states that mean a status, depending on whether the ingestion was cancelled."""
    return tuple(state for state, meant in enumerate(statuses(cancelled=cancelled)) if meant is status)


def count_statuses(new: int, running: int, waiting: int, completed: int, failed: int, *, cancelled: bool) -> Counts:
    """Returns how many batches are in each status, given how many are in each state."""
    if cancelled:
        return Counts(0, running, completed, failed, new + waiting)
    return Counts(new, running + waiting, completed, failed, 0)
