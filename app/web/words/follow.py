"""Where an ingestion stands."""

from __future__ import annotations

from .whole import Words

FOLLOW = {
    "getStatus": Words(
        "Follow",
        "See where an ingestion and its batches stand",
        """
        For the id of a batch, the answer holds only that batch, unless `offset` or `limit` asks for others.

        With `status`, it holds only the batches in that status; `counts` says how many there are.

        Without `limit` the answer holds every batch, which is tens of megabytes for a million ids: ask for a page of
        them, or for none with `limit=0`.

        Until the ingestion has ended, the answer estimates its end, and `Retry-After` says when something can change.
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

        It can be read at any time, and again. Ids that wait, run or were cancelled unanswered have no line. With
        `Accept: text/plain` the same lines come as text.
        """,
    ),
    "listAttempts": Words(
        "Follow",
        "See when each batch ran, and what it waited for",
        """
        The latest `ATTEMPTS_KEPT` attempts at each batch, batch by batch and in order: when each was due, in
        `limited_by` what it waited for last, when it started and ended, and its `outcome` and error. If the setting is
        0, none is kept. With a batch's id, only the attempts at this batch. Only operators see which host and process
        ran them.

        `waiting_on` says what the batches that have yet to start wait for now: as in `/queue`, but `paused_priority` or
        `paused_owner` if only these are paused, and `line` if something may start. `/status` says when a batch that
        waits for its retry is due.

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
    "listFailures": Words(
        "Follow",
        "See what failed, grouped by error",
        """
        The batches that failed for good, over all ingestions, in groups whose errors differ at most in ids, numbers and
        addresses. The group that failed last comes first; for the next page, send `next_cursor` as `cursor`. A batch
        leaves its group when it is redriven, or forgotten with its ingestion.

        Each request reads all failures of the period, a million in some seconds; `since` makes it quick.
        """,
    ),
    "listFailedIds": Words(
        "Follow",
        "Fetch every id that failed, with its error",
        """
        A line of JSON for each id that failed, those that failed last first: `id`, `ingestion_id`, `batch_id`,
        `failed_at` and `error`. It takes the filters of `GET /failures`, and can be of any length.
        """,
    ),
    "where": Words(
        "Follow",
        "Find out where an id is",
        """
        The ingestions that hold it, newest first, each with the batch it is in, when that should start if it waits, and
        the latest `result` of the id: its `data`, an `error` that says why it failed, or null. A caller without the
        role `operate` finds only its own.

        With `FIND_IDS` it is looked up in an index. Otherwise, and for what was submitted before that was set, the
        latest ingestions are searched, then the unfinished ones before them: about four million ids of each at most.
        `complete` says whether that was everything. If not, it was everything submitted after `searched_since`,
        and all unfinished ingestions if `all_unfinished` is true.
        """,
    ),
}
