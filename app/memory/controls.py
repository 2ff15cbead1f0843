"""What people do to an ingestion: cancel, redrive and move it."""

from __future__ import annotations

from ..core import FAILED, NEW, Priority, Status, check_cancel, check_move, check_redrive, rank_of
from ..queue import Entry
from .fair import FairQueue
from .record import Record
from .state import MemoryState


def cancel(state: MemoryState, record: Record, by: str | None, now: float, *, audited: bool = True) -> bool:
    """Cancel an ingestion; returns whether it was not cancelled before. Raises Conflict."""
    status = record.status
    if not check_cancel(status, cancelled=record.cancelled):
        return False
    if audited:
        state.audits.note(by, "cancel", record.id, {"status": status}, {"status": Status.CANCELLED})
    state.backlog.change(record, -record.waiting)
    record.cancelled = True
    state.parked.pop(record, None)
    state.aside.remove_of(record)
    line = state.queue.line_of(record) if isinstance(state.queue, FairQueue) else state.queue
    if line is not None:
        line.note_gone(lambda owner: owner.cancelled)
    if state.holdings:
        state.holdings.recount(record)
    state.settle(record, now)
    return True


def redrive(state: MemoryState, record: Record, by: str | None, now: float, *, audited: bool = True) -> None:
    """Start an ingestion's failed batches over. Raises Conflict."""
    check_redrive(record.tally[FAILED], cancelled=record.cancelled)
    if audited:
        state.audits.note(by, "redrive", record.id, {"failed": record.tally[FAILED]}, {"failed": 0})
    if record.finished_at is not None:
        record.finished_at = record.estimated_completion = None
        record.parked = state.gate.pauses.cover(record.priority, record.owner)
        state.backlog.add(record)
    failed = [position for position, byte in enumerate(record.states) if byte == FAILED]
    for position in failed:
        record.move(position, NEW)
        record.details.attempts[position] = 0
        state.line_up(Entry(record.rank, record.order, position, now, record), now)
    state.registry.failed -= len(failed)
    state.recount(record, len(failed))
    state.registry.catalog.refile(record)


def move(state: MemoryState, record: Record, priority: Priority, by: str | None, now: float) -> None:
    """Have what waits of an ingestion go at another priority. Raises Conflict."""
    check_move(record.status, cancelled=record.cancelled)
    if priority == (before := record.priority):
        return
    state.audits.note(by, "move", record.id, {"priority": before.name}, {"priority": priority.name})
    rank = rank_of(state.settings.priority_aging, priority, record.created_at)
    entries = state.queue.remove({record}) + state.parked.pop(record, []) + state.aside.remove_of(record)
    state.backlog.move(record, priority, rank)
    state.backlog.park(record, parked=state.gate.pauses.cover(priority, record.owner))
    for entry in entries:
        state.line_up(entry._replace(rank=rank), now)
    record.estimated_completion = None
    state.gate.order_since = now
    state.registry.catalog.refile(record)
    if state.holdings:
        state.holdings.move(record, before)
