"""Stop, resume, repeat."""

from __future__ import annotations

from .whole import Words

STEER = {
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
        "The latest first. Those that finished `RETENTION` seconds ago are forgotten with the next one.",
    ),
    "getSweep": Words(
        "Steer",
        "See how far such a redrive or cancel is",
        "`acted` counts what it has redriven or cancelled, without what had changed by its turn and was refused.",
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
        there in the order of creation. What runs now ends as usual. The estimates of all ingestions follow at once.

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
        and is tried for another day, or until the receiver answers 410. Its `webhook-id` stays the same, so that the
        receiver can recognise what it has processed before.

        Where nothing is pending or failed, it is refused with 409. The answer is the status, without batches.
        """,
    ),
    "pause": Words(
        "Steer",
        "Start nothing more",
        """
        What runs goes on, and ids are accepted as before; there are no estimates until the queue is resumed. It applies
        to every process that shares the store. With a durable store it lasts through restarts. Pausing again changes
        nothing.

        With `priority` or `owner`, only batches of that priority, and of that caller, do not start, and only they have
        no estimates; those of all others no longer count them. Each of these pauses is ended on its own.
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

        It applies from the next start on to every process that shares the store, estimates follow at once, and with a
        durable store it lasts through restarts, until it is changed again or reset. While `slowed_to` says that the
        upstream refused, starts are that slow at least; it rises by itself, and no change
        makes it faster.
        """,
    ),
    "resetRate": Words(
        "Steer",
        "Go back to the rate that is configured",
        """
        Where the rate is as configured, this changes nothing. What the upstream's refusals slowed down stays so.
        """,
    ),
    "changeConcurrency": Words(
        "Steer",
        "Change how many batches run at once",
        """
        Stands in for `CONCURRENCY`, from 1 to `CONCURRENCY_MOST`, in every process that shares the store, or in that of
        a `worker` of those that `GET /queue` lists. A process with more batches at work lets them end first.

        Estimates follow at once; the process that answers too, and others with their next report, within a third of
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
}
