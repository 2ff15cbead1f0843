"""What the queue does."""

from __future__ import annotations

from .whole import Words

WATCH = {
    "getAudit": Words(
        "Watch",
        "See who did what, newest first",
        """
        Pauses, ended holds, changes of rate and concurrency, moves, cancels, redrives and callbacks sent again, each
        with the name of the caller's key and what it changed. The latest `AUDIT_LOG` are kept, in the store. To read
        on, send `next_cursor` as `cursor`.
        """,
    ),
    "getQueue": Words(
        "Watch",
        "See what waits, for what, and what goes next",
        """
        `waiting_on` says what the next start waits for, and `next` lists the next ten batches in their true order. The
        numbers are those of the whole queue; `worker` is the state of the process that answers. While `stalled` is
        true, no process has a worker that can start anything: if something waits, `waiting_on` is `worker`, or `store`
        if the store takes no changes, and the estimates say what would be true otherwise.
        """,
    ),
    "listDispatches": Words(
        "Watch",
        "List the latest starts, oldest first",
        """
        The log that proves rate and order: when each batch started, when it was due, whose it was, and in `limited_by`
        what it waited for last. `fair` holds the weights of callers that take turns. With `FILL`, a batch that took no
        token has in `rode_with` the id of the one whose call it shared. It keeps the latest `DISPATCH_LOG` starts of
        all processes. Times are in seconds since 1970, exact to the last digit.
        """,
    ),
    "getMetrics": Words(
        "Watch",
        "Read the metrics for Prometheus",
        """
        Counters and histograms cover the process that answers, gauges the whole queue. If the store cannot be reached,
        the answer is still 200, with `ingestion_store_up` at 0. Without the extra `metrics` it is 501.
        """,
    ),
    "isLive": Words(
        "Watch",
        "Ask whether to leave the process running",
        "503 says to restart it: its worker is dead or stuck. The store is not asked: a restart would not help.",
    ),
    "isReady": Words(
        "Watch",
        "Ask whether to send requests to the process",
        "503 says to send it none: the store cannot be reached or takes no changes, or the worker is dead, stuck or "
        "about to stop.",
    ),
}
