"""Of the whole, and of each group of operations."""

from __future__ import annotations

from typing import NamedTuple

from ...keys import Role

ABOUT = """
A queue in front of a slow, rate-limited upstream: ids are cut into batches that go out most urgent first, never faster
than the limit. Errors are problem documents (RFC 9457) whose `detail` says what would be right.
"""

KEYED = """
Send a key as `Authorization: Bearer <key>`. A key with the role `read` or `submit` sees only what its caller submitted;
a `submit` key submits and cancels, an `operate` key sees and controls everything. Idempotency keys are each caller's
own.
"""

OPEN = "This service has no keys: anyone who can reach it may call every operation."

NEEDED = {
    Role.READ: "It needs a key, of any role.",
    Role.SUBMIT: "It needs a key with the role `submit` or `operate`.",
    Role.OPERATE: "It needs a key with the role `operate`.",
}

GROUPS = {
    "Submit": "Hand ids over, or ask first how long they would take.",
    "Follow": "See where an ingestion stands, and what came of it.",
    "Steer": "Stop, resume or repeat work.",
    "Watch": "See what the queue does: for the person on call, and for monitoring.",
    "Sign in": "Exchange a key for a cookie, in a browser. Programs send the key itself with each request.",
    "Reference": "Read this description.",
}


class Words(NamedTuple):
    """An operation's group, and what it does: in a line, and in paragraphs that tell what may surprise."""

    group: str
    summary: str
    about: str
