"""How claims end: completed, to be retried, failed, or lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, null, select, update
from sqlalchemy.dialects import postgresql

from ..core import COMPLETED, FAILED, RUNNING, WAITING, Answers, Claim, Priority, moving_mean, scope_of
from ..outcomes import Ended, Outcome
from . import attempts, callbacks, callers, known, minutes
from .answers import answers_of, error_columns, packed
from .contents import ids
from .doubt import ended_before
from .ids import slice_of
from .picks import BATCH_COLUMNS, OF_IDS, SAME_INGESTION, ids_of
from .rows import INGESTION_COLUMNS, INGESTION_NAMES, IngestionRow
from .schema import ASIDE, BATCH_KEY, NOT_IN_LINE, PARKED, READY, THIS, THIS_BATCH, batches, ingestions, some_of
from .turns import Turn
from .wire import Values

CLAIM_COLUMNS = [*INGESTION_COLUMNS, batches.c.rides, *BATCH_COLUMNS]
"""What is read of a claim, without its ids."""

WIDTH = len(CLAIM_COLUMNS)

_ID, _POSITION = INGESTION_NAMES.index("id"), len(INGESTION_NAMES) + 1

_CHANGED = (
    "state",
    "line",
    "attempt",
    "finished_at",
    "due",
    "error_type",
    "error_message",
    "results",
    "left",
    "alone",
)
_given = {name: bindparam(f"of_{name}", type_=batches.c[name].type) for name in ("instance", "order", "position")}
_given |= some_of(batches, ("rank", *_CHANGED))
_ended = postgresql.insert(batches).from_select(list(_given), select(*_given.values()))
# Where many end together, a conflict finds each by its key, whatever a new table's statistics suggest for a join.
_END = {
    True: update(batches).where(*THIS_BATCH).values({name: bindparam(name) for name in _CHANGED} | {"worker": null()}),
    False: _ended.on_conflict_do_update(
        index_elements=["instance", "order", "position"],
        set_={name: _ended.excluded[name] for name in _CHANGED} | {"worker": null()},
    ),
}
_OF_CALLER = update(batches).where(*THIS_BATCH).values(caller=bindparam("caller"))
_named = ingestions.alias()
ORDER = (
    select(_named.c.order)
    .where(_named.c.instance == THIS, _named.c.id == bindparam("id"))
    .correlate_except(_named)
    .scalar_subquery()
)
"""The order of the ingestion with an id."""

# Looked up before the join. In it PostgreSQL reads all batches of the queue while a new table has no statistics.
_CLAIM = (
    select(*CLAIM_COLUMNS)
    .join_from(batches, ingestions, SAME_INGESTION)
    .where(batches.c.instance == THIS, batches.c.order == ORDER, batches.c.position == bindparam("position"))
)
PART = slice_of(batches.c.position * ingestions.c.batch_size, ingestions.c.batch_size)
_CLAIM_WITH_IDS = _CLAIM.add_columns(PART).outerjoin(ids, OF_IDS)


def end(turn: Turn, ended: Sequence[tuple[Claim, Outcome]]) -> list[Ended | None]:
    """End claims; returns what each led to, None for a claim that is no longer the latest of its batch."""
    this = turn.queue.instance
    wanted = [{"this": this, "id": one.batch.ingestion_id, "position": one.batch.position} for one, _ in ended]
    after: list[Ended | None] = []
    ends, knows = Ends(turn), turn.settings.fresh is not None
    rows = turn.connection.found(_CLAIM_WITH_IDS if knows else _CLAIM, wanted)
    found = {(columns[_ID], columns[_POSITION]): columns for columns in rows}
    for claim, outcome in ended:
        columns = found.get((claim.batch.ingestion_id, claim.batch.position))
        part = columns[-1] if columns and knows else None
        if columns and ends.is_latest(columns, claim):
            after.append(ends.end(columns, outcome, claim.batch.priority, part))
        else:
            after.append(ended_before(turn, columns[:WIDTH], claim, outcome) if columns else None)
    ends.write()
    return after


class Ends:
    """Claims that end together: each ingestion is updated once, then everything is written."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._settings = turn.settings
        self._rows: dict[int, IngestionRow] = {}
        self._batches: dict[tuple[int, int], Values] = {}
        self._attempts: list[Values] = []
        self._calls: list[known.CallEnd] = []

    def is_latest(self, columns: Any, claim: Claim) -> bool:
        """Returns whether a batch, as read, still runs under this claim and did not end earlier in this turn."""
        _, position, state, attempt, _, claimed_at, *_ = columns[len(INGESTION_NAMES) :]
        runs = state == RUNNING and (columns[0], position) not in self._batches
        return runs and claim.is_latest(attempt, claimed_at)

    def end(self, columns: Any, outcome: Outcome, taken_at: Priority, part: bytes | None) -> Ended:
        """End a claim that took its caller's turn at the priority `taken_at`.

        `part` holds its batch's ids, packed, where they are integers and FRESH needs them.
        """
        turn, queue, (state, error, results, delay, counted) = self._turn, self._turn.queue, outcome
        row = self._rows.setdefault(columns[0], IngestionRow(*columns[: len(INGESTION_NAMES)]))
        rides, position, _, attempt, due, started_at, alone, partial, *stored = columns[len(INGESTION_NAMES) : WIDTH]
        answers = answers_of(row.size_of(position), partial, alone)
        if self._settings.fresh is not None:
            self._note(row, position, answers.asked, part, outcome)
        state, error, answers = answers.after(state, error, results, split=self._settings.split_failed)
        line = NOT_IN_LINE
        row.running -= 1
        queue.running -= not rides
        if state == COMPLETED:
            row.completed += 1
            stored = error_columns(None)
        elif state == FAILED:
            row.failed += 1
            queue.failed += 1
            minutes.fail(turn)
        elif not row.cancelled:
            due = turn.now + delay
            line = self._again(row, answers, due)
        if error is not None:
            stored = error_columns(error)
        if state == WAITING != outcome.state:
            attempt = 0
        if counted and not rides:
            queue.service = moving_mean(queue.service, turn.now - started_at, queue.dispatched - queue.running)
        elif queue.fair and not rides:
            callers.give_back(turn.connection, queue, taken_at, row.owner)
        self._batches[row.order, position] = {
            "of_instance": queue.instance,
            "of_order": row.order,
            "of_position": position,
            "rank": row.rank,
            "state": state,
            "line": line,
            "attempt": attempt if counted else attempt - 1,
            "finished_at": None if state == WAITING else turn.now,
            "due": due,
            "error_type": stored[0],
            "error_message": stored[1],
            "results": packed(answers.known),
            "left": len(answers.left) if state != COMPLETED and answers.known else None,
            "alone": answers.alone,
        }
        if self._settings.attempts_kept:
            self._attempts.append(attempts.ended(self._batches[row.order, position], state, error, counted=counted))
        settle(turn, row)
        return Ended(row.snapshot(), state, error)

    def _again(self, row: IngestionRow, answers: Answers, due: float) -> int:
        """Count a batch that goes again once it is due; returns where it waits for that."""
        turn = self._turn
        row.retrying += 1
        turn.wait(row, answers.starts, len(answers.left))
        if row.parked:
            return PARKED
        turn.queue.lined += answers.starts
        return ASIDE if due > turn.now else READY

    def _note(
        self, row: IngestionRow, position: int, asked: Sequence[int], part: bytes | None, outcome: Outcome
    ) -> None:
        """Note what a call answered."""
        of_batch = ids_of(self._turn, row, position, 1, part)
        told = outcome.answers(len(asked))
        scope = scope_of(self._settings, row.owner)
        self._calls.append(known.CallEnd(scope, (row.order, position), [of_batch[nth] for nth in asked], told))

    def write(self) -> None:
        if self._calls:
            known.ended(self._turn, self._calls)
        if self._batches:
            connection = self._turn.connection
            connection.each(_END[connection.is_sqlite], list(self._batches.values()))
            if self._attempts:
                attempts.end(self._turn, self._attempts)
            if self._turn.queue.fair:
                self._enlist()
            self._turn.save(self._rows.values())

    def _enlist(self) -> None:
        """Set whose the batches are that got in line."""
        in_line = [
            {name: values[name] for name in BATCH_KEY} | {"caller": row.caller}
            for values in self._batches.values()
            if values["line"] != NOT_IN_LINE and (row := self._rows[values["of_order"]]).caller is not None
        ]
        if in_line:
            self._turn.connection.execute(_OF_CALLER, in_line)


def settle(turn: Turn, row: IngestionRow) -> None:
    """Record the end of an ingestion that has nothing left to do."""
    if not row.finished or row.finished_at is not None:
        return
    row.finished_at = turn.now
    if row.estimated_completion is not None and not row.cancelled:
        row.miss = abs(turn.now - row.estimated_completion)
        minutes.miss(turn, row.miss)
    callbacks.add(turn, row)
