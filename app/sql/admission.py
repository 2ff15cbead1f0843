"""How a submission is handled: recognised by its key, refused, or stored."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import bindparam, func, insert, select, tuple_, update

from ..core import Ingestion, Prospect, Strings, Timeline, admit, batch_count, check_quota, since_of, until_started
from ..errors import KeyReused
from ..store import Submission
from . import finder
from .answers import clean
from .callers import enlist
from .contents import ids, strings
from .forecast import new_prospect, prospect
from .picks import SAME_INGESTION
from .rows import INGESTION_COLUMNS, IngestionRow
from .schema import IS_ASIDE, IS_SOMEBODYS, THIS, all_of, batches, ingestions
from .serving import leading_of, serve_first
from .turns import Turn
from .wire import Values

_PAGE = 1000
"""Ingestions of a caller looked at in one statement at most."""

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
# Four columns of each: there may be very many, and the queue starts nothing meanwhile.
_HOLDINGS = (
    select(ingestions.c.rank, ingestions.c.order, ingestions.c.waiting_ids, ingestions.c.batch_size)
    .where(
        *_of_owner,
        ingestions.c.parked.is_(False),
        ingestions.c.waiting_ids > 0,
        tuple_(ingestions.c.rank, ingestions.c.order) > tuple_(bindparam("rank"), bindparam("order")),
    )
    .order_by(ingestions.c.rank, ingestions.c.order)
    .limit(bindparam("limit"))
)
_HOLDING = select(*INGESTION_COLUMNS).where(ingestions.c.instance == THIS, ingestions.c.order == bindparam("order"))
_RETRIES = (
    select(batches.c.due, ingestions.c.order, batches.c.position, ingestions.c.id_count, ingestions.c.batch_size)
    .join_from(batches, ingestions, SAME_INGESTION)
    .where(
        batches.c.instance == THIS,
        IS_ASIDE,
        batches.c.due > bindparam("now"),
        ingestions.c.owner == bindparam("owner"),
    )
)
_ADD_IDS = insert(ids).values(all_of(ids))
_ADD_STRINGS = insert(strings).values(all_of(strings))


def add(
    turn: Turn, submission: Submission, packed: bytes, hashed: Mapping[int, bytes] | None
) -> tuple[Ingestion, bool]:
    """Accept a submission, whose ids are `packed`, and `hashed` if they are indexed; returns the ingestion and whether
    it is new.

    A key may be used again once its ingestion is forgotten. Raises KeyReused, QuotaFull, BacklogFull,
    InvalidRequest or TooLate.
    """
    key = None if submission.key is None else json.dumps([submission.owner, submission.key])
    if key is not None and (known := _with_key(turn, submission, key)):
        return known, False
    queue, priority = turn.queue, submission.priority
    # A clock that was set back must not place this ingestion before older ones.
    created_at = max(turn.now, queue.latest)
    timeline = turn.timeline()
    if queue.aging or turn.settings.key_quota or queue.fair:
        turn.write_lanes()
    owner = None if submission.owner is None else clean(submission.owner)
    since = since_of(turn.settings, submission.fresh, created_at)
    served = leading_of(turn, submission, since) if since is not None else ()
    left = max(0, len(submission.ids) - len(served) * turn.settings.batch_size)
    count = batch_count(left, turn.settings.batch_size)
    new = new_prospect(turn, priority, owner, count, created_at)
    if count:
        if turn.settings.key_quota and owner is not None:
            _check_quota(turn, owner, left, timeline)
        admit(turn.settings, timeline, new, submission.deadline)
    queue.orders += 1
    queue.latest = created_at
    row = IngestionRow(
        queue.orders,
        str(uuid.uuid4()),
        new.place[0],
        priority,
        created_at,
        len(submission.ids),
        turn.settings.batch_size,
        owner,
        isinstance(submission.ids, Strings),
        submission.callback,
        since=since,
    )
    row.parked = new.parked
    if count:
        row.estimated_completion = timeline.completion(new)
    if queue.fair:
        row.caller = enlist(turn.connection, queue, row)
    turn.wait(row, row.batch_count, row.id_count)
    serve_first(turn, row, submission.ids, served)
    turn.add(row, key=key, fingerprint=submission.fingerprint)
    _add_ids(turn, row, packed)
    if hashed is not None:
        finder.add(turn, row.order, hashed)
    return row.snapshot(), True


def _add_ids(turn: Turn, row: IngestionRow, packed: bytes) -> None:
    key = {"instance": turn.queue.instance, "order": row.order}
    if row.strings:
        turn.connection.execute(_ADD_STRINGS, key | {"lines": packed})
    else:
        turn.connection.execute(_ADD_IDS, key | {"ids": packed})


def _check_quota(turn: Turn, owner: str, count: int, timeline: Timeline) -> None:
    """Refuse `count` more ids if their owner would then have too many waiting."""
    values = {"this": turn.queue.instance, "owner": owner}

    def until(number: int) -> float | None:
        retries = _retries(turn, values) if timeline.starts.aside.counts_all else []
        due = _due(turn, values, number, retries)
        return until_started(number, due, lambda most: retries[:most], held_in, timeline)

    def held_in(order: int) -> Prospect:
        row = turn.connection.execute(_HOLDING, {"this": turn.queue.instance, "order": order}).one()
        return prospect(turn, IngestionRow(*row))

    held = int(turn.connection.execute(_HELD, values).scalar())
    check_quota(turn.settings.key_quota, count, held, until)


def _due(
    turn: Turn, values: Values, number: int, retries: Sequence[tuple[float, int, int]]
) -> Iterator[tuple[int, int, int]]:
    """Yields a caller's ingestions in line, in order, each with how many ids are due and its batches' size."""
    aside = Counter[int]()
    for _, order, count in retries:
        aside[order] += count
    after = {"rank": 0.0, "order": 0}
    # Each of the others has an id that is due, so that no more of them than ids are needed.
    page = {"limit": min(number + len(aside), _PAGE)}
    while some := turn.connection.execute(_HOLDINGS, values | after | page).all():
        for _, order, waiting, size in some:
            yield order, waiting - min(waiting, aside[order]), size
        rank, order, *_ = some[-1]
        after = {"rank": rank, "order": order}


def _retries(turn: Turn, values: Values) -> list[tuple[float, int, int]]:
    """Returns a caller's batches that wait for a retry, by when they fall due.

    Each with its ingestion's order and how many ids it has, at most.
    """
    rows = turn.connection.execute(_RETRIES, values | {"now": turn.now}).all()
    return [(due, order, min(size, id_count - at * size)) for due, order, at, id_count, size in sorted(rows)]


def _with_key(turn: Turn, submission: Submission, key: str) -> Ingestion | None:
    """Returns what was accepted under the key before."""
    found = turn.connection.execute(_BY_KEY, {"this": turn.queue.instance, "key": key}).first()
    if found is None:
        return None
    *columns, fingerprint = found
    row = IngestionRow(*columns)
    if turn.has_forgotten(row):
        turn.connection.execute(_FREE_KEY, {"this": turn.queue.instance, "of_order": row.order})
        return None
    if not submission.repeats(fingerprint):
        raise KeyReused(submission.key)
    return row.snapshot()
