"""How a submission is handled: recognised by its key, refused, or stored."""

from __future__ import annotations

from functools import partial

from ..core import Timeline, admit, batch_count, check_quota, since_of, until_started
from ..queue import Entry
from ..store import Submission
from .forecast import new_prospect, prospect, timeline_of
from .holdings import Holdings
from .record import Record
from .state import MemoryState


def add(state: MemoryState, submission: Submission, now: float) -> tuple[Record, bool]:
    """Accept a submission; returns its ingestion and whether that is new. Raises Refusal."""
    settings, registry, serving, key = state.settings, state.registry, state.serving, submission.key
    registry.forget(now)
    if known := registry.with_key(submission, now):
        return known, False
    since = since_of(settings, submission.fresh, now)
    served = serving.leading(submission, since) if serving else ()
    left = max(0, len(submission.ids) - len(served) * settings.batch_size)
    count = batch_count(left, settings.batch_size)
    timeline = timeline_of(state, now)
    new = new_prospect(state, submission.priority, submission.owner, count, now)
    if count:
        if state.holdings and submission.owner is not None:
            _check_quota(state, state.holdings, submission.owner, left, timeline)
        admit(settings, timeline, new, submission.deadline)
    state.order += 1
    record = Record(state.ids.next(), state.order, new.place[0], now, settings.batch_size, submission, since)
    record.parked = new.parked
    if count:
        record.estimated_completion = timeline.completion(new)
    registry.add(record)
    if key is not None:
        registry.remember_key(submission.owner, key, submission.fingerprint, record)
    state.backlog.add(record)
    if state.holdings:
        state.holdings.recount(record)
    if serving:
        serving.serve_first(record, served, now)
    if count:
        state.line_up(Entry(record.rank, record.order, record.cursor, now, record), now)
    return record, True


def _check_quota(state: MemoryState, holdings: Holdings, owner: str, count: int, timeline: Timeline) -> None:
    """Refuse `count` more ids if their owner would then have too many waiting."""
    now = timeline.starts.now

    def until(ids: int) -> float | None:
        later = partial(holdings.later, owner, now)
        return until_started(ids, holdings.due(owner, now), later, partial(prospect, state), timeline)

    check_quota(state.settings.key_quota, count, holdings.ids(owner), until)
