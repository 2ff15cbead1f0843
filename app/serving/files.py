"""How many connections a process has room for, by the files that it may have open."""

from __future__ import annotations

import logging
from contextlib import suppress

logger = logging.getLogger("flask_ingestion")

_MOST = 500
"""Connections at a time at most."""

_OTHERS = 200
"""Files left for everything else: the store, calls of the upstream, callbacks, logs, what a processor opens."""


def room_for_connections() -> int:
    """Returns how many connections may be open at a time; raises the process's own limit of open files if it can.

    Who accepts more than it may open can neither refuse nor wait, and goes round in circles.
    """
    try:
        import resource
    except ImportError:  # this platform has no such limit
        return _MOST
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST + _OTHERS
    if limit != resource.RLIM_INFINITY and limit < wanted:
        raised = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        with suppress(OSError, ValueError):  # macOS refuses what its kernel does not allow
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, most))
            limit = raised
    if limit == resource.RLIM_INFINITY or limit >= wanted:
        return _MOST
    room = max(limit // 2, limit - _OTHERS)
    logger.warning(
        "this process may have %d files open, so that it takes %d connections at a time; ulimit -n %d would allow %d",
        limit,
        room,
        wanted,
        _MOST,
    )
    return room
