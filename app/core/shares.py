"""Whose turn it is where callers take turns: start-time fair queueing."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

UNIT = 720_720
"""How far a turn takes a caller of weight 1. Every weight up to 16 divides it; a share of others is off by 0.02 %."""

CallerTurn: TypeAlias = tuple[int, str]
"""When a caller's turn is: its tag, and its name, which decides between equal tags."""


def caller_of(owner: str | None) -> str:
    """Returns the caller that an owner's ingestions count for; those of nobody are one caller, named ''."""
    return owner or ""


Share: TypeAlias = tuple[int, int, int]
"""A caller's part at one priority: what a turn adds to its tag, its tag, and how many turns it is owed.

The tag is the virtual time of its next turn. It is owed the turns that it has paid for with batches that were put back;
below 0, these are its rides since its latest turn. A plain tuple, because an estimate reads those of all callers.
"""


class Shares:
    """The callers' virtual times at one priority (P. Goyal, H. M. Vin, H. Cheng, 1996, "Start-time Fair Queueing").

    `now` is the virtual time: the tag of the latest turn. A caller whose tag is behind it had nothing due, and goes on
    from there, so nobody saves up turns. All are whole numbers. A tag belongs to a caller, so a cancel costs nothing.
    """

    def __init__(self, weights: Mapping[str, int], now: int = 0) -> None:
        self.now = now
        self._costs = {caller: UNIT // weight for caller, weight in weights.items()}
        self._known: dict[str, Share] = {}
        self._most = 64

    def copy(self) -> Shares:
        other = Shares({}, self.now)
        other._costs = self._costs
        other._known = self._known.copy()
        return other

    def put(self, caller: str, tag: int, owed: int) -> None:
        """Set a caller's part, as it was kept."""
        self._known[caller] = self._cost(caller), tag, owed

    def put_all(self, told: Iterable[tuple[str, int, int]]) -> None:
        """Set the parts of all callers, as they were kept: their names, tags, and turns owed."""
        costs, now = self._costs, self.now
        self._known = {
            caller: (costs.get(caller, UNIT), tag, owed)
            for caller, tag, owed in told
            if owed > 0 or tag - owed > now  # all others say nothing
        }

    def kept(self, caller: str) -> tuple[int, int]:
        """Returns what is to be kept of a caller: its tag, and how many turns it is owed."""
        _, tag, owed = self._known[caller]
        return tag, owed

    def turn(self, caller: str) -> CallerTurn:
        """Returns the turn of a caller that has something due; the least goes next."""
        share = self._known.get(caller)
        if share is None:
            return self.now, caller
        _, tag, owed = share
        return self.now if owed > 0 else max(tag, self.now), caller

    def turn_to_ride(self, caller: str) -> CallerTurn:
        """Returns the same for a ride: later than its turn by its rides since the latest one."""
        share = self._known.get(caller)
        if share is None:
            return self.now, caller
        cost, tag, owed = share
        return self.now if owed > 0 or tag < self.now else tag - owed * cost, caller

    def take(self, caller: str) -> None:
        """Record that a batch of this caller, whose turn it is, starts."""
        cost, tag, owed = self._share(caller)
        if owed > 0:
            self._known[caller] = cost, tag, owed - 1
        else:
            self.now = max(tag, self.now)
            self._known[caller] = cost, self.now + cost, 0

    def ride(self, caller: str) -> None:
        """Record that a batch of this caller rides. That is no turn, for it takes no token that another waits for."""
        cost, tag, owed = self._share(caller)
        if owed <= 0:
            self._known[caller] = (cost, tag, owed - 1) if tag >= self.now else (cost, self.now, -1)

    def give_back(self, caller: str) -> None:
        """Record that a batch was put back untouched: its caller has that turn again, at once."""
        cost, tag, owed = self._share(caller)
        self._known[caller] = cost, tag, max(0, owed) + 1

    def ahead(self, waiting: Mapping[str, int], caller: str, nth: int) -> int:
        """Returns how many batches of others go before the nth due batch of a caller (from 0), in O(callers).

        `waiting` says how many each has.
        """
        return sum(self.before(waiting, caller, nth, nth)[0])

    def before(
        self, waiting: Mapping[str, int], caller: str, first: int, last: int
    ) -> tuple[Sequence[int], Sequence[int]]:
        """Returns how many batches of each go before two of a caller's due batches (from 0; of itself, none).

        `waiting` says how many each has.
        """
        now, known, costs = self.now, self._known, self._costs
        begin, end = self._nth_tag(caller, first), self._nth_tag(caller, last)
        before_first, before_last = list[int](), list[int]()
        add_first, add_last = before_first.append, before_last.append
        for other, count in waiting.items():
            cost, tag, owed = known.get(other) or (costs.get(other, UNIT), 0, 0)
            if tag < now:
                tag = now
            if owed < 0:
                owed = 0
            at = now
            if other <= caller:  # it goes first at equal tags, as if its own were less by one
                tag -= 1
                at -= 1
                if other == caller:
                    count = 0
            turns = owed - (tag - begin) // cost if tag < begin else owed if at < begin else 0
            add_first(turns if turns < count else count)
            turns = owed - (tag - end) // cost if tag < end else owed if at < end else 0
            add_last(turns if turns < count else count)
        return before_first, before_last

    def until(self, waiting: Mapping[str, int], wanted: Mapping[str, int]) -> int:
        """Returns how many due batches go until the number `wanted` of each caller has gone, in O(callers).

        `waiting` says how many each has.
        """
        nth_tags = ((self._nth_tag(caller, count - 1), caller) for caller, count in wanted.items() if count)
        _, last = max(nth_tags, default=(0, None))
        return 0 if last is None else wanted[last] + self.ahead(waiting, last, wanted[last] - 1)

    def _nth_tag(self, caller: str, nth: int) -> int:
        cost, tag, owed = self._known.get(caller) or (self._cost(caller), 0, 0)
        nth -= max(0, owed)
        return max(tag, self.now) + nth * cost if nth >= 0 else self.now

    def _share(self, caller: str) -> Share:
        share = self._known.get(caller)
        if share is None:
            if len(self._known) >= self._most:
                # A tag that the virtual time has reached says nothing, nor do rides once it has passed it.
                kept = self._known.items()
                self._known = {one: share for one, share in kept if share[2] > 0 or share[1] - share[2] > self.now}
                self._most = 64 + 2 * len(self._known)
            share = self._known[caller] = self._cost(caller), 0, 0
        return share

    def _cost(self, caller: str) -> int:
        return self._costs.get(caller, UNIT)


class Rota:
    """The callers at one priority that have something due, by turn, or as they ride. Each step costs O(log callers)."""

    def __init__(self, shares: Shares, *, to_ride: bool = False) -> None:
        self._turn = shares.turn_to_ride if to_ride else shares.turn
        self._turns: dict[str, CallerTurn] = {}
        self._heap: list[CallerTurn] = []

    def add(self, caller: str) -> None:
        """Put a caller in, or move one whose turn is earlier now."""
        turn = self._turn(caller)
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
            elif (due := self._turn(caller)) == turn:
                return caller
            else:
                # Its own turns and those of others have moved it back since it was put in.
                self._turns[caller] = due
                heapq.heapreplace(self._heap, due)
        return None

    def drop(self, caller: str) -> None:
        """Take out a caller that has nothing due."""
        del self._turns[caller]
