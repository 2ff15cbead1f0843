"""The due batches where callers take turns, and how many of each caller wait."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice

from ..config import Settings
from ..core import CallerTurns, Place, Priority, Retry, Rota, Shares, caller_of
from ..queue import Entry, ReadyQueue
from .aside import Aside
from .backlog import Backlog, Lane
from .record import Record


class FairQueue:
    """A ready queue for each caller at each priority; `shares` says whose turn it is. Called under the store's lock.

    The most urgent due batch says which priority goes. With ranks that age, finding it looks at each caller once.
    """

    def __init__(self, weights: Mapping[str, int], *, aging: bool, fill: bool = False) -> None:
        self._fills = False
        self.shares = {priority: Shares(weights) for priority in Priority}
        self._rotas = {priority: Rota(shares) for priority, shares in self.shares.items()}
        self._to_ride = {priority: Rota(shares, to_ride=True) for priority, shares in self.shares.items() if fill}
        self._lines: dict[Priority, dict[str, ReadyQueue[Record]]] = {priority: {} for priority in Priority}
        self._aging = aging
        self._turn: tuple[Priority, str] | None = None

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Within the block, a call is filled: what rides goes next."""
        self._fills = True
        try:
            yield
        finally:
            self._fills = False

    def put(self, entry: Entry[Record]) -> None:
        """Add an entry."""
        priority, caller = entry.owner.priority, caller_of(entry.owner.owner)
        lines = self._lines[priority]
        if caller not in lines:
            lines[caller] = ReadyQueue()
            self._line_up(priority, caller)
        lines[caller].put(entry)

    def first(self) -> Entry[Record] | None:
        """Returns the entry that goes next without removing it; drops those of cancelled ingestions on the way."""
        for priority in self._by_urgency() if self._aging else Priority:
            rota = (self._to_ride if self._fills else self._rotas)[priority]
            while (caller := rota.first()) is not None:
                if entry := self._head(priority, caller):
                    self._turn = priority, caller
                    return entry
        return None

    def pop(self, following: Entry[Record] | None = None) -> None:
        """Remove the entry that `first` returned and add `following`; that is no turn of its caller yet."""
        priority, caller = self._whose()
        self._lines[priority][caller].pop(following)
        self._head(priority, caller)

    def take_turn(self) -> None:
        """Record that the entry that `first` returned starts: its caller's turn or, while a call is filled, a ride."""
        priority, caller = self._whose()
        if self._fills:
            self.shares[priority].ride(caller)
            return
        self.shares[priority].take(caller)
        if self._to_ride:
            self._to_ride[priority].add(caller)  # its rides no longer count

    def remove(self, owners: Collection[Record]) -> list[Entry[Record]]:
        """Remove the entries of some ingestions and return them; looks at all entries."""
        taken = []
        for priority, lines in self._lines.items():
            for caller, line in list(lines.items()):
                if found := line.remove(owners):
                    taken += found
                    self._head(priority, caller)
        return taken

    def give_back(self, priority: Priority, owner: str | None) -> None:
        """Give a caller a turn again that it took at this priority, because a batch was put back untouched."""
        caller = caller_of(owner)
        self.shares[priority].give_back(caller)
        if caller in self._lines[priority]:
            self._line_up(priority, caller)

    def line_of(self, record: Record) -> ReadyQueue[Record] | None:
        """Returns the queue that holds an ingestion's entries, if it has any."""
        return self._lines[record.priority].get(caller_of(record.owner))

    def by_caller(self, limit: int) -> dict[tuple[Priority, str], Iterator[Entry[Record]]]:
        """Returns the entries of each caller at each priority, most urgent first.

        Only of those from whom the next `limit` starts come, but with ranks that age of all.
        """
        found: dict[tuple[Priority, str], Iterator[Entry[Record]]] = {}
        for priority, lines in self._lines.items():
            if len(found) < limit or self._aging:
                in_turn = list(lines) if self._aging else sorted(lines, key=self.shares[priority].turn)
                due = (caller for caller in in_turn if self._head(priority, caller))
                for caller in islice(due, None if self._aging else limit - len(found)):
                    found[priority, caller] = lines[caller].in_order()
        return found

    def _whose(self) -> tuple[Priority, str]:
        if self._turn is None:
            raise LookupError("nothing is due")
        return self._turn

    def _by_urgency(self) -> list[Priority]:
        """Returns the priorities with something due, that with the most urgent batch first."""
        heads: list[tuple[Place, Priority]] = []
        for priority, lines in self._lines.items():
            found = [entry for caller in list(lines) if (entry := self._head(priority, caller))]
            heads += [(entry.place, priority) for entry in found]
        return list(dict.fromkeys(priority for _, priority in sorted(heads)))

    def _head(self, priority: Priority, caller: str) -> Entry[Record] | None:
        """Returns a caller's first entry that is not void; a caller without one leaves the rota."""
        line = self._lines[priority][caller]
        while (entry := line.first()) and entry.owner.cancelled:
            line.pop()
        if entry is None:
            del self._lines[priority][caller]
            self._rotas[priority].drop(caller)
            if self._to_ride:
                self._to_ride[priority].drop(caller)
        return entry

    def _line_up(self, priority: Priority, caller: str) -> None:
        self._rotas[priority].add(caller)
        if self._to_ride:
            self._to_ride[priority].add(caller)


