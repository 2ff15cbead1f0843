"""When the batches on an ingestion's page waited and ran, as what its timeline draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..core import Attempt, Batch, Dispatch, Ingestion, timestamp

_IN_LINE = "line"
"""What a batch waited for where it is known only that it waited."""

_EARLIER = "earlier"
"""What a batch waited for where it may have been tried as well."""


def timeline(
    found: Ingestion,
    batches: Sequence[Batch],
    estimate: float | None,
    attempts: Iterable[Attempt],
    now: float,
    held_by: str,
) -> dict[str, Any]:
    """Returns a lane for each batch that waits, or ever ran, and the time that they span.

    `estimate` is the completion as estimated at submission, and `held_by` what the batches in line wait for now. Where
    nothing is known of the latest attempt at a batch, its lane has what the batch itself knows.
    """
    made: dict[int, list[Attempt]] = {}
    for one in attempts:
        made.setdefault(one.position, []).append(one)
    lanes = [
        {"position": batch.position, "parts": parts}
        for batch in batches
        if (parts := list(_parts(found, batch, made.get(batch.position, []), now, held_by)))
    ]
    end = now if found.finished_at is None else found.finished_at
    return {
        "accepted_at": timestamp(found.created_at),
        "finished_at": timestamp(found.finished_at),
        "estimated_at_submission": timestamp(estimate),
        "until": timestamp(max(end, estimate or 0.0)),
        "lanes": lanes,
    }


def latest_attempts(batches: Sequence[Batch], log: Iterable[Dispatch]) -> list[Attempt]:
    """Returns the latest attempts at batches, of those that are in a dispatch log; where they ran is unknown.

    When an attempt that failed ended is not known either, so it ends with its start.
    """
    started = {(batch.id, batch.started_at): batch for batch in batches if batch.started_at is not None}
    found = []
    for one in log if started else ():
        if batch := started.get((one.batch_id, one.started_at)):
            times = one.due_at, one.started_at, one.limited_by
            found.append(Attempt(one.position, one.attempt, *times, "", 0, *_end(batch), batch.error))
    return found


def _end(batch: Batch) -> tuple[float | None, str | None]:
    """Returns when the latest attempt at a batch ended, and how, as far as the batch knows; None while it runs."""
    if batch.waits:
        return batch.started_at, "retry" if batch.error else "released"
    if not batch.status.final:
        return None, None
    return batch.finished_at or batch.started_at, batch.status.value


def _parts(
    found: Ingestion, batch: Batch, made: Sequence[Attempt], now: float, held_by: str
) -> Iterator[dict[str, Any]]:
    before, outcome = found.created_at, ""
    for one in made or _last_known(found, batch):
        if outcome == "retry":
            yield _wait(outcome, before, one.due_at)
        elif not outcome and one.due_at > before:
            yield _wait(_EARLIER if one.number > 1 else _IN_LINE, before, one.due_at)
        yield _wait(one.limited_by, one.due_at, one.started_at)
        before, outcome = now if one.ended_at is None else one.ended_at, one.outcome or "triggered"
        yield _part("ran", outcome, one.started_at, before, one.error)
    if batch.waits:
        yield from _waits(batch, before, now, held_by)


def _last_known(found: Ingestion, batch: Batch) -> list[Attempt]:
    """Returns the latest attempt at a batch, if there was one, as far as the batch itself knows."""
    if batch.started_at is None:
        return []
    waited_for = _EARLIER if batch.attempt > 1 else _IN_LINE
    times = found.created_at, batch.started_at, waited_for
    return [Attempt(batch.position, batch.attempt, *times, "", 0, *_end(batch), batch.error)]


def _waits(batch: Batch, before: float, now: float, held_by: str) -> Iterator[dict[str, Any]]:
    due = batch.next_attempt_at or before
    if due > now:
        yield _part("waits", "retry", before, now) | {"due_at": timestamp(due)}
        return
    if due > before and batch.attempt:
        yield _wait("retry", before, due)
        before = due
    yield _part("waits", held_by, before, now)


def _wait(reason: str, start: float, end: float) -> dict[str, Any]:
    return _part("waited", reason, start, end)


def _part(kind: str, what: str, start: float, end: float, error: Any = None) -> dict[str, Any]:
    return {
        "kind": kind,
        "what": what,
        "from": timestamp(start),
        "to": timestamp(max(start, end)),
        "error": error and error._asdict(),
    }
