"""An ingestion's status as JSON text, with 100,000 batches if need be. New members are only ever added."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import chain
from typing import Any

from ..callbacks import Callback, CallbackState
from ..core import (
    Batch,
    Batches,
    Estimate,
    Ingestion,
    Quote,
    Strings,
    batch_id_parts,
    dumps,
    ingestion_document,
    timestamp,
)

_MOMENTS = "started_at", "finished_at", "next_attempt_at"
"""The times of a batch, in the order in which they are written."""

_LINES = 1000
"""Batches written at a time."""

_MANY = 30
"""Batches from which on it pays to look for runs of equal states."""


def estimate_document(estimate: Estimate | Quote) -> dict[str, Any]:
    told = {
        "batches_ahead": estimate.batches_ahead,
        "estimated_start": timestamp(estimate.start),
        "estimated_completion": timestamp(estimate.completion),
    }
    return told | {"at_latest": True} if estimate.at_latest else told


def callback_document(callback: Callback) -> dict[str, Any]:
    pending = callback.state is CallbackState.PENDING
    return {
        "id": callback.id,
        "state": callback.state.value,
        "attempts": callback.attempts,
        "error": callback.error,
        "next_attempt_at": timestamp(callback.at) if pending else None,
    }


def status_head(ingestion: Ingestion, estimate: Estimate | None, callback: Callback | None) -> str:
    """Returns the start of the JSON text of a status page: everything but the batches."""
    # The text does not hold the next change, which is the present while a batch runs.
    told = None
    if estimate:  # a copy by name takes three times as long
        told = Quote(estimate.batches_ahead, estimate.start, estimate.completion, estimate.at_latest)
    return _status_head(ingestion, told, callback)


@functools.lru_cache(1024)  # A poll mostly finds nothing changed: 10 % of a status request on granian.
def _status_head(ingestion: Ingestion, told: Quote | None, callback: Callback | None) -> str:
    document = ingestion_document(ingestion)
    if told:
        document.update(estimate_document(told))
    if callback:
        document["callback"] = callback_document(callback)
    return dumps(document)[:-1]


def status_page(head: str, batches: Batches) -> list[str]:
    """Returns the JSON text of a status page in parts, since a page may have 100,000 batches."""
    if len(batches) < _MANY:
        return [f'{head},"batches":[{",".join(map(batch_text, batches))}]}}']
    parts = [f'{head},"batches":[', *_batch_texts(batches)]
    parts[-1] = f"{parts[-1][:-1]}]}}"
    return parts


def _batch_texts(batches: Batches) -> Iterator[str]:
    """Yields the JSON texts of batches, each with a comma; a run of equal states from one template, 6 times as fast."""
    start, numbers = batch_id_parts(batches.ingestion_id)
    size = batches.batch_size
    strings = isinstance(batches.ids, Strings)
    places = ", ".join(["%s" if strings else "%d"] * size)
    for run in batches.runs():
        if isinstance(run, Batch):
            yield f"{batch_text(run)},"
            continue
        members, status, attempt = run
        moments = [] if not attempt else [batches.started, batches.finished] if status.final else [batches.started]
        told = "".join(f',"{name}":"%s"' for name in _MOMENTS[: len(moments)])
        template = f'{{"batch_id":"{start}%012x","ids":[{places}],"status":"{status}"{_attempts(attempt)}{told}}},'
        for at in range(members.start, members.stop, _LINES):
            some = members[at - members.start :][:_LINES]
            part = batches.ids[some.start * size : some.stop * size]
            ids = map(dumps, part) if strings else iter(part)
            times = [map(timestamp, moment[some.start : some.stop]) for moment in moments]
            values = zip(numbers(batches.positions[some.start : some.stop]), *[ids] * size, *times, strict=True)
            yield template * len(some) % tuple(chain.from_iterable(values))


def batch_text(batch: Batch) -> str:
    """Returns the JSON text of a batch."""
    told = _told(batch.attempt, batch.started_at, batch.finished_at, batch.next_attempt_at)
    error = f',"error":{dumps(batch.error._asdict())}' if batch.error else ""
    ids = batch.ids if isinstance(batch.ids[0], int) else dumps(batch.ids)
    return f'{{"batch_id":"{batch.id}","ids":{ids},"status":"{batch.status}"{told}{error}}}'


@functools.lru_cache(1024)  # A poll asks for the same again: 5 % of a status request.
def _told(attempt: int, *moments: float | None) -> str:
    """Returns the members that say how far a batch has come, given its `_MOMENTS`."""
    times = zip(_MOMENTS, map(timestamp, moments), strict=True)
    return _attempts(attempt) + "".join(f',"{name}":"{time}"' for name, time in times if time)


def _attempts(attempt: int) -> str:
    return f',"attempts":{attempt}' if attempt else ""