class FairLane:
    """The unfinished ingestions of one priority, a lane for each caller.

    `total` and `parked` are those of a Lane. `waiting` says how many batches each caller has in line, and has no caller
    that has none.
    """

    def __init__(self) -> None:
        self.total = self.parked = 0
        self.waiting: dict[str, int] = {}
        self._lanes: dict[str, Lane] = {}
        self._last: Place | None = None
        self._oldest: Record | None = None
        """The first that has batches in line, as long as it has; None if it is not known."""

    def add(self, record: Record) -> None:
        caller, place = caller_of(record.owner), record.place
        if caller not in self._lanes:
            self._lanes[caller] = Lane()
        self._lanes[caller].add(record)
        self._last = max(self._last or place, place)
        self.parked += record.waiting - record.lined
        self._count(record, record.lined)

    def change(self, record: Record, by: int) -> None:
        """Change an ingestion's count of waiting batches."""
        self._lanes[caller_of(record.owner)].change(record, by)
        if record.parked:
            self.parked += by
        else:
            self._count(record, by)

    def remove(self, record: Record) -> None:
        """Forget an ingestion that has no waiting batches."""
        if record is self._oldest:
            self._oldest = None
        caller = caller_of(record.owner)
        lane = self._lanes[caller]
        lane.remove(record)
        if lane.is_empty:
            del self._lanes[caller]

    def ahead(self, place: Place) -> int:
        """Returns how many batches are in line at places before this one."""
        if self._last is None or self._last < place:
            return self.total  # Mostly the place of a new ingestion, which is last.
        return sum(lane.ahead(place) for lane in self._lanes.values())

    def before(self, caller: str, place: Place) -> int:
        """Returns how many of a caller's batches are in line before this place."""
        lane = self._lanes.get(caller)
        return lane.ahead(place) if lane else 0

    def before_of_each(self, place: Place) -> dict[str, int]:
        """Returns how many of each caller's batches are in line before this place."""
        return {caller: self._lanes[caller].ahead(place) for caller in self.waiting}

    def oldest(self) -> Record | None:
        """Returns the first ingestion that has batches in line."""
        if self._oldest is None or not self._oldest.lined:
            self._oldest = min(self.oldest_of_each().values(), key=lambda record: record.place, default=None)
        return self._oldest

    def oldest_of_each(self) -> dict[str, Record]:
        """Returns each caller's first ingestion that has batches in line."""
        return {caller: oldest for caller in self.waiting if (oldest := self._lanes[caller].oldest())}

    def parked_of_each(self) -> dict[str, int]:
        """Returns how many batches wait outside of the line, of each caller that has such."""
        return {caller: lane.parked for caller, lane in self._lanes.items() if lane.parked} if self.parked else {}

    def unfinished(self) -> list[Record]:
        """Returns all of them."""
        return [record for lane in self._lanes.values() for record in lane.unfinished()]

    def _count(self, record: Record, by: int) -> None:
        if by > 0 and self._oldest and record.place < self._oldest.place:
            self._oldest = record
        caller = caller_of(record.owner)
        self.total += by
        left = self.waiting.pop(caller, 0) + by
        if left:
            self.waiting[caller] = left


class Fair:
    """What a store keeps where callers take turns."""

    def __init__(self, settings: Settings) -> None:
        self._aging = bool(settings.priority_aging)
        self.queue = FairQueue(dict(settings.fair_weights), aging=self._aging, fill=settings.fill)
        self.backlog = Backlog(FairLane)

    def turns(self, priority: Priority, owner: str | None, place: Place, aside: Aside) -> CallerTurns:
        """Returns what is counted of the turns of an ingestion, or a new one, at its place."""
        lanes, caller = self.backlog.lanes, caller_of(owner)
        lane = lanes[priority]
        if self._aging:
            urgent = sum(
                self.queue.shares[level].until(other.waiting, other.before_of_each(place))
                for level, other in lanes.items()
                if level != priority
            )
        else:
            urgent = sum(other.total for level, other in lanes.items() if level < priority)

        def retries(limit: int) -> list[Retry]:
            return [
                Retry(entry.due, entry.owner.place, entry.owner.priority, caller_of(entry.owner.owner))
                for entry in islice(aside.entries(), limit)
            ]

        before = lane.before(caller, place)
        shares = self.queue.shares[priority]
        return CallerTurns(place, priority, caller, shares, lane.waiting, urgent, before, retries, self._aging)
