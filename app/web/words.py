"""What the API's description says to people: of the whole, of each group, of each operation."""

from __future__ import annotations

from typing import NamedTuple

from ..keys import Role

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


OPERATIONS = {
    "submit": Words(
        "Submit",
        "Accept ids",
        """
        Cuts the ids into batches of at most `BATCH_SIZE`, in the order given, and queues them. It answers at once; the
        work is done later. A repeated id is processed as often as it is listed.

        When it ends, its status is sent to the receiver that `WEBHOOK_URL` names, or to that of a `callback`, which is
        refused unless `WEBHOOK_HOSTS` lists its host.

        An `Idempotency-Key` makes it safe to send a request again: under the same key, the same body is accepted once
        and answered with the same ingestion, and another body is refused with 422. The key is remembered as long as
        the ingestion.

        With the setting `FRESH`, an id whose answer came less than so many seconds before the submission, or came while
        it waited, is served from that without a call; `fresh` lowers that for one submission, to 0 at least, and is
        refused without the setting. An id that is in process for others is awaited. `served` in the status counts them.

        With a `deadline`, ids that could not be done in time are refused with 422, and `earliest` says when they could
        be. Of a refused request nothing is queued. The `Retry-After` of a 503 says when there will be room.

        A batch may reach the upstream more than once: an attempt that timed out, or whose process was killed, is
        repeated.
        """,
    ),
    "quote": Words(
        "Submit",
        "Ask when ids would start and end",
        """
        Takes the body of `POST /ingest`, checks it in the same way, and queues nothing. It answers for every priority,
        whichever the body names, and disregards the deadline.

        It is a forecast: more urgent ids that are submitted later go first, and where callers take turns (`FAIR`),
        others that come later get theirs. With `PRIORITY_AGING` and `FAIR` together it is close, not exact. It counts a
        start for each batch, whatever is known of its ids. While the queue is paused, the times are null; so are those
        of a priority that is paused, and all for a caller that is.
        """,
    ),
    "getStatus": Words(
        "Follow",
        "See where an ingestion and its batches stand",
        """
        Named by the id of a batch, the answer holds that batch alone, unless `offset` or `limit` asks for others.

        With `status`, only the batches in that status; `counts` says how many there are.

        Without `limit` the answer holds every batch, which is tens of megabytes for a million ids: ask for a page of
        them, or for none with `limit=0`.

        Until the ingestion has ended, the answer forecasts its end, and `Retry-After` says when something can change.
        Send the `ETag` back as `If-None-Match`: if nothing has changed, the answer is 304, without a body.

        A status only moves forward, except that a redrive starts failed batches over. An ingestion is forgotten
        `RETENTION` seconds after its end; then the answer is 404.
        """,
    ),
    "getResults": Words(
        "Follow",
        "Fetch the results so far",
        """
        A line of JSON for each id that was answered, in the order of the submission. `data` is what the processor
        returned for the id, or null. With `include=failed`, each id that failed has a line too, with `error`.

        It can be read at any time, and again. Ids that wait, run or were cancelled have no line. With
        `Accept: text/plain` the same lines come as text.
        """,
    ),
    "listAttempts": Words(
        "Follow",
        "See when each batch ran, and what it waited for",
        """
        The latest `ATTEMPTS_KEPT` attempts at each batch, by batch, then in their order: when it was due, in
        `limited_by` what it waited for last, when it started and ended, and its `outcome` and error. Where the setting
        is 0, none is kept. With a batch's id, those at this batch. Which host and process ran it is for operators.

        `waiting_on` says what its batches that have yet to start wait for now: as in `/queue`, but `paused_priority` or
        `paused_owner` where only these are paused, and `line` where something may start. A batch that waits for its
        retry says in `/status` when that is due.

        `estimated_at_submission` is when the whole ingestion should have ended, as estimated when it was submitted;
        null if the queue was paused, or once the ingestion was redriven after its end.
        """,
    ),
    "listIngestions": Words(
        "Follow",
        "List ingestions, newest first",
        """
        A page of them, without their batches. For the next page, send `next_cursor` as `cursor`; null says that this
        page is the last. What is submitted in between does not shift the pages.
        """,
    ),
    "redriveAll": Words(
        "Steer",
        "Redrive all that match",
        """
        Starts the failed batches over of every ingestion that matches, as a redrive of each would: all of its failed
        batches, whichever error brought it in. With `dry_run` it only counts.

        It goes on in the background, latest ingestion first, and `GET /sweeps/{sweep_id}` says how far it is; after a
        restart it goes on where it was, if the store is durable. What is submitted later is left alone. Under an
        `Idempotency-Key` the same request is carried out once.
        """,
    ),
    "cancelAll": Words(
        "Steer",
        "Cancel all that match",
        """
        Cancels every unfinished ingestion that matches, as a cancel of each would. It cannot be undone, so ask with
        `dry_run` first. Apart from that it is like the redrive of all that match.
        """,
    ),
    "listSweeps": Words(
        "Steer",
        "List redrives and cancels of all that match",
        "The latest first. Finished ones are forgotten after `RETENTION` seconds.",
    ),
    "getSweep": Words(
        "Steer",
        "See how far such a redrive or cancel is",
        "`acted` counts what it has redriven or cancelled, without what had changed by its turn and was refused.",
    ),
    "listFailures": Words(
        "Follow",
        "See what failed, grouped by error",
        """
        The batches that failed for good, over all ingestions, in groups of errors that differ in ids, numbers and
        addresses at most. The group that failed last comes first; for the next page, send `next_cursor` as `cursor`. A
        batch leaves its group when it is redriven, or forgotten with its ingestion.

        All failures in the time asked for are read, a million in some seconds: `since` makes it quick.
        """,
    ),
    "listFailedIds": Words(
        "Follow",
        "Fetch every id that failed, with its error",
        """
        A line of JSON for each id that failed, those that failed last first: `id`, `ingestion_id`, `batch_id`,
        `failed_at` and `error`. It takes the filters of `GET /failures`, and may be of any length.
        """,
    ),
    "where": Words(
        "Follow",
        "Find out where an id is",
        """
        The ingestions that hold it, the newest first, each with the batch it is in, when that should start if it waits,
        and the latest `result` of the id: its `data`, why it failed as `error`, or null. A caller that may not operate
        finds its own alone.

        With `FIND_IDS` it is looked up in an index. Otherwise, and for what was submitted before that was set, four
        million ids are looked through at most: of the unfinished ingestions, then of the latest. `complete` says
        whether that was all there are. If not, it was what was submitted after `searched_since`, and of the unfinished
        ones all if `all_unfinished` says so.
        """,
    ),
    "cancel": Words(
        "Steer",
        "Cancel what has not started",
        """
        Batches that have not started never will, nor will those that wait for another attempt. A batch that runs now
        ends, and is not repeated if that attempt fails; the ingestion ends with it.

        It cannot be undone. Cancelling again changes nothing; an ingestion that ended in another way is refused with
        409. The answer is its status, without batches.
        """,
    ),
    "redrive": Words(
        "Steer",
        "Start the failed batches over",
        """
        Failed batches get fresh attempts, at the place in the queue that the ingestion has had from the start. What is
        completed is not done again.

        Where no batch failed, or the ingestion was cancelled, it is refused with 409, so a repeated redrive starts
        nothing twice. The answer is the status, without batches.
        """,
    ),
    "move": Words(
        "Steer",
        "Move an ingestion to another priority",
        """
        What waits of it, for its first attempt or for another, goes at the new priority from now on: among the others
        there in the order of creation. What runs now ends as usual. Forecasts of all ingestions follow at once.

        Moving it to the priority that it has changes nothing. One that has ended, or was cancelled, is refused with
        409. The answer is its status, without batches.
        """,
    ),
    "redriveCallback": Words(
        "Steer",
        "Send a callback again",
        """
        Where `WEBHOOK_URL` is set, or a submission named a `callback`, a receiver is told of each end of an ingestion,
        and `callback` in its status says how that went. What failed, or waits for its next attempt, goes again at once,
        and is tried for another day. Its `webhook-id` stays the same, so the receiver can recognise what it has
        processed before.

        Where nothing is pending or failed, it is refused with 409. The answer is the status, without batches.
        """,
    ),
    "pause": Words(
        "Steer",
        "Start nothing more",
        """
        What runs goes on, and ids are accepted as before; there are no forecasts until the queue is resumed. It applies
        to every process that shares the store. With a durable store it lasts through restarts. Pausing again changes
        nothing.

        With `priority` or `owner`, only batches of that priority, and of that caller, do not start, and only they have
        no forecasts; those of all others no longer count them. Each of these pauses is ended on its own.
        """,
    ),
    "resume": Words(
        "Steer",
        "End a pause",
        """
        Work starts again under the same rate limit, each ingestion in its place. A hold that the upstream asked for
        stays in force. What is not paused does not change.

        With `priority` or `owner`, the pause of that priority, and of that caller, ends; without, that of the whole
        queue.
        """,
    ),
    "endHold": Words(
        "Steer",
        "End a hold that the upstream asked for",
        """
        Work starts again at once, under the same rate limit. Where there is no hold, this changes nothing.
        """,
    ),
    "changeRate": Words(
        "Steer",
        "Change the rate",
        """
        `interval` and `burst` stand in for `INTERVAL` and `BURST`, and `limits` holds a limit for the name of each of
        `LIMITS` that it replaces, such as `{"10/s": "5/s"}`; what is not given is as configured. A rate may be
        `RATE_LEAST` to `RATE_MOST` times what is configured, and is refused with 422 beyond.

        It applies from the next start on to every process that shares the store, forecasts follow at once, and with a
        durable store it lasts through restarts, until it is changed again or reset.
        """,
    ),
    "resetRate": Words(
        "Steer",
        "Go back to the rate that is configured",
        """
        Where the rate is as configured, this changes nothing.
        """,
    ),
    "changeConcurrency": Words(
        "Steer",
        "Change how many batches run at once",
        """
        Stands in for `CONCURRENCY`, from 1 to `CONCURRENCY_MOST`, in every process that shares the store, or in that of
        a `worker` of those that `GET /queue` lists. A process with more batches at work lets them end first.

        Forecasts follow at once; the process that answers too, and others with their next report, within a third of
        `LEASE`. With a durable store it lasts through restarts, until it is changed again or reset; what was set by a
        worker's id ends with that worker, what was set by its host does not.
        """,
    ),
    "resetConcurrency": Words(
        "Steer",
        "Run as many batches at once as is configured",
        """
        Everywhere, or for a `worker` that was named before. Where it is as configured, this changes nothing.
        """,
    ),
    "getAudit": Words(
        "Watch",
        "See who did what, newest first",
        """
        Pauses, ended holds, changes of rate and concurrency, moves, cancels and redrives, each with the name of the
        caller's key and with what it changed. The latest `AUDIT_LOG` are kept, in the store. To read on, send
        `next_cursor` as `cursor`.
        """,
    ),
    "getQueue": Words(
        "Watch",
        "See what waits, for what, and what goes next",
        """
        `waiting_on` says what the next start waits for, and `next` lists the next ten batches in their true order. The
        numbers are those of the whole queue; `worker` is the state of the process that answers.
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
        "503 says to send it none: the store cannot be reached, or the worker is dead, stuck or about to stop.",
    ),
    "whoAmI": Words(
        "Sign in",
        "See who is calling",
        "The caller that the key or the cookie belongs to, and its role. Without keys, everybody may operate.",
    ),
    "signIn": Words(
        "Sign in",
        "Exchange a key for a cookie",
        """
        The cookie lasts until the browser is closed; no script can read it, and no other site can send it. Where there
        are no keys, everything is taken for one and no cookie is set.
        """,
    ),
    "signOut": Words(
        "Sign in",
        "Drop the cookie",
        "The key itself stays valid. Without a cookie this changes nothing.",
    ),
    "getDescription": Words(
        "Reference",
        "Read this description",
        "OpenAPI 3.1, of the running version with its settings. A program reads it here, a person at `/docs`.",
    ),
}
