"""Whose batch goes next where callers take turns: start-time fair queueing."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from .limiter import Limiter
from .models import Priority
from .schedule import Place

UNIT = 720_720
"""How far a turn takes a caller of weight 1. Every weight up to 16 divides it; a share of others is off by 0.02 %."""

_STEPS = 2000
"""How many turns are played through one by one, until the last retry falls due."""

Turn: TypeAlias = tuple[int, str]
"""When a caller's turn is: its tag, and its name, which decides between equal tags."""


def caller_of(owner: str | None) -> str:
    """Returns the caller that an owner's ingestions count for; those of nobody are one caller, named ''."""
    return owner or ""


class Share:
    """A caller's part at one priority.

    `tag` is the virtual time of its next turn, `cost` what a turn adds to it, and `owed` the number of turns it has
    paid for with batches that were put back.
    """

    __slots__ = ("cost", "owed", "tag")

    def __init__(self, cost: int, tag: int = 0, owed: int = 0) -> None:
        self.cost = cost
        self.tag = tag
        self.owed = owed


class Shares:
    """The callers' virtual times at one priority (P. Goyal, H. M. Vin, H. Cheng, 1996, "Start-time Fair Queueing").

    `now` is the virtual time: the tag of the latest turn. A caller whose tag is behind it had nothing due, and goes on
    from there, so nobody saves up turns. All are whole numbers. A tag belongs to a caller, so a cancel costs nothing.
    """

    def __init__(self, weights: Mapping[str, int], now: int = 0) -> None:
        self.now = now
        self._weights = weights
        self._known: dict[str, Share] = {}
        self._most = 64

    def copy(self) -> Shares:
        other = Shares(self._weights, self.now)
        other._known = {caller: Share(one.cost, one.tag, one.owed) for caller, one in self._known.items()}
        return other

    def put(self, caller: str, tag: int, owed: int) -> None:
        """Set a caller's part, as it was kept."""
        self._known[caller] = Share(self._cost(caller), tag, owed)

    def told(self, caller: str) -> tuple[int, int]:
        """Returns what is to be kept of a caller: its tag, and how many turns it is owed."""
        share = self._known[caller]
        return share.tag, share.owed

    def turn(self, caller: str) -> Turn:
        """Returns when the turn of a caller is that has something due; the least goes next."""
        share = self._known.get(caller)
        return self.now if share is None or share.owed else max(share.tag, self.now), caller

    def take(self, caller: str) -> None:
        """Record that a batch of this caller, whose turn it is, starts."""
        share = self._share(caller)
        if share.owed:
            share.owed -= 1
        else:
            self.now = max(share.tag, self.now)
            share.tag = self.now + share.cost

    def give_back(self, caller: str) -> None:
        """Record that a batch was put back untouched: its caller has that turn again, at once."""
        self._share(caller).owed += 1

    def ahead(self, waiting: Mapping[str, int], caller: str, nth: int) -> int:
        """Returns how many batches of others go before the nth due batch of a caller (from 0), in O(callers).

        `waiting` says how many each has.
        """
        now, known, found = self.now, self._known, 0
        until = self._nth_tag(caller, nth)
        for other, count in waiting.items():
            if other == caller:
                continue
            share = known.get(other)
            tag, owed = now, 0
            if share is None:
                cost = self._cost(other)
            else:
                cost, owed = share.cost, share.owed
                if share.tag > now:
                    tag = share.tag
            if tag < until or (tag == until and other < caller):
                turns, rest = divmod(until - tag, cost)
                turns += owed + (1 if rest or other < caller else 0)
            else:
                turns = owed if now < until or other < caller else 0
            found += turns if turns < count else count
        return found

    def _nth_tag(self, caller: str, nth: int) -> int:
        share = self._known.get(caller)
        if share is None:
            return self.now + nth * self._cost(caller)
        return max(share.tag, self.now) + (nth - share.owed) * share.cost if nth >= share.owed else self.now

    def _share(self, caller: str) -> Share:
        share = self._known.get(caller)
        if share is None:
            if len(self._known) >= self._most:
                # A tag that the virtual time has reached says nothing.
                self._known = {one: kept for one, kept in self._known.items() if kept.owed or kept.tag > self.now}
                self._most = 64 + 2 * len(self._known)
            share = self._known[caller] = Share(self._cost(caller))
        return share

    def _cost(self, caller: str) -> int:
        return UNIT // self._weights.get(caller, 1)


class Rota:
    """The callers at one priority that have something due, by turn. Each step costs O(log callers)."""

    def __init__(self, shares: Shares, callers: Iterable[str] = ()) -> None:
        self._shares = shares
        self._turns = {caller: shares.turn(caller) for caller in callers}
        self._heap = list(self._turns.values())
        heapq.heapify(self._heap)

    def add(self, caller: str) -> None:
        """Put a caller in, or move one whose turn is earlier now."""
        turn = self._shares.turn(caller)
        if caller not in self._turns or turn < self._turns[caller]:
            self._turns[caller] = turn
            heapq.heappush(self._heap, turn)

    def first(self) -> str | None:
        """Returns whose turn it is."""
        while self._heap:
            turn = self._heap[0]
            caller = turn[1]
            if self._turns.get(caller) != turn:
                heapq.heappop(self._heap)
            elif (due := self._shares.turn(caller)) == turn:
                return caller
            else:
                # Its own turns and those of others have moved it back since it was put in.
                self._turns[caller] = due
                heapq.heapreplace(self._heap, due)
        return None

    def drop(self, caller: str) -> None:
        """Take out a caller that has nothing due."""
        del self._turns[caller]


