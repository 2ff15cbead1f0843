"""Knowing when: the start and end of what waits, if nothing else arrives."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple

from ..config import Settings
from ..errors import BacklogFull, Fault, InvalidRequest, QuotaFull, TooLate
from .limiter import TokenBucket
from .models import Priority
from .reports import Quote


class Timeline(NamedTuple):
    """The dispatches to come, as far as limiter, hold and free slots tell.

    `running` batches take up some of `slots`; each batch is taken to run for `service` seconds. Times: epoch seconds.
    """

    now: float
    bucket: TokenBucket
    not_before: float
    running: int
    slots: int
    service: float

    def earliest(self, nth: int) -> float:
        """Before when the nth waiting batch (from 0) cannot start, however soon a slot is free."""
        return self.bucket.when(nth, max(self.now, self.not_before))

    def start(self, nth: int) -> float:
        """When it should start."""
        rounds = (nth + self.running) // self.slots
        return max(self.earliest(nth), self.now + rounds * self.service)

    def end(self, nth: int) -> float:
        """When it should end."""
        return self.start(nth) + self.service

    def quote(self, ahead: int, count: int) -> Quote:
        """What `count` batches behind `ahead` others can expect."""
        return Quote(ahead, self.start(ahead), self.end(ahead + count - 1))


def rank_of(settings: Settings, priority: Priority, now: float) -> float:
    """Where in the queue an ingestion created now belongs: the lowest rank goes first."""
    return now + priority * settings.priority_aging if settings.priority_aging else float(priority)


def limit_of(*, fresh: bool, due: float, resumed_at: float, hold_until: float, token_at: float, was_full: bool) -> str:
    """What came last of all a dispatch had to wait for; each is told by the moment at which it was there."""
    if was_full:
        return "slots"
    came = ("arrival" if fresh else "retry", due), ("paused", resumed_at), ("hold", hold_until), ("token", token_at)
    return max(came, key=itemgetter(1))[0]


def admit(
    settings: Settings, timeline: Timeline, *, count: int, waiting: int, ahead: int, deadline: float | None
) -> None:
    """Refuse a submission of `count` batches that the queue has no room or no time for.

    `waiting` batches are in the queue, `ahead` of them before it. Raises BacklogFull with the seconds until it would
    fit, TooLate with the earliest end, or InvalidRequest for what would never fit.
    """
    most = settings.max_pending
    if most and waiting + count > most:
        if count > most:
            raise InvalidRequest([Fault("#/ids", f"ids makes {count} batches, but the queue never holds over {most}.")])
        fits = timeline.start(waiting + count - most - 1) - timeline.now
        backlog = timeline.start(waiting - 1) - timeline.now
        raise BacklogFull(
            f"{waiting} batches are waiting, which takes {backlog:.1f} s, and at most {most} may; "
            f"{count} more will fit in {fits:.1f} s.",
            fits,
        )
    longest = settings.max_backlog_seconds
    if longest and (drained := timeline.start(waiting + count - 1) - timeline.now) > longest:
        if (alone := timeline.bucket.interval * (count - timeline.bucket.burst)) > longest:
            raise InvalidRequest(
                [Fault("#/ids", f"ids alone takes {alone:.0f} s to drain, but the backlog may be {longest:g} s long.")]
            )
        fits = drained - longest
        raise BacklogFull(
            f"With this the backlog would be {drained:.1f} s long and at most {longest:g} s is allowed; "
            f"it will fit in {fits:.1f} s.",
            fits,
        )
    if deadline is not None and (earliest := timeline.end(ahead + count - 1)) > deadline:
        raise TooLate(f"The deadline cannot be met: this would end {earliest - deadline:.1f} s after it.", earliest)


def check_quota(quota: int, count: int, waiting: int, until_started: Callable[[int], float]) -> None:
    """Refuse a caller's submission of `count` ids while `waiting` others of its own wait, where `quota` may.

    `until_started` gives the seconds until so many of those have started. Raises QuotaFull with the seconds until it
    would fit, or InvalidRequest for what would never fit.
    """
    if count > quota:
        raise InvalidRequest([Fault("#/ids", f"ids has {count} members, but a caller never has over {quota} waiting.")])
    if waiting + count > quota:
        fits = until_started(waiting + count - quota)
        raise QuotaFull(
            f"{waiting} ids of yours are waiting and at most {quota} may; {count} more will fit in {fits:.1f} s.", fits
        )
