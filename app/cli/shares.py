"""Proves from a dispatch log that callers that took turns got their shares."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from ..core import BatchPlace, Dispatch, Priority, caller_of

_TOLERANCE = 1e-3
"""Turns by which a share may be off, because the cost of a turn is a whole number."""


class Back(NamedTuple):
    """A turn that was given back after the start at `taken_at`, by `due_at` at the latest."""

    due_at: float
    taken_at: float


class Lead(NamedTuple):
    """A caller had `turns` turns from `earlier` to `later` while another, who had `fewer`, waited."""

    earlier: Dispatch
    later: Dispatch
    turns: int
    fewer: int


def unfair(
    starts: Sequence[Dispatch],
    given_back: Mapping[str, Sequence[Back]],
    grace: float,
    since: float,
    weights: Mapping[str, int],
) -> tuple[Lead, str] | None:
    """Returns the first lead over a waiting caller that exceeds a turn of each, and that caller's name.

    `starts` are those at one priority, in order, and `given_back` the turns that each caller got back there. In any
    stretch in which a caller has something due, another gets at most a turn of each more, by weight (P. Goyal, H. M.
    Vin, H. Cheng, 1996, theorem 1). Turns are the starts that took tokens: what rides takes none, and moves no virtual
    time. A batch counts as due `grace` seconds after it was, and not before `since`, when what waited last changed
    places. O(n callers).
    """
    free, perhaps = _free(starts, given_back), _perhaps_given_back(starts, given_back)
    leads = (
        (lead, name)
        for name in dict.fromkeys(caller_of(one.owner) for one in starts)
        for lead in _leads_over(name, starts, free, perhaps, _waits(name, starts, grace, since), weights)
    )
    return min(leads, key=lambda found: found[0].later.started_at, default=None)


def _leads_over(
    name: str,
    starts: Sequence[Dispatch],
    free: set[int],
    perhaps: Mapping[int, int],
    waits: Sequence[bool],
    weights: Mapping[str, int],
) -> Iterator[Lead]:
    """Yields the first lead of another caller over this one in each stretch in which this one waits."""
    own = 1 / weights.get(name, 1)
    had = 0
    leads: dict[str, tuple[float, int, int, int]] = {}
    """Of each other caller: its lead by weight, how many turns it and this one had by its latest, and its first."""
    for number, start in enumerate(starts):
        if not waits[number]:
            had, leads = 0, {}
            continue
        other = caller_of(start.owner)
        if start.rode_with is not None:
            continue
        if other == name:
            had += 1
            continue
        if number in free:
            continue
        cost = 1 / weights.get(other, 1)
        lead, turns, then, first = leads.get(other, (0.0, 0, had, number))
        lead -= (had - then) * own
        if lead <= 0:
            lead, turns, first = 0.0, 0, number
        lead, turns = lead + cost, turns + 1
        leads[other] = lead, turns, had, first
        if lead > own + cost * (1 + perhaps[number]) + _TOLERANCE * (turns * cost + own):
            fewer = sum(caller_of(one.owner) == name and one.rode_with is None for one in starts[first:number])
            yield Lead(starts[first], start, turns, fewer)
            return


def given_back(starts: Sequence[Dispatch]) -> dict[Priority, dict[str, list[Back]]]:
    """Returns what turns were given back, in order, by the priority at which they had been taken and by caller.

    A batch that starts again under the same attempt had been put back untouched: when it fell due once more, or before
    where it stepped aside. One that rode had taken none. No log shows the turns given back by batches that were
    cancelled or served before they started again, nor those of what started before it begins: these may look like a
    violation.
    """
    seen: dict[tuple[str, int], Dispatch] = {}
    found: dict[Priority, dict[str, list[Back]]] = defaultdict(dict)
    for start in starts:
        if taken := seen.pop((start.batch_id, start.attempt), None):
            back = Back(start.due_at, taken.started_at)
            insort(found[taken.priority].setdefault(caller_of(start.owner), []), back)
        if start.rode_with is None:
            seen[start.batch_id, start.attempt] = start
    return found


def _free(starts: Sequence[Dispatch], given_back: Mapping[str, Sequence[Back]]) -> set[int]:
    """Returns which starts took turns that had been given back, by number."""
    left = {caller: [back.due_at for back in turns] for caller, turns in given_back.items()}
    free = set()
    for number, start in enumerate(starts):
        turns = left.get(caller_of(start.owner))
        if turns and turns[0] <= start.started_at and start.rode_with is None:
            free.add(number)
            if turns[0] < start.started_at:
                del turns[0]  # else it may have come only after this start
    return free


def _perhaps_given_back(starts: Sequence[Dispatch], given_back: Mapping[str, Sequence[Back]]) -> dict[int, int]:
    """Returns how many turns a caller may have got back by each of its own, beyond those that it has got for certain.

    One that the log shows was given back between its start and when it fell due once more. A batch that was put back
    and has not started again by the end of the log still waits, so all that its caller started meanwhile is more
    urgent.
    """
    found, places = dict[int, int](), defaultdict[str, list[tuple[BatchPlace, int]]](list)
    for number, start in enumerate(starts):
        if start.rode_with is None:
            places[caller_of(start.owner)].append(((start.rank, start.order, start.position), number))
    for caller, of_caller in places.items():
        turns = given_back.get(caller, ())
        taken, due = sorted(back.taken_at for back in turns), [back.due_at for back in turns]
        latest = list(accumulate((place for place, _ in reversed(of_caller)), max))
        before: list[BatchPlace] = []
        for (place, number), later in zip(of_caller, reversed(latest), strict=True):
            at = starts[number].started_at
            shown = bisect_right(taken, at) - bisect_right(due, at)
            found[number] = shown + len(before) - bisect_right(before, later)
            insort(before, place)
    return found


def _waits(name: str, starts: Sequence[Dispatch], grace: float, since: float) -> list[bool]:
    """Returns for each start whether a caller has something due then, as it has for its own."""
    waits, due = [False] * len(starts), float("inf")
    for number in range(len(starts) - 1, -1, -1):
        start = starts[number]
        if caller_of(start.owner) == name:
            due = min(due, max(start.due_at, since) + grace)
            waits[number] = True
        else:
            waits[number] = due < start.started_at
    return waits
