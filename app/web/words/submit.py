"""What is handed over."""

from __future__ import annotations

from .whole import Words

SUBMIT = {
    "submit": Words(
        "Submit",
        "Accept ids",
        """
        Cuts the ids into batches of at most `BATCH_SIZE`, in the order given, and queues them. It answers at once; the
        work is done later. An id that is listed twice is processed twice.

        When the ingestion ends, its status is sent to the receiver that `WEBHOOK_URL` names, or to the one that
        `callback` names, which is refused unless `WEBHOOK_HOSTS` lists its host.

        An `Idempotency-Key` makes it safe to send a request again: under the same key, the same body is accepted once
        and answered with the same ingestion, and another body is refused with 422. The key is remembered as long as
        the ingestion.

        With the setting `FRESH`, an id whose answer came at most so many seconds before the submission, or while it
        waited, is served from that answer without a call; `served` in the status counts these. `fresh` lowers the
        number for one submission, down to 0, and is refused without the setting. An id that is in process for others is
        awaited.

        With a `deadline`, ids that could not be done in time are refused with 422, and `earliest` says when they could
        be. It is checked once, as if what is paused were resumed now: what a later or longer pause makes late is kept,
        and done late. A refused request queues nothing. The `Retry-After` of a 503 says when there will be room.

        A batch may reach the upstream more than once: an attempt is repeated if it timed out or its process was killed.
        """,
    ),
    "quote": Words(
        "Submit",
        "Ask when ids would start and end",
        """
        Takes the body of `POST /ingest`, checks it in the same way, and queues nothing. It answers for every priority,
        whichever one the body names, and ignores the deadline.

        It is an estimate: more urgent ids that are submitted later go first, and where callers take turns (`FAIR`),
        callers that come later get theirs. It counts a start for each batch. With `FILL` or `FRESH`, which may spare
        some of them, and with `PRIORITY_AGING` and `FAIR` together, it is an upper bound (`at_latest`). The times are
        null while the queue is paused, at a priority that is paused, and for a caller that is paused.
        """,
    ),
}
