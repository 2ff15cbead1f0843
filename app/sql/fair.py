"""Whose batch goes next, where callers take turns."""

from __future__ import annotations

import bisect
import heapq
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import compress
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, exists, func, or_, select, update

from ..core import BatchPlace, ByTurns, CallerTurns, Place, Priority, Retry, Shares, caller_of
from .backlog import Before, before, in_last_block, of_caller
from .callers import NO_TURNS, OF_CALLER
from .instance import View
from .lanes import HAS_WAITING, caller_lanes, callers
from .picks import SAME_INGESTION, Candidate, awaiting, callers_awaiting, near, pick
from .rows import IngestionRow
from .schema import IS_ASIDE, IS_OPEN, IS_READY, THIS, batches, ingestions
from .turns import Turn

_WAITING = select(callers.c.name, callers.c.tag, callers.c.owed, callers.c.waiting).where(
    callers.c.instance == THIS, callers.c.priority == bindparam("priority"), HAS_WAITING
)
_NUMBERED = _WAITING.add_columns(callers.c.number)
# Some may have nothing but retries that are not due.
_WITH_DUE = _NUMBERED.add_columns(
    or_(
        exists().where(ingestions.c.instance == callers.c.instance, ingestions.c.caller == callers.c.number, IS_OPEN),
        exists().where(*OF_CALLER, IS_READY),
        exists().where(*OF_CALLER, IS_ASIDE, batches.c.due <= bindparam("now")),
    )
)
# A sum for each caller, in the order of the index; one over all of them, by caller, takes ten times as long in SQLite.
_WITH_BLOCKS = _NUMBERED.add_columns(
    select(func.coalesce(func.sum(caller_lanes.c.waiting), 0))
    .where(
        caller_lanes.c.instance == callers.c.instance,
        caller_lanes.c.caller == callers.c.number,
        caller_lanes.c.block < bindparam("block"),
    )
    .scalar_subquery()
)
_NAMED = select(callers.c.number, callers.c.name, callers.c.tag, callers.c.owed, callers.c.waiting).where(
    callers.c.instance == THIS, callers.c.priority == bindparam("priority"), callers.c.name == bindparam("name")
)
_KEEP = (
    update(callers)
    .where(callers.c.instance == bindparam("of_instance"), callers.c.number == bindparam("of_number"))
    .values(tag=bindparam("tag"), owed=bindparam("owed"))
)
_RETRIES = (
    select(batches.c.due, batches.c.rank, batches.c.order, ingestions.c.priority, ingestions.c.owner)
    .join_from(batches, ingestions, SAME_INGESTION)
    .where(batches.c.instance == THIS, IS_ASIDE)
    .order_by(batches.c.due)
    .limit(bindparam("limit"))
)


def _told(
    view: View, priority: Priority, query: Select[Any], **more: int
) -> tuple[Shares, Sequence[str], Sequence[Sequence[Any]]]:
    """Returns the shares of the callers with batches waiting at a priority, their names, and the query's other columns;
    in O(callers).
    """
    shares = Shares(dict(view.settings.fair_weights), _times(view)[priority])
    values = {"this": view.queue.instance, "priority": priority, "now": view.now, **more}
    names, tags, owed, *others = view.connection.columns(query, values)
    shares.put_all(zip(names, tags, owed, strict=True))
    return shares, names, others


def turns(view: View, priority: Priority, owner: str | None, place: Place, *, new: bool = False) -> CallerTurns | None:
    """Returns what is counted of the turns of an ingestion at its place, or a `new` one; None without FAIR."""
    if not view.queue.fair:
        return None
    if view.queue.aging:
        urgent = sum(_until(view, one, place) for one in before(view, *place) if one.priority != priority)
    else:
        urgent = sum(view.queue.waiting(other) for other in Priority if other < priority)
    (shares, names, (counts, *_)), caller = _told(view, priority, _WAITING), caller_of(owner)
    waiting = dict(zip(names, counts, strict=True))
    values = {"this": view.queue.instance, "priority": priority, "name": caller}
    if caller not in waiting and (known := view.connection.execute(_NAMED, values).first()):
        _, name, tag, owed, _ = known
        shares.put(name, tag, owed)
    ahead = waiting.get(caller, 0)
    if ahead and not new:
        ahead = of_caller(view, priority, caller, place[1])

    def retries(limit: int) -> Sequence[Retry]:
        if not view.queue.lined:
            return []
        rows = view.connection.execute(_RETRIES, {"this": view.queue.instance, "limit": limit}).all()
        return [Retry(due, (rank, order), Priority(level), caller_of(whose)) for due, rank, order, level, whose in rows]

    return CallerTurns(place, priority, caller, shares, waiting, urgent, ahead, retries, bool(view.queue.aging))


def _until(view: View, one: Before, place: Place) -> int:
    """Returns how many batches of a priority go until all that are before a place have gone."""
    if one.waiting in (0, view.queue.waiting(one.priority)):
        return one.waiting
    shares, names, (counts, numbers, sums) = _told(view, one.priority, _WITH_BLOCKS, block=one.block)
    last = in_last_block(view, one, *place)
    wanted = {name: int(some) + last.get(of, 0) for name, of, some in zip(names, numbers, sums, strict=True)}
    return shares.until(dict(zip(names, counts, strict=True)), wanted)


