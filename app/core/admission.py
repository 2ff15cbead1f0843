"""Which submissions are refused, and when they would fit."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import accumulate
from operator import sub
from typing import TypeVar

from ..config import Settings
from ..errors import BacklogFull, Fault, InvalidRequest, QuotaFull, TooLate
from .limits import limiter_of
from .models import batch_count
from .quoting import tenths
from .starts import EXACT_RETRIES, Starts
from .timeline import Prospect, Timeline

T = TypeVar("T")

ASK_AGAIN = 5.0
"""Seconds after which to ask again when the wait is unknown, as it is while what waits is paused."""

_UNKNOWN = "what waits is paused, so it is not known when there will be room."


def admit(settings: Settings, timeline: Timeline, prospect: Prospect, deadline: float | None) -> None:
    """Refuse a submission if the queue has no room or no time for its batches, given what is counted for it.

    Raises BacklogFull with the seconds until it would fit, TooLate with the earliest end, or InvalidRequest for one
    that could never fit.
    """
    count = prospect.waiting
    _check_room(settings, timeline, count)
    _check_time(settings, timeline, count)
    if deadline is not None:
        _check_deadline(deadline, timeline.added(prospect).last + timeline.starts.slots.service)


def check_quota(quota: int, count: int, waiting: int, until_started: Callable[[int], float | None]) -> None:
    """Refuse a submission of `count` ids by a caller that has `waiting` ids waiting, if that would exceed its `quota`.

    `until_started` returns the seconds until a given number of those have started, None where so many are not in line.
    Raises QuotaFull with the seconds until it would fit, or InvalidRequest for one that could never fit.
    """
    if count > quota:
        raise InvalidRequest(
            [Fault("#/ids", f"ids has {count} members, but a caller may never have more than {quota} waiting.")]
        )
    if waiting + count > quota:
        fits = until_started(waiting + count - quota)
        if fits is None:
            raise QuotaFull(f"{waiting} of your ids are waiting and at most {quota} may; {_UNKNOWN}", ASK_AGAIN)
        raise QuotaFull(
            f"{waiting} of your ids are waiting and at most {quota} may; {count} more will fit in {tenths(fits)} s.",
            fits,
        )


def until_started(
    number: int,
    due: Iterable[tuple[T, int, int]],
    later: Callable[[int], Sequence[tuple[float, T, int]]],
    prospect: Callable[[T], Prospect],
    timeline: Timeline,
) -> float | None:
    """Returns the seconds until so many of a caller's waiting ids have started, None where fewer are in line.

    `due` yields its ingestions in line, in order, each with how many of its ids are due and the size of its batches.
    `later` returns the first batches of these that wait for a retry, at most so many, by when they fall due, each with
    its ingestion and how many ids it has. Also None while the queue is paused.
    """
    if timeline.paused:
        return None
    held, total = list[tuple[T, int, int]](), 0
    for one, ids, size in due:
        held.append((one, ids, size))
        total += ids
        if total >= number:
            break
    ready = {one: batch_count(ids, size) for one, ids, size in held}
    before = list(accumulate((ids for _, ids, _ in held), initial=0))
    starts, known = timeline.starts, cache(prospect)

    def until_due(left: int) -> float:
        """Returns the seconds until so many of those that are due have started."""
        if left <= 0:
            return 0.0
        if left > total:
            return math.inf
        at = bisect_left(before, left) - 1
        one, _, size = held[at]
        return timeline.until_started(known(one), batch_count(left - before[at], size) - 1)

    found = until_due(number)
    if any(due - starts.now < found for due, _ in starts.aside.soonest(1)):
        retries = later(number if found == math.inf else min(number, EXACT_RETRIES))
        left = list(accumulate((ids for _, _, ids in retries), sub, initial=number))

        def until_retried(nth: int) -> float:
            due, one, _ = retries[nth]
            return timeline.until_retried(known(one), ready.get(one, 0), due)

        # The more retries have started, the sooner what is due makes up the rest: find the first that is not needed.
        nth = bisect_left(range(len(retries)), True, key=lambda nth: until_due(left[nth + 1]) <= until_retried(nth))
        found = min(until_due(left[nth]), until_retried(nth) if nth < len(retries) else math.inf)
    return found if found < math.inf else None


def _check_room(settings: Settings, timeline: Timeline, count: int) -> None:
    """Refuse what would exceed MAX_PENDING."""
    starts, most = timeline.starts, settings.max_pending
    waiting = starts.waiting + timeline.parked
    if not most or waiting + count <= most:
        return
    if count > most:
        raise InvalidRequest(
            [Fault("#/ids", f"ids makes {count} batches, but the queue never holds more than {most}.")]
        )
    if timeline.paused or waiting + count - most > starts.waiting:
        raise BacklogFull(f"{waiting} batches are waiting and at most {most} may; {_UNKNOWN}", ASK_AGAIN)
    fits = starts.overall(waiting + count - most - 1) - starts.now
    backlog = starts.last_start() - starts.now
    raise BacklogFull(
        f"{waiting} batches are waiting, which takes {tenths(backlog)} s, and at most {most} may; "
        f"{count} more will fit in {tenths(fits)} s.",
        fits,
    )


def _check_time(settings: Settings, timeline: Timeline, count: int) -> None:
    """Refuse what would make the backlog longer than MAX_BACKLOG_SECONDS."""
    starts, longest = timeline.starts, settings.max_backlog_seconds
    # As if all that waits were due: a wait for a retry keeps nobody else waiting.
    if not longest or (drained := starts.start(starts.waiting + count - 1) - starts.now) <= longest:
        return
    at_present = starts.limiter.least_time(count)
    configured = limiter_of(settings.interval, settings.burst, settings.limits)
    if (at_best := min(at_present, configured.least_time(count))) > longest:
        detail = f"ids alone takes at least {tenths(at_best)} s to drain, but the backlog may be {longest:g} s long."
        raise InvalidRequest([Fault("#/ids", detail)])
    if timeline.paused:
        raise BacklogFull(f"The backlog would be over {longest:g} s long; {_UNKNOWN}", ASK_AGAIN)
    if at_present > longest:
        slow = f"at the present rate ids alone takes {tenths(at_present)} s, so it will fit once that is higher."
        raise BacklogFull(f"The backlog may be {longest:g} s long; {slow}", ASK_AGAIN)
    fits = _until_within(longest, starts, count)
    raise BacklogFull(
        f"With this the backlog would be {tenths(drained)} s long and at most {longest:g} s is allowed; "
        f"it will fit in {tenths(fits)} s.",
        fits,
    )


def _until_within(longest: float, starts: Starts, count: int) -> float:
    """Returns the seconds until the backlog, with `count` more batches, would be so long at most, if nothing else came.

    Its end stays where it is until tokens are lost because nothing is due, so it is looked at again after each retry.
    """
    last = starts.waiting + count - 1
    started = starts.waiting - starts.aside.count(None)
    at, limiter = starts.once_started(started)

    def end() -> float:
        return max(limiter.when(last - started, at), starts.slots.free_at(last))

    ends = end()
    for due, _ in starts.aside.soonest(EXACT_RETRIES):
        (at,), limiter = limiter.starts_of([max(due, at)])
        started += 1
        if (then := end()) - at <= longest:
            break
        ends = then
    return ends - longest - starts.now


def _check_deadline(deadline: float, earliest: float) -> None:
    """Refuse what would end after its deadline."""
    if earliest > deadline:
        raise TooLate(f"The deadline cannot be met: this would end {tenths(earliest - deadline)} s after it.", earliest)
