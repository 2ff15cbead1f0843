"""Stop, resume, repeat."""

from __future__ import annotations

from .whole import Words

STEER = {
    "redriveAll": Words(
        "Steer",
        "Redrive all that match",
        """
        Redrives every ingestion that matches, as a redrive of each would: all of its failed batches start over,
        whichever error made it match. With `dry_run` it only counts.

        It runs in the background, latest ingestion first, and `GET /sweeps/{sweep_id}` says how far it is. With a
        durable store it continues after a restart. What is submitted later is left alone. Under an `Idempotency-Key`
        the same request is carried out once.
        """,
    ),
    "cancelAll": Words(
        "Steer",
        "Cancel all that match",
        """
        Cancels every unfinished ingestion that matches, as a cancel of each would. It cannot be undone, so ask with
        `dry_run` first. Otherwise it works like the redrive of all that match.
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
        "`acted` counts what it has redriven or cancelled, without what was refused because it had changed meanwhile.",
    ),
    "cancel": Words(
        "Steer",
        "Cancel what has not started",
        """
        Batches that have not started never will, nor will those that wait for another attempt. A batch that is running
        ends as usual, but is not repeated if that attempt fails; the ingestion ends with it.

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

        If no batch has failed, or the ingestion was cancelled, it is refused with 409, so a repeated redrive starts
        nothing twice. The answer is the status, without batches.
        """,
    ),
    "move": Words(
        "Steer",
        "Move an ingestion to another priority",
        """
        Its waiting batches, retries included, go at the new priority from now on, in the order of creation among the
        others there. What is running ends as usual. The estimates of all ingestions follow at once.

        Moving an ingestion to the priority that it has changes nothing. One that has ended, or was cancelled, is
        refused with 409. The answer is its status, without batches.
        """,
    ),
    "redriveCallback": Words(
        "Steer",
        "Send a callback again",
        """
        If `WEBHOOK_URL` is set, or the submission named a `callback`, a receiver is told whenever the ingestion ends,
        and `callback` in its status says how that went. A callback that failed, or waits for its next attempt, is sent
        again at once, and tried for another day, or until the receiver answers 410. Its `webhook-id` stays the same, so
        that the receiver can recognise what it has processed before.

        If none is pending or failed, it is refused with 409. The answer is the status, without batches.
        """,
    ),
    "pause": Words(
        "Steer",
        "Start nothing more",
        """
        What is running ends as usual, and ids are accepted as before; there are no estimates until the queue is
        resumed. It applies to every process that shares the store, and with a durable store it survives restarts.
        Pausing again changes nothing.

        With `priority` or `owner`, only batches of that priority or that caller do not start, and only they have no
        estimates; the estimates of all others no longer count them. Each of these pauses has to be ended separately.
        """,
    ),
    "resume": Words(
        "Steer",
        "End a pause",
        """
        Work starts again under the same rate limit, each ingestion in its place. A hold that the upstream asked for
        stays in force. Resuming what is not paused changes nothing.

        With `priority` or `owner`, it ends the pause of that priority or that caller; without, that of the whole queue.
        """,
    ),
    "endHold": Words(
        "Steer",
        "End a hold that the upstream asked for",
        """
        Work starts again at once, under the same rate limit. If there is no hold, this changes nothing.
        """,
    ),
    "changeRate": Words(
        "Steer",
        "Change the rate",
        """
        `interval` and `burst` replace `INTERVAL` and `BURST`, and `limits` replaces some of `LIMITS`, each by its name,
        such as `{"10/s": "5/s"}`; whatever is not given goes back to what is configured. A rate may be `RATE_LEAST` to
        `RATE_MOST` times what is configured; beyond, it is refused with 422.

        It applies to every process that shares the store, from the next start on, and estimates follow at once. With a
        durable store it survives restarts, until it is changed again or reset. While `slowed_to` says that the upstream
        refused, starts are at least that far apart; they become more frequent again by themselves, and no change
        hastens that.
        """,
    ),
    "resetRate": Words(
        "Steer",
        "Go back to the rate that is configured",
        """
        If the rate is as configured, this changes nothing. A slow-down after the upstream's refusals stays.
        """,
    ),
    "changeConcurrency": Words(
        "Steer",
        "Change how many batches run at once",
        """
        Replaces `CONCURRENCY`, with 1 to `CONCURRENCY_MOST`, in every process that shares the store, or in the process
        of a `worker` that `GET /queue` lists. A process that runs more batches lets them end first.

        Estimates and the process that answers follow at once, other processes with their next report, within a third of
        `LEASE`. With a durable store it survives restarts, until it is changed again or reset; what was set by a
        worker's id ends with that worker, what was set by its host does not.
        """,
    ),
    "resetConcurrency": Words(
        "Steer",
        "Run as many batches at once as is configured",
        """
        Everywhere, or for a `worker` that was named before. If it is as configured, this changes nothing.
        """,
    ),
}