class Retry(NamedTuple):
    """A batch that waits for its retry until `due` (epoch seconds), with what places its ingestion in line."""

    due: float
    place: Place
    priority: Priority
    caller: str


class Start(NamedTuple):
    """One of the upcoming starts: its number from 0, and when a token is there for it (epoch seconds)."""

    nth: int
    at: float


class Turns(NamedTuple):
    """What decides when an ingestion's batches go where callers take turns, as a store counts it.

    Of the batches that wait, `urgent` go before any of its priority, `waiting` has those of each caller at its
    priority, and `before` are those of its own caller ahead of it. `retries` returns the first to fall due of those set
    aside.
    """

    place: Place
    priority: Priority
    caller: str
    shares: Shares
    waiting: Mapping[str, int]
    urgent: int
    before: int
    retries: Callable[[int], Sequence[Retry]]

    def ahead(self, nth: int) -> int:
        """Returns how many batches go before the ingestion's nth (from 0), if all that wait are due."""
        mine = self.before + nth
        return self.urgent + mine + self.shares.ahead(self.waiting, self.caller, mine)

    def played(
        self, limiter: Limiter, since: float, total: int, own: int, retries: Sequence[Retry]
    ) -> tuple[Start, Start] | None:
        """Returns the first and the last start of the ingestion's first `own` batches, if nothing else arrives.

        `total` batches wait, of which `retries` are all that are not due. Batches are taken to run in no time. None
        where it would take too long to play through.
        """
        return _Play(self, limiter, since, total, own, retries).run()


class _Play:
    """The upcoming starts, one by one until the last retry has fallen due; after that they are a sum."""

    def __init__(
        self, turns: Turns, limiter: Limiter, since: float, total: int, own: int, retries: Sequence[Retry]
    ) -> None:
        self._turns = turns
        self._limiter = limiter
        self._due = since
        self._nth = 0
        self._retries = retries
        self._at = 0
        self._shares = turns.shares.copy()
        self._waiting = dict(turns.waiting)
        self._urgent = turns.urgent
        self._behind = total - turns.urgent - sum(turns.waiting.values())
        others = self._waiting.pop(turns.caller, 0) - turns.before - own
        self._mine = [turns.before, own, max(0, others)]
        """The caller's due batches before the ingestion's, the ingestion's, and those after."""
        self._to_come = 0
        """The ingestion's own retries that are not due yet."""
        for retry in retries:
            self._count(retry, -1)
            self._to_come += retry.place == turns.place
        self._rota = Rota(self._shares, (caller for caller, count in self._waiting.items() if count))
        if any(self._mine):
            self._rota.add(turns.caller)

    def run(self) -> tuple[Start, Start] | None:
        if not self._to_come and (ends := self._sum(until=self._next_due())):
            return ends
        first = last = None
        for _ in range(_STEPS):
            if self._at == len(self._retries) and self._mine[1]:
                rest = self._sum()
                return rest and (first or rest[0], rest[1])
            start = self._fall_due()
            size, own = self._step(start)
            if own:
                last = Start(self._nth, start)
                first = first or last
                if not self._mine[1] and not self._to_come:
                    return first, last
            self._due = self._limiter.when(size - 1, start)
            self._limiter = self._limiter.after(size, start)
            self._nth += size
        return None

    def _next_due(self) -> float:
        return self._retries[self._at].due if self._at < len(self._retries) else math.inf

    def _fall_due(self) -> float:
        """Returns when the next start is; what is due by then is ready."""
        if not (self._urgent or self._behind or self._rota.first() is not None):
            self._due = max(self._due, self._next_due())
        start = self._limiter.when(0, self._due)
        while self._next_due() <= start:
            retry = self._retries[self._at]
            self._at += 1
            self._count(retry, 1)
            self._to_come -= retry.place == self._turns.place
            if retry.priority == self._turns.priority:
                self._rota.add(retry.caller)
        return start

    def _step(self, start: float) -> tuple[int, bool]:
        """Start one batch, or a run of some whose order does not matter; returns how many, and whether it is own."""
        if not self._urgent and (caller := self._rota.first()) is not None:
            return 1, self._take(caller)
        most = int(min(self._urgent or self._behind, max(1, self._limiter.count(start, self._next_due()))))
        if self._urgent:
            self._urgent -= most
        else:
            self._behind -= most
        return most, False

    def _take(self, caller: str) -> bool:
        self._shares.take(caller)
        if caller != self._turns.caller:
            self._waiting[caller] -= 1
            if not self._waiting[caller]:
                self._rota.drop(caller)
            return False
        which = next(number for number, count in enumerate(self._mine) if count)
        self._mine[which] -= 1
        if not any(self._mine):
            self._rota.drop(caller)
        return which == 1

    def _count(self, retry: Retry, by: int) -> None:
        turns = self._turns
        if retry.priority != turns.priority:
            if retry.place < turns.place:
                self._urgent += by
            else:
                self._behind += by
        elif retry.caller != turns.caller:
            self._waiting[retry.caller] = self._waiting.get(retry.caller, 0) + by
        else:
            self._mine[(retry.place >= turns.place) + (retry.place > turns.place)] += by

    def _sum(self, until: float = math.inf) -> tuple[Start, Start] | None:
        """Returns the first and last start of the ingestion's due batches, None if the last is not before `until`."""
        now = self._turns._replace(
            shares=self._shares, waiting=self._waiting, urgent=self._urgent, before=self._mine[0]
        )
        nths = now.ahead(0), now.ahead(self._mine[1] - 1)
        first, last = (Start(self._nth + nth, self._limiter.when(nth, self._due)) for nth in nths)
        return (first, last) if last.at < until else None
