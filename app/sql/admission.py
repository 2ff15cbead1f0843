"""How a submission is handled: recognised by its key, refused, or stored."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping

from sqlalchemy import bindparam, func, insert, select, update

from ..config import Settings
from ..core import Ingestion, Prospect, Strings, Timeline, admit, batch_count, check_quota
from ..errors import KeyReused
from ..store import Submission
from . import finder
from .ends import clean
from .forecast import ahead_of, line
from .rows import INGESTION_COLUMNS, IngestionRow
from .schema import IS_SOMEBODYS, THIS, all_of, ids, ingestions, strings
from .turns import Turn

_BY_KEY = select(*INGESTION_COLUMNS, ingestions.c.fingerprint).where(
    ingestions.c.instance == THIS, ingestions.c.key == bindparam("key")
)
_FREE_KEY = (
    update(ingestions)
    .where(ingestions.c.instance == THIS, ingestions.c.order == bindparam("of_order"))
    .values(key=None)
)
_of_owner = (ingestions.c.instance == THIS, ingestions.c.owner == bindparam("owner"), IS_SOMEBODYS)
_HELD = select(func.coalesce(func.sum(ingestions.c.waiting_ids), 0)).where(*_of_owner)
_HOLDINGS = (
    select(
        ingestions.c.rank,
        ingestions.c.order,
        ingestions.c.waiting,
        ingestions.c.waiting_ids,
        ingestions.c.batch_size,
        ingestions.c.parked,
    )
    .where(*_of_owner)
    .order_by(ingestions.c.rank, ingestions.c.order)
)
_ADD_IDS = insert(ids).values(all_of(ids))
_ADD_STRINGS = insert(strings).values(all_of(strings))


def add(
    turn: Turn,
    settings: Settings,
    submission: Submission,
    packed: bytes,
    hashed: Mapping[int, bytes] | None,
    forgotten: float,
) -> tuple[Ingestion, bool]:
    """Accept a submission, whose ids are `packed`, and `hashed` if they are indexed; returns the ingestion and whether
    it is new.

    A key may be used again once its ingestion ended at or before `forgotten`. Raises KeyReused, QuotaFull, BacklogFull,
    InvalidRequest or TooLate.
    """
    key = None if submission.key is None else json.dumps([submission.owner, submission.key])
    if key is not None and (known := _with_key(turn, submission, key, forgotten)):
        return known, False
    queue, priority = turn.queue, submission.priority
    # A clock that was set back must not place this ingestion before older ones.
    created_at = max(turn.now, queue.latest)
    timeline = turn.timeline(settings)
    if settings.priority_aging or settings.key_quota:
        turn.write_lanes()
    ahead, place = line(turn, settings, priority, created_at)
    count = batch_count(len(submission.ids), settings.batch_size)
    owner = None if submission.owner is None else clean(submission.owner)
    if settings.key_quota and owner is not None:
        _check_quota(turn, settings.key_quota, owner, len(submission.ids), timeline)
    admit(settings, timeline, count=count, ahead=ahead, place=place, deadline=submission.deadline)
    queue.orders += 1
    queue.latest = created_at
    row = IngestionRow(
        queue.orders,
        str(uuid.uuid4()),
        place[0],
        priority,
        created_at,
        len(submission.ids),
        settings.batch_size,
        owner,
        isinstance(submission.ids, Strings),
        submission.callback,
    )
    row.parked = queue.pauses().cover(priority, owner)
    row.open = int(not row.parked)
    row.estimated_completion = None if row.parked else timeline.completion(ahead, count, place)
    turn.wait(row, count, row.id_count)
    turn.add(row, key=key, fingerprint=submission.fingerprint)
    key_of_ids = {"instance": queue.instance, "order": row.order}
    if row.strings:
        turn.connection.execute(_ADD_STRINGS, key_of_ids | {"lines": packed})
    else:
        turn.connection.execute(_ADD_IDS, key_of_ids | {"ids": packed})
    if hashed is not None:
        finder.add(turn, row.order, hashed)
    return row.snapshot(), True


def _check_quota(turn: Turn, quota: int, owner: str, count: int, timeline: Timeline) -> None:
    """Refuse `count` more ids if their owner would then have too many waiting."""
    values = {"this": turn.queue.instance, "owner": owner}

    def until_started(number: int) -> float | None:
        for rank, order, batches, waiting, batch_size, parked in turn.connection.execute(_HOLDINGS, values).all():
            if number <= waiting:
                found = Prospect((rank, order), ahead_of(turn, rank, order), batches, 0, (), parked)
                return timeline.until_started(found, batch_count(number, batch_size) - 1)
            number -= waiting
        raise ValueError(f"{owner!r} has fewer ids waiting")

    held = int(turn.connection.execute(_HELD, values).scalar())
    check_quota(quota, count, held, until_started)


def _with_key(turn: Turn, submission: Submission, key: str, forgotten: float) -> Ingestion | None:
    """Returns what was accepted under the key before."""
    found = turn.connection.execute(_BY_KEY, {"this": turn.queue.instance, "key": key}).first()
    if found is None:
        return None
    row, fingerprint = IngestionRow(*found[:-1]), found[-1]
    if row.finished_at is not None and row.finished_at <= forgotten:
        turn.connection.execute(_FREE_KEY, {"this": turn.queue.instance, "of_order": row.order})
        return None
    if fingerprint != submission.fingerprint:
        raise KeyReused(f"The idempotency key {submission.key!r} was used with another request.")
    return row.snapshot()
