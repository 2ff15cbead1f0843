"""One ingestion in memory: ids packed, a byte a batch, everything else only where it differs."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import compress, islice
from typing import TYPE_CHECKING, TypeVar

from ..core import (
    COMPLETED,
    FAILED,
    NEW,
    RUNNING,
    WAITING,
    Answer,
    Answers,
    Batch,
    Batches,
    Claim,
    Counts,
    Id,
    Ingestion,
    Kind,
    Need,
    Place,
    Status,
    batch_count,
    count_statuses,
    ids_at,
    roll_up,
    states_of,
)
from ..store import Submission
from .details import NO_DETAILS, Details

if TYPE_CHECKING:
    from .backlog import Block

T = TypeVar("T")

_IN_LINE = (NEW, WAITING)
_TRIGGERED = Status.TRIGGERED  # To look up a member of an enumeration takes Python 3.11 ten times as long.


class Record:
    """One ingestion. Not thread-safe: its store changes it under the store's lock.

    While it is `parked`, it waits outside of the line, because its priority or caller is paused. `cursor` is the
    position of the first batch never dispatched, `block` where the backlog has it, which sets it, `kind` what the
    catalog files it under, which sets that, and `since` the time after which answers serve it, None where none do.
    """

    __slots__ = (
        "batch_size", "block", "callback", "cancelled", "created_at", "cursor", "details", "estimated_completion",
        "finished_at", "id", "ids", "key", "kind", "order", "owner", "parked", "priority", "rank", "since",
        "started_at", "states", "tally",
    )  # fmt: skip

    def __init__(
        self,
        ingestion_id: str,
        order: int,
        rank: float,
        created_at: float,
        batch_size: int,
        submission: Submission,
        since: float | None = None,
    ) -> None:
        self.id = ingestion_id
        self.order = order
        self.rank = rank
        self.created_at = created_at
        self.batch_size = batch_size
        self.ids = submission.ids
        self.priority = submission.priority
        self.owner = submission.owner
        self.callback = submission.callback
        self.since = since
        self.key: tuple[str | None, str] | None = None
        self.kind: Kind
        self.block: Block
        self.cursor = 0
        self.cancelled = self.parked = False
        self.started_at: float | None = None
        self.finished_at: float | None = None
        self.estimated_completion: float | None = None
        count = batch_count(len(self.ids), batch_size)
        self.states = bytearray(count)
        self.tally = [count, 0, 0, 0, 0]
        self.details = NO_DETAILS

    def start(self, position: int, attempt: int, now: float) -> None:
        """Record that an attempt at a batch starts now."""
        if self.started_at is None:
            self.started_at = now
            self._detail()
        details = self.details
        if attempt != 1 or position in details.attempts:
            details.attempts[position] = attempt
        details.dues.pop(position, None)
        if 2 * position == len(details.times):
            details.times.extend((now, 0.0))
        else:
            self._reach(position)
            details.times[2 * position] = now
        self.move(position, RUNNING)

    def learn(self, position: int, answers: Answers, served: int) -> None:
        """Record the answers of a batch in line, of which so many ids were served just now."""
        self._detail()
        self.move(position, self.states[position], answers)
        self.details.served += served

    def serve(self, position: int, answers: Answers, served: int, now: float) -> None:
        """Record that a batch ends now without a start, because its answers are all known."""
        state, error, after = answers.end
        self.learn(position, after, served)
        self.move(position, state)
        self._reach(position)
        self.details.times[2 * position + 1] = now
        self.details.errors.pop(position, None)
        if error is not None:
            self.details.errors[position] = error
        if state == COMPLETED:
            self.details.results[position] = self.complete(position)

    def _detail(self) -> None:
        if self.details is NO_DETAILS:
            self.details = Details()

    def _reach(self, position: int) -> None:
        """Make room for the times of a batch whose turn came before that of others."""
        self.details.times.extend((0.0,) * (2 * position + 2 - len(self.details.times)))

    def move(self, position: int, state: int, answers: Answers | None = None) -> None:
        """Change a batch's state, and its answers if they are given."""
        details, before = self.details, self.states[position]
        if details.answers and before in _IN_LINE:
            self._weigh(position, -1)
        if answers:
            details.answers.pop(position, None)
            if answers.known:
                details.answers[position] = answers
        self.tally[before] -= 1
        self.tally[state] += 1
        self.states[position] = state
        if details.answers and state in _IN_LINE:
            self._weigh(position, 1)

    def _weigh(self, position: int, by: int) -> None:
        if answers := self.details.answers.get(position):
            self.details.starts += by * (answers.starts - 1)
            self.details.spared += by * (answers.size - len(answers.left))

    def answers(self, position: int) -> Answers:
        """Returns what is known of a batch's ids while it is not completed."""
        return self.details.answers.get(position) or Answers(self.size_of(position))

    def complete(self, position: int) -> Sequence[Answer]:
        """Returns the results of a batch whose last ids were answered, and forgets that they came apart."""
        known = self.answers(position).known
        self.details.answers.pop(position, None)
        return known

    def starts(self, position: int) -> int:
        """Returns how many starts a batch in line needs."""
        answers = self.details.answers
        return answers[position].starts if position in answers else 1

    def size_of(self, position: int) -> int:
        """Returns how many ids the batch at a position has; only the last may have fewer."""
        return min(self.batch_size, len(self.ids) - position * self.batch_size)

    def ids_of(self, position: int) -> Sequence[Id]:
        """Returns the ids of a batch."""
        ids: Sequence[Id] = self.ids[position * self.batch_size : (position + 1) * self.batch_size].tolist()
        return ids

    @property
    def place(self) -> Place:
        """Its place in line: rank, then creation order."""
        return self.rank, self.order

    @property
    def waiting(self) -> int:
        """How many starts the batches need that wait for their first or next attempt."""
        return 0 if self.cancelled else self.tally[NEW] + self.tally[WAITING] + self.details.starts

    @property
    def lined(self) -> int:
        """How many of these are in line."""
        return 0 if self.parked else self.waiting

    @property
    def waiting_ids(self) -> int:
        """How many ids the waiting batches ask; only the last batch may be short."""
        if not self.waiting:
            return 0
        ids = (self.tally[NEW] + self.tally[WAITING]) * self.batch_size - self.details.spared
        if self.states[-1] in _IN_LINE:
            ids -= len(self.states) * self.batch_size - len(self.ids)
        return ids

    @property
    def finished(self) -> bool:
        return not self.waiting and not self.tally[RUNNING]

    @property
    def status(self) -> Status:
        return roll_up(self.counts())

    def attempt(self, position: int) -> int:
        """Returns the number of the latest attempt at a batch; only those other than the first are stored."""
        return self.details.attempts.get(position, 0 if self.states[position] == NEW else 1)

    def in_line(self, position: int) -> range:
        """Returns the batches that an entry stands for: all that were never dispatched, or a single one."""
        return range(position, len(self.states) if position == self.cursor else position + 1)

    def ready_before(self, position: int, now: float) -> int:
        """Returns how many starts those batches need that are due, below a position that was dispatched before."""
        dues = self.details.dues.items()
        due = [at for at, due in dues if at < position and due <= now and self.states[at] == WAITING]
        return self.states.count(NEW, 0, position) + sum(map(self.starts, due))

    def counts(self) -> Counts:
        return count_statuses(*self.tally, cancelled=self.cancelled)

    def snapshot(self) -> Ingestion:
        return Ingestion(
            self.id,
            self.order,
            self.priority,
            self.created_at,
            len(self.ids),
            self.batch_size,
            self.counts(),
            self.started_at,
            self.finished_at,
            self.owner,
            None if self.since is None else self.details.served,
        )

    def claim(self, position: int, due_at: float, now: float, need: Need | None) -> Claim:
        """Returns the claim by which a batch would start now; `need` is what it needs, where FRESH says so."""
        ids = self.ids[position * self.batch_size : (position + 1) * self.batch_size].tolist()
        attempt, error = self.attempt(position) + 1, self.details.errors.get(position)
        batch = Batch(self.id, position, ids, _TRIGGERED, self.priority, attempt, error, now)
        if answers := need.answers if need else self.details.answers.get(position):
            batch = answers.asking(batch)
        return Claim(batch, due_at, now, self.owner)

    def page(self, offset: int, limit: int | None, only: Status | None) -> Batches:
        """Returns at most `limit` batches from `offset`, of those in a status if one is given."""
        if only is None:
            return self.batches(range(offset, len(self.states))[:limit])
        wanted = states_of(only, cancelled=self.cancelled)
        is_wanted = self.states.translate(bytes(state in wanted for state in range(256)))
        found = compress(range(len(self.states)), is_wanted)
        return self.batches(list(islice(found, offset, None if limit is None else offset + limit)))

    def batches(self, positions: Sequence[int]) -> Batches:
        """Returns the batches at some positions."""
        size, details = self.batch_size, self.details
        if isinstance(positions, range):
            states = bytes(self.states[positions.start : positions.stop])
            times = details.times[2 * positions.start : 2 * positions.stop]
        else:
            states = bytes(map(self.states.__getitem__, positions))
            times = array("d")
            for position in positions:
                times += details.times[2 * position : 2 * position + 2]
        return Batches(
            self.id,
            self.priority,
            size,
            positions,
            ids_at(self.ids, positions, size),
            states,
            times[::2],
            times[1::2],
            attempts=_within(details.attempts, positions),
            errors=_within(details.errors, positions),
            dues=_within(details.dues, positions),
            cancelled=self.cancelled,
        )

    def answered_from(self, position: int, limit: int) -> Iterator[tuple[int, Sequence[Answer]]]:
        """Yields the batches with answers among the `limit` from `position`, with one or None for each id."""
        details = self.details
        for at in range(position, min(position + limit, len(self.states))):
            if (state := self.states[at]) == COMPLETED:
                yield at, details.results[at] or ["null"] * self.answers(at).size
            elif state == FAILED or at in details.answers:
                yield at, self.answers(at).of_each(state, details.errors.get(at))


def _within(told: dict[int, T], positions: Sequence[int]) -> dict[int, T]:
    return {position: told[position] for position in positions if position in told} if told else {}
