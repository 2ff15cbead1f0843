"""When the batches on an ingestion's page waited and ran, as what its timeline draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..core import Attempt, Batch, Ingestion, timestamp

IN_LINE = "line"
"""What a batch waits for of which no more is known than that it waits."""


def timeline(
    found: Ingestion, batches: Sequence[Batch], estimate: float | None, attempts: Iterable[Attempt], now: float
) -> dict[str, Any]:
    """Returns a lane for each batch that waits, or ever ran, and the time that they span.

    `estimate` is the completion as estimated at submission. Where no attempt is kept, a lane has what its batch knows
    of the latest.
    """
    made: dict[int, list[Attempt]] = {}
    for one in attempts:
        made.setdefault(one.position, []).append(one)
    lanes = [
        {"position": batch.position, "parts": parts}
        for batch in batches
        if (parts := list(_parts(found, batch, made.get(batch.position, []), now)))
    ]
    end = now if found.finished_at is None else found.finished_at
    return {
        "accepted_at": timestamp(found.created_at),
        "finished_at": timestamp(found.finished_at),
        "estimated_at_submission": timestamp(estimate),
        "until": timestamp(max(end, estimate or 0.0)),
        "lanes": lanes,
    }


def _parts(found: Ingestion, batch: Batch, made: Sequence[Attempt], now: float) -> Iterator[dict[str, Any]]:
    if not made and batch.started_at is None:
        if batch.waits:
            yield _wait(IN_LINE, found.created_at, now)
        return
    if not made and batch.started_at is not None:
        yield _wait(IN_LINE, found.created_at, batch.started_at)
        ran_until = batch.finished_at or (None if batch.waits else now)
        yield _part("ran", batch.status.value, batch.started_at, ran_until or batch.started_at, batch.error)
        return
    before, outcome = found.created_at, ""
    for one in made:
        if outcome == "retry":
            yield _wait(outcome, before, one.due_at)
        yield _wait(one.limited_by, one.due_at, one.started_at)
        before, outcome = now if one.ended_at is None else one.ended_at, one.outcome or "triggered"
        yield _part("ran", outcome, one.started_at, before, one.error)
    if batch.waits:
        yield _wait(outcome if outcome == "retry" else IN_LINE, before, now)


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
