"""What the API says about ingestions and their ids, as JSON. New members are only ever added."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from ..config import Settings
from ..core import (
    Attempt,
    BatchError,
    Failure,
    Found,
    Group,
    Id,
    Ingestion,
    Priority,
    Quote,
    Search,
    Spot,
    Stats,
    batch_id,
    dumps,
    ingestion_document,
    timestamp,
)
from .status import batch_text, estimate_document

T = TypeVar("T")

_LINES = 1000
"""Lines written at a time."""


def listing_document(page: Sequence[Ingestion], limit: int) -> dict[str, Any]:
    """Returns a page of ingestions and the cursor of the next one, None where the page holds fewer than `limit`."""
    return {
        "ingestions": [ingestion_document(ingestion) for ingestion in page],
        "next_cursor": str(page[-1].order) if len(page) == limit else None,
    }


def failures_document(groups: Sequence[Group], following: Spot | None) -> dict[str, Any]:
    """Returns a page of groups of failures; `following` is where the next one begins, None for the last."""
    cursor = None if following is None else "_".join(map(repr, following))
    return {"groups": [_group_document(group) for group in groups], "next_cursor": cursor}


def _group_document(group: Group) -> dict[str, Any]:
    latest = group.latest
    return {
        "group": group.key.id,
        "type": group.key.type,
        "message": group.key.message,
        "count": group.count,
        "first_at": timestamp(group.first_at),
        "last_at": timestamp(latest.at),
        "sample": {
            "ingestion_id": latest.ingestion_id,
            "batch_id": latest.batch_id,
            "error": latest.error._asdict(),
        },
        "ingestions": group.ingestions,
    }


def failure_lines(failures: Iterable[Failure]) -> Iterator[str]:
    """Yields a line of NDJSON for each id that failed, those of many batches at a time."""
    for some in _some(failures, _LINES // 10):
        yield "".join(
            f'{{"id":{dumps(id_)},"ingestion_id":"{one.ingestion_id}","batch_id":"{one.batch_id}",'
            f'"failed_at":"{timestamp(one.at)}","error":{dumps(error._asdict())}}}\n'
            for one in some
            for id_, error in one.ids
        )


def _some(items: Iterable[T], count: int) -> Iterator[list[T]]:
    """Yields items, `count` at a time."""
    rest = iter(items)
    while some := list(islice(rest, count)):
        yield some


def search_text(text: str, search: Search) -> str:
    """Returns the JSON text of where an id is."""
    found = ",".join(map(_found_text, search.found))
    rest = {
        "more": search.more,
        "complete": search.complete,
        "searched": search.searched,
        "all_unfinished": search.unfinished,
        "searched_since": timestamp(search.since),
    }
    return f'{{"id":{dumps(text)},"found":[{found}],{dumps(rest)[1:]}'


def _found_text(found: Found) -> str:
    ingestion, start = dumps(ingestion_document(found.ingestion)), dumps(timestamp(found.start))
    result = "null" if found.answer is None else f"{{{_answer_member(found.answer)}}}"
    batch = batch_text(found.batch)
    return f'{{"ingestion":{ingestion},"batch":{batch},"estimated_start":{start},"result":{result}}}'


def _answer_member(answer: str | BatchError) -> str:
    """Returns the member that holds the answer of an id."""
    return f'"data":{answer}' if isinstance(answer, str) else f'"error":{dumps(answer._asdict())}'


def attempts_document(
    settings: Settings,
    stats: Stats,
    ingestion: Ingestion,
    estimate: float | None,
    attempts: Iterable[Attempt],
    *,
    with_hosts: bool,
) -> dict[str, Any]:
    """Returns the attempts at an ingestion's batches, and what those wait for that have yet to start.

    `with_hosts` says where each ran, which is not everybody's.
    """
    waits = ingestion.counts.yet_to_start > 0
    return {
        "ingestion_id": ingestion.id,
        "created_at": timestamp(ingestion.created_at),
        "started_at": timestamp(ingestion.started_at),
        "finished_at": timestamp(ingestion.finished_at),
        "estimated_at_submission": timestamp(estimate),
        "waiting_on": stats.holds(ingestion.priority, ingestion.owner) if waits else None,
        "kept": settings.attempts_kept,
        "attempts": [_attempt_document(ingestion.id, one, with_hosts=with_hosts) for one in attempts],
    }


def _attempt_document(ingestion_id: str, attempt: Attempt, *, with_hosts: bool) -> dict[str, Any]:
    return {
        "batch_id": batch_id(ingestion_id, attempt.position),
        "position": attempt.position,
        "attempt": attempt.number,
        "due_at": timestamp(attempt.due_at),
        "limited_by": attempt.limited_by,
        "started_at": timestamp(attempt.started_at),
        "ended_at": timestamp(attempt.ended_at),
        "outcome": attempt.outcome,
        "error": attempt.error and attempt.error._asdict(),
        "host": attempt.host if with_hosts else None,
        "process": attempt.process if with_hosts else None,
    }


def quote_document(quotes: dict[Priority, Quote]) -> dict[str, Any]:
    return {priority.name: estimate_document(quote) for priority, quote in quotes.items()}


def result_lines(results: Iterable[tuple[Id, str | BatchError]]) -> Iterator[str]:
    """Yields NDJSON, many lines at a time."""
    lines: list[str] = []
    for id_, told in results:
        lines.append(f'{{"id":{id_ if isinstance(id_, int) else dumps(id_)},{_answer_member(told)}}}\n')
        if len(lines) == _LINES:
            yield "".join(lines)
            lines.clear()
    yield "".join(lines)
