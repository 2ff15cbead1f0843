"""Batches that need no call, and batches that await another's: they leave the line without a token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core import (
    FAILED,
    MOST_SERVED,
    Answers,
    Asker,
    Claim,
    Mark,
    Need,
    Served,
    leading,
    mark_of,
    need_of,
    scope_of,
)
from ..outcomes import Outcome
from ..queue import Entry
from ..store import Submission
from .known import KnownIds
from .record import Record

if TYPE_CHECKING:
    from .state import MemoryState


class Serving:
    """Serves ids from what is known, under FRESH. Called under the store's lock."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state
        self._settings = state.settings
        self._log = state.served
        self.known = KnownIds(state.settings)

    def leading(self, submission: Submission, since: float | None) -> list[tuple[str, ...]]:
        """Returns the answers of the first batches of a submission, as far as they are known."""
        scope, mark = scope_of(self._settings, submission.owner), mark_of(since, self._state.order + 1)
        return leading(submission.ids, self._settings.batch_size, mark, lambda ids: self.known.look(scope, ids))

    def serve_first(self, record: Record, served: Sequence[tuple[str, ...]], now: float) -> None:
        """Complete the first batches of a new ingestion, with their answers."""
        for position, texts in enumerate(served):
            record.cursor += 1
            ids = record.ids_of(position)
            self.known.use(scope_of(self._settings, record.owner), ids, now)
            self._serve(record, position, Need(Answers(len(texts), texts), ids), now)

    def to_ask(self, now: float) -> tuple[Entry[Record], Need] | None:
        """Returns the most urgent due entry that needs a call, and what it needs.

        Those before it are out of line by then; if these are MOST_SERVED, returns None.
        """
        for _ in range(MOST_SERVED):
            entry = self._state.first(now)
            if entry is None:
                return None
            if need := self._asking(entry, now):
                return entry, need
        return None

    def awaiting(self) -> list[Entry[Record]]:
        """Returns the entries that await another's call, at their ingestions' places, but for what is not in line."""
        return [one._replace(rank=one.owner.rank) for one in self.known.waiting() if one.owner.lined]

    def started(self, call: Claim) -> None:
        """Note which ids a call asks, each for the first of its batches that has it, for that one ends last."""
        for claim in reversed(call.all):
            batch = claim.batch
            record = self._state.leases.record_of(batch)
            self.known.ask(scope_of(self._settings, record.owner), batch.ids, (record.order, batch.position))

    def ended(self, record: Record, position: int, outcome: Outcome, now: float) -> None:
        """Note what a call answered, before its batch changes; whoever awaits it is in line again."""
        ids, asked = record.ids_of(position), record.answers(position).asked
        asker, mark = (record.order, position), Mark(now, self._state.order)
        told = outcome.answers(len(asked))
        self.known.ended(scope_of(self._settings, record.owner), [ids[nth] for nth in asked], told, asker, mark)
        self._release(asker, now)

    def _release(self, asker: Asker, now: float) -> None:
        for entry in self.known.release(asker):
            if not entry.owner.cancelled:
                # It is due from now on: until now it could not be, and nobody behind it has overtaken it.
                if entry.position in entry.owner.details.dues:
                    entry.owner.details.dues[entry.position] = now
                self._state.line_up(entry._replace(rank=entry.owner.rank, due=now), now)

    def _asking(self, entry: Entry[Record], now: float) -> Need | None:
        """Returns what the first entry needs, None if it leaves the line: it needs no call, or awaits another's."""
        record, position = entry.owner, entry.position
        scope, ids = scope_of(self._settings, record.owner), record.ids_of(position)
        need = need_of(record.answers(position), ids, mark_of(record.since, record.order), self.known.look(scope, ids))
        if not need.answers.left:
            self.known.use(scope, need.served, now)
            self._state.leave_line(entry)
            self._serve(record, position, need, now)
        elif need.awaits is None:
            return need
        else:
            self.learn(entry, need, now)
            self._state.leave_line(entry)
            self.known.wait_for(need.awaits, entry)
        return None

    def learn(self, entry: Entry[Record], need: Need, now: float) -> None:
        """Keep what was served of a batch in line that has more to ask."""
        if not need.served:
            return
        record, position = entry.owner, entry.position
        self.known.use(scope_of(self._settings, record.owner), need.served, now)
        before = record.starts(position)
        record.learn(position, need.answers, len(need.served))
        self._state.recount(record, record.starts(position) - before)
        self._log.add(None, len(need.served))

    def _serve(self, record: Record, position: int, need: Need, now: float) -> None:
        """End a batch that has nothing left to ask and is out of line."""
        state, starts, attempt = self._state, record.starts(position), record.attempt(position)
        record.serve(position, need.answers, len(need.served), now)
        if attempt != 1:
            record.details.attempts[position] = attempt
        record.details.dues.pop(position, None)
        state.registry.failed += record.states[position] == FAILED
        state.registry.catalog.refile(record)
        state.recount(record, -starts)
        state.settle(record, now)
        batch = record.batches(range(position, position + 1))[0]._replace(started_at=None)
        self._log.add(Served(batch, record.snapshot(), now - record.created_at), len(need.served))
