"""Who did what, and when."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select

from ..core import Audit
from .instance import View
from .journal import audits
from .schema import THIS, all_of
from .turns import Turn

_NEWEST = select(func.coalesce(func.max(audits.c.number), 0)).where(audits.c.instance == THIS)
_ADD = insert(audits).values(all_of(audits))
_TRIM = delete(audits).where(audits.c.instance == THIS, audits.c.number <= bindparam("last"))
_READ = (
    select(*list(audits.c)[1:])
    .where(audits.c.instance == THIS, audits.c.number < bindparam("upto"))
    .order_by(audits.c.number.desc())
    .limit(bindparam("limit"))
)
_LATER = 2**62


def note(
    turn: Turn,
    by: str | None,
    action: str,
    subject: str,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    """Record in the audit log who did what."""
    this = turn.queue.instance
    number = 1 + int(turn.connection.execute(_NEWEST, {"this": this}).scalar())
    entry = Audit(number, turn.now, by, action, subject, before, after)._asdict()
    entry |= {"instance": this, "before": json.dumps(before), "after": json.dumps(after)}
    turn.connection.execute(_ADD, entry)
    turn.connection.execute(_TRIM, {"this": this, "last": number - turn.settings.audit_log})


def latest(view: View, limit: int, before: int | None) -> list[Audit]:
    """Returns the latest entries, newest first."""
    values = {"this": view.queue.instance, "upto": _LATER if before is None else before, "limit": limit}
    found = view.connection.execute(_READ, values).all()
    return [
        Audit(number, at, by, action, subject, json.loads(old), json.loads(new))
        for number, at, by, action, subject, old, new in found
    ]