def upcoming(view: View, limit: int) -> ByTurns[Candidate]:
    """Returns the due batches from which the next `limit` starts come."""
    due = _line(view, limit, Priority, promoted=False)
    some = awaiting(view, limit)
    if len(some) == limit:  # the turns decide which of them go first
        next_callers = _next_callers(due, callers_awaiting(view), limit)
        some = [one for caller in next_callers for one in awaiting(view, limit, caller=caller)]
    for candidate in some:
        of_caller = due.ready.setdefault(_whose(candidate), [])
        bisect.insort(of_caller, (candidate.place, candidate), key=itemgetter(0))
    return ByTurns(due.shares, {key: _starts(batches) for key, batches in due.ready.items()}, _whose, aging=due.aging)


def in_order(turn: Turn, limit: int) -> list[Candidate]:
    """Returns the due batches that go next, in strict order or by turns. No due batch is set aside."""
    if not turn.queue.fair:
        return pick(turn, limit, promoted=True)
    turn.write_callers()
    due = _line(turn, limit, (), promoted=True)
    line = ByTurns(due.shares, due.ready, _whose, aging=due.aging)
    return [line.take() for _ in range(limit) if line]


def riding(turn: Turn, free: int, limit: int) -> ByTurns[Candidate]:
    """Returns due batches, among them the first `limit` that may ride in a call with `free` places."""
    turn.write_callers()
    due = _line(turn, limit, (), promoted=True, free=free)
    return ByTurns(due.shares, due.ready, _whose, aging=due.aging, to_ride=True)


class _Due(NamedTuple):
    """What is due of the callers whose turns are next; `callers` are the numbers of all with something waiting."""

    shares: dict[Priority, Shares]
    callers: dict[Priority, dict[str, int]]
    ready: dict[tuple[Priority, str], list[tuple[BatchPlace, Candidate]]]
    aging: bool


def _line(view: View, limit: int, also: Iterable[Priority], *, promoted: bool, free: int | None = None) -> _Due:
    """Returns what is needed for the next `limit` turns, at the priorities that have them and some others.

    With `free`, these are turns to ride in a call with so many places.
    """

    def picked(caller: int | None = None) -> list[Candidate]:
        if free is None:
            return pick(view, limit, promoted=promoted, caller=caller)
        return near(view, free, limit, caller=caller)

    most_urgent = picked()
    shares: dict[Priority, Shares] = {}
    callers: dict[Priority, dict[str, int]] = {}
    ready: dict[tuple[Priority, str], list[tuple[BatchPlace, Candidate]]] = {}
    for candidate in most_urgent:
        ready.setdefault(_whose(candidate), []).append((candidate.place, candidate))
    aging, found = bool(view.settings.priority_aging), 0
    for priority in sorted({*also, *(priority for priority, _ in ready)}):
        if found >= limit and not aging:
            # More urgent ones have the next turns.
            shares[priority], callers[priority] = Shares({}), {}
            continue
        query = _WITH_DUE if view.queue.lined else _NUMBERED
        shares[priority], names, (_, numbers, *is_due) = _told(view, priority, query)
        waiting = callers[priority] = dict(zip(names, numbers, strict=True))
        due = dict(compress(waiting.items(), *is_due)) if is_due else waiting
        turn = shares[priority].turn if free is None else shares[priority].turn_to_ride
        found += len(due)
        for caller in heapq.nsmallest(limit, due, key=turn):
            if len(names) > 1 and len(ready.get((priority, caller), ())) < limit:
                mine = picked(due[caller])
                ready[priority, caller] = [(candidate.place, candidate) for candidate in mine]
    return _Due(shares, callers, ready, aging)


def _next_callers(due: _Due, among: Collection[int], limit: int) -> Iterator[int]:
    """Yields the numbers of those callers `among` some from whom the next `limit` starts can come."""
    for priority, numbers in due.callers.items():
        some = [caller for caller, number in numbers.items() if number in among]
        for caller in heapq.nsmallest(limit, some, key=due.shares[priority].turn):
            yield numbers[caller]


def started(view: View, candidates: Iterable[Candidate], *, rides: bool) -> None:
    """Record whose turns were taken, in order, or whose batches ride."""
    queue, times = view.queue, _times(view)
    of_each: dict[Priority, list[IngestionRow]] = {}
    for candidate in candidates:
        of_each.setdefault(Priority(candidate.row.priority), []).append(candidate.row)
    for priority, rows in of_each.items():
        shares, numbers = Shares(dict(view.settings.fair_weights), times[priority]), dict[str, int]()
        for row in rows:
            caller = caller_of(row.owner)
            if caller not in numbers:
                values = {"this": queue.instance, "priority": priority, "name": caller}
                numbers[caller], _, tag, owed, _ = view.connection.execute(_NAMED, values).one()
                shares.put(caller, tag, owed)
            (shares.ride if rides else shares.take)(caller)
        times[priority] = shares.now
        kept = [
            {"of_instance": queue.instance, "of_number": number, "tag": tag, "owed": owed}
            for caller, number in numbers.items()
            for tag, owed in [shares.kept(caller)]
        ]
        view.connection.execute(_KEEP, kept)
    queue.fair = json.dumps(list(times.values()))


def _times(view: View) -> dict[Priority, int]:
    """Returns the virtual time of each priority."""
    return dict(zip(Priority, json.loads(view.queue.fair or NO_TURNS), strict=True))


def _whose(candidate: Candidate) -> tuple[Priority, str]:
    return Priority(candidate.row.priority), caller_of(candidate.row.owner)


def _starts(ready: Iterable[tuple[BatchPlace, Candidate]]) -> list[tuple[BatchPlace, Candidate]]:
    """Returns each batch as often as it will start."""
    return [one for one in ready for _ in range(one[1].answers.starts)]
