"""Batches that need no call, and batches that await another's: they leave the line without a token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, insert, update

from ..core import (
    COMPLETED,
    FAILED,
    MOST_SERVED,
    WAITING,
    Answers,
    Asker,
    Batch,
    Id,
    Ids,
    Known,
    Need,
    Priority,
    Served,
    Status,
    leading,
    mark_of,
    need_of,
    scope_of,
    statuses,
)
from ..store import Submission
from . import known
from .answers import error_columns, packed
from .ends import settle
from .fair import in_order
from .picks import Candidate
from .rows import IngestionRow
from .schema import AWAITING, NOT_IN_LINE, THIS_BATCH, batch_key, batches
from .turns import Turn
from .wire import Values

_SOME = 100
"""Batches looked at together once the first need no call."""

_ENDED = ("state", "line", "finished_at", "error_type", "error_message", "results", "left", "alone")
_AWAITS = ("line", "awaits_order", "awaits_position", "results", "left", "alone", "due", "caller")
_LEARNT = ("results", "left", "alone")
_FIRST = ("instance", "order", "position", "rank", "attempt")


def _add(names: Sequence[str]) -> Any:
    return insert(batches).values({name: bindparam(name) for name in {*_FIRST, "state", *names}})


def _change(names: Sequence[str]) -> Any:
    return update(batches).where(*THIS_BATCH).values({name: bindparam(name) for name in names})


_ADD_ENDED, _END, _ADD_AWAITING, _AWAIT, _LEARN = (
    _add(_ENDED),
    _change(_ENDED),
    _add(_AWAITS),
    _change(_AWAITS),
    _change(_LEARNT),
)


class Serving:
    """Serves ids from what is known, under FRESH, in one turn; `write` writes what `due` found."""

    def __init__(self, turn: Turn) -> None:
        self.has_more = False
        self._turn = turn
        self._settings = turn.settings
        self._rows: dict[int, IngestionRow] = {}
        self._changes: dict[Any, list[Values]] = {}
        self._used: list[tuple[str, Id]] = []
        self._asked: dict[tuple[str, Id], Asker] = {}
        self._needs: dict[tuple[float, int, int], tuple[Candidate, Need]] = {}

    def due(self, most: int) -> Iterator[Candidate]:
        """Yields up to `most` due batches that have to be asked, most urgent first; `start` is to be called for each.

        Those that come up before the last of them and need no call are taken out of line. With FILL, one is all.
        """
        by_turns = bool(self._turn.queue.fair)  # what needs no call is no turn, so another's may come next
        size, looked_at, starts = 1 if by_turns else max(most, 1), 0, False
        while True:
            picked = in_order(self._turn, size)
            known_of = self.look(picked)
            for candidate in picked:
                asking = self.asking(candidate, known_of)
                if asking is None:
                    continue
                if not most:
                    return
                most, starts = most - 1, True
                yield asking
                if self._settings.fill:
                    return
            looked_at += len(picked)
            if len(picked) < size or (starts and not most):
                return
            if starts or looked_at >= MOST_SERVED:
                self.has_more = True
                return
            self.write()
            size = 1 if by_turns else _SOME

    def write(self) -> None:
        """Write all of it."""
        known.use(self._turn, self._used)
        known.ask(self._turn, self._asked)
        for statement, values in self._changes.items():
            self._turn.connection.execute(statement, values)
        self._turn.save(self._rows.values())
        for kept in (self._used, self._asked, self._changes, self._rows):
            kept.clear()

    def look(self, picked: Sequence[Candidate]) -> Mapping[str, Mapping[Id, Known]]:
        """Returns what is known of the ids of some batches, by scope."""
        wanted: dict[str, list[Id]] = {}
        for candidate in picked:
            if candidate.row.since is not None:
                wanted.setdefault(scope_of(self._settings, candidate.row.owner), []).extend(candidate.ids)
        return {scope: known.look(self._turn, scope, ids) for scope, ids in wanted.items()}

    def asking(self, candidate: Candidate, found: Mapping[str, Mapping[Id, Known]]) -> Candidate | None:
        """Returns a batch as its call would have it, None if it leaves the line: it needs none, or awaits another's."""
        need = self._need(candidate, found)
        if not need.answers.left:
            self._serve(candidate, need)
        elif need.awaits is not None:
            self._await(candidate, need, need.awaits)
        else:
            self._needs[candidate.place] = candidate, need
            return candidate._replace(answers=need.answers)
        return None

    def _need(self, candidate: Candidate, found: Mapping[str, Mapping[Id, Known]]) -> Need:
        row, scope = candidate.row, scope_of(self._settings, candidate.row.owner)
        need = need_of(candidate.answers, candidate.ids, mark_of(row.since, row.order), found.get(scope, {}))
        if need.awaits is None and row.since is not None:
            # What starts in this turn is not yet written down.
            askers = (self._asked.get((scope, candidate.ids[nth])) for nth in need.answers.asked)
            need = need._replace(awaits=next((one for one in askers if one is not None), None))
        return need

    def _serve(self, candidate: Candidate, need: Need) -> None:
        turn, row = self._turn, candidate.row
        state, error, _ = need.answers.end
        self._leave_line(candidate, need)
        turn.wait(row, -candidate.answers.starts, -len(candidate.answers.left))
        row.retrying -= candidate.state == WAITING
        row.completed += state == COMPLETED
        row.failed += state == FAILED
        turn.queue.failed += state == FAILED
        values = ended_values(turn, need.answers)
        self._learn(candidate, need, _ADD_ENDED if candidate.fresh else _END, values)
        settle(turn, row)
        batch = candidate.batch(candidate.attempt, statuses(cancelled=False)[state])
        tell(turn, row, batch._replace(finished_at=turn.now, error=error), len(need.served))

    def _await(self, candidate: Candidate, need: Need, asker: Asker) -> None:
        self._leave_line(candidate, need)
        self._turn.queue.lined += need.answers.starts
        self._recount(candidate, need)
        order, position = asker
        values: Values = {
            "state": candidate.state,
            "line": AWAITING,
            "awaits_order": order,
            "awaits_position": position,
        }
        values |= {"due": candidate.due, "caller": candidate.row.caller}
        self._learn(candidate, need, _ADD_AWAITING if candidate.fresh else _AWAIT, values)

    def start(self, asking: Candidate) -> None:
        """Note what was served of a batch that starts."""
        candidate, need = self._needs.pop(asking.place)
        row, (before, after) = candidate.row, (candidate.answers, need.answers)
        if not candidate.fresh:
            self._turn.queue.lined += after.starts - before.starts
        self._recount(candidate, need)
        self._used += [(scope_of(self._settings, row.owner), one) for one in need.served]
        if need.served:
            self._learn(candidate, need, _LEARN, {})

    def ask(self, call: Sequence[Candidate]) -> None:
        """Note which ids a whole call asks, each for the first of its batches that has it, for that one ends last."""
        for one in reversed(call):
            scope, asker = scope_of(self._settings, one.row.owner), (one.row.order, one.position)
            self._asked |= {(scope, one.ids[nth]): asker for nth in one.answers.asked}

    def _leave_line(self, candidate: Candidate, need: Need) -> None:
        row = candidate.row
        self._used += [(scope_of(self._settings, row.owner), one) for one in need.served]
        if candidate.fresh:
            row.cursor += 1
        else:
            self._turn.queue.lined -= candidate.answers.starts

    def _recount(self, candidate: Candidate, need: Need) -> None:
        """Count what a batch that is not served needs by now."""
        before, after = candidate.answers, need.answers
        self._turn.wait(candidate.row, after.starts - before.starts, len(after.left) - len(before.left))
        if need.served:
            self._turn.served.append((None, len(need.served)))

    def _learn(self, candidate: Candidate, need: Need, statement: Any, values: Values) -> None:
        row, answers, instance = candidate.row, need.answers, self._turn.queue.instance
        row.served += len(need.served)
        self._rows[row.order] = row
        learnt: Values = {"results": packed(answers.known), "alone": answers.alone}
        learnt["left"] = len(answers.left) if answers.known else None
        self._changes.setdefault(statement, []).append(_key(instance, row, candidate.position) | learnt | values)


