"""What is handed over."""

from __future__ import annotations

from .whole import Words

SUBMIT = {
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
        be. It is checked once, as if what is paused were resumed now: what a later or longer pause makes late is kept
        and done late. Of a refused request nothing is queued. The `Retry-After` of a 503 says when there will be room.

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

        It is an estimate: more urgent ids that are submitted later go first, and where callers take turns (`FAIR`),
        others that come later get theirs. It counts a start for each batch, whatever is known of its ids or might ride;
        then, and with `PRIORITY_AGING` and `FAIR` together, it says the latest (`at_latest`). While the queue is
        paused, the times are null; so are those of a priority that is paused, and all for a caller that is.
        """,
    ),
}