def leading_of(turn: Turn, submission: Submission, since: float | None) -> list[tuple[str, ...]]:
    """Returns the answers of the first batches of a submission, as far as they are known."""
    scope, mark = scope_of(turn.settings, submission.owner), mark_of(since, turn.queue.orders + 1)
    return leading(submission.ids, turn.settings.batch_size, mark, lambda ids: known.look(turn, scope, ids))


def serve_first(turn: Turn, row: IngestionRow, ids: Ids, served: Sequence[tuple[str, ...]]) -> None:
    """Complete the first batches of a new ingestion, with their answers."""
    size, instance, scope = row.batch_size, turn.queue.instance, scope_of(turn.settings, row.owner)
    rows = []
    for position, texts in enumerate(served):
        answers, some = Answers(len(texts), texts), ids[position * size : (position + 1) * size].tolist()
        row.cursor += 1
        row.completed += 1
        row.served += len(some)
        turn.wait(row, -1, -len(some))
        settle(turn, row)
        rows.append(_key(instance, row, position) | ended_values(turn, answers))
        known.use(turn, [(scope, one) for one in some])
        priority = Priority(row.priority)
        batch = Batch(row.id, position, some, Status.COMPLETED, priority, finished_at=turn.now)
        tell(turn, row, batch, len(some))
    if rows:
        turn.connection.execute(_ADD_ENDED, rows)


def ended_values(turn: Turn, answers: Answers) -> Values:
    """Returns what is stored of a batch that ends now, because nothing of it is left to ask."""
    state, error, after = answers.end
    error_type, message = error_columns(error)
    return {
        "state": state,
        "line": NOT_IN_LINE,
        "finished_at": turn.now,
        "error_type": error_type,
        "error_message": message,
        "results": packed(after.known),
        "left": None if state == COMPLETED else len(after.left),
        "alone": after.alone,
    }


def tell(turn: Turn, row: IngestionRow, batch: Batch, ids: int) -> None:
    """Have a batch announced of which so many ids were served just now."""
    turn.served.append((Served(batch, row.snapshot(), turn.now - row.created_at), ids))


def _key(instance: int, row: IngestionRow, position: int) -> Values:
    """Returns the values that find a batch's row, or begin it."""
    begun = {"instance": instance, "order": row.order, "position": position, "rank": row.rank, "attempt": 0}
    return begun | batch_key(instance, row.order, position)
