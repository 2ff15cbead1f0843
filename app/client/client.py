"""The client that blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Unpack

from ..core import Id, Priority, Status
from .blocking import Blocking
from .documents import Attempts, Ingestion, Quote, Result, Search, StatusPage
from .filters import FailureFilter, SweepFilter, of_listing
from .operations import Audit, Dispatches, FailedId, FailureGroup, Queue, Sweep, SweepCount
from .submission import Moment, Submission


class Client(Blocking):
    """A service at `url`, such as `http://127.0.0.1:8000`, or with a path where it is embedded under one.

    `key` is sent as a bearer token. Each wait for the network takes `timeout` seconds at most. If the connection is
    lost, or the service says "later", a call that is safe to repeat goes again until `patience` seconds after its first
    failure, so that it outlasts a restart; so does each look of a wait, before its end. `retries` bounds the attempts
    after the first, too, where it is given. `notice` is called with each reason in words.

    Every call may raise Unreachable or Refused. A time is given as text by RFC 3339, or as a datetime with its offset.
    Documents are the dicts that the service sends, with their members as typed attributes. Safe to share among threads.
    Raises ValueError for an option that cannot be.
    """

    def submit(
        self,
        ids: Iterable[Id],
        priority: Priority | str,
        *,
        idempotency_key: str | None = None,
        deadline: Moment | None = None,
        callback: str | None = None,
        fresh: float | None = None,
    ) -> str:
        """Submit ids; returns the ingestion's id.

        `deadline` is a time or seconds from now, `callback` a URL that the end is sent to, `fresh` counts
        instead of the service's FRESH. Even if the connection is lost, the ids are accepted once: every attempt carries
        `idempotency_key`, or a random one.
        """
        more = {"deadline": deadline, "callback": callback, "fresh": fresh}
        submission = Submission.of(ids, priority, idempotency_key, **more)
        return self._run(self._verbs.submit(submission))

    def submit_many(
        self,
        submissions: Iterable[Submission],
        *,
        progress: Callable[[Sequence[str]], object] | None = None,
    ) -> Sequence[str]:
        """Submit one after the other, in this order; returns the ingestions' ids, and calls `progress` with those so
        far after each.

        Stops at the first that is refused. To go on, submit the same objects again: those that were accepted are not
        accepted twice, because each has its key.
        """
        return self._run(self._verbs.submit_many(submissions, progress))

    def status(
        self, ingestion_id: str, *, limit: int | None = None, offset: int = 0, status: Status | str | None = None
    ) -> StatusPage:
        """Returns the ingestion's status, with `limit` of its batches (all where None) from `offset`.

        With `status`, of the batches in that status.
        """
        return self._run(self._verbs.status(ingestion_id, limit, offset, status))

    def wait(
        self,
        ingestion_id: str,
        *,
        timeout: float | None = None,
        progress: Callable[[StatusPage], object] | None = None,
    ) -> StatusPage:
        """Wait until the ingestion has ended; returns its last status, without batches.

        Polls as seldom as the service advises; calls `progress` with every status. Raises TimedOut after
        `timeout` seconds.
        """
        return self._run(self._verbs.wait(ingestion_id, timeout, progress))

    def wait_all(
        self,
        ingestion_ids: Iterable[str],
        *,
        timeout: float | None = None,
        progress: Callable[[Sequence[Ingestion]], object] | None = None,
    ) -> Sequence[Ingestion]:
        """Wait until all of these ingestions have ended; returns their last statuses, in the same order.

        A poll takes two requests for all ingestions that are on one page of the listing, however many they are, and
        is made as seldom as the service advises for the last of them; `progress` is called with the statuses of each
        poll. Raises TimedOut after `timeout` seconds.
        """
        return self._run(self._verbs.wait_all(ingestion_ids, timeout, progress))

    def iter_results(self, ingestion_id: str, *, failed: bool = False) -> Iterator[Result]:
        """Yields each answered id with its data, in the ingestion's order, as they arrive.

        With `failed`, each id that failed with its error too. Repeated until the first one is there, never after it.
        """
        for line in self.result_lines(ingestion_id, failed=failed):
            yield self._verbs.result(line)

    results = iter_results

    def result_lines(self, ingestion_id: str, *, failed: bool = False) -> Iterator[str]:
        """Yields the results as the lines of NDJSON that the service sends."""
        yield from self._stream(self._verbs.results(ingestion_id, failed=failed))

    def list(
        self,
        *,
        status: Status | str | None = None,
        priority: Priority | str | None = None,
        owner: str | None = None,
        failed: bool = False,
        since: Moment | None = None,
        until: Moment | None = None,
        page: int = 100,
    ) -> Iterator[Ingestion]:
        """Yields ingestions, newest first, `page` at a time on demand; with `failed`, those with failed batches.

        `since` and `until` bound when they were submitted: RFC 3339 times, or seconds ago.
        """
        where = of_listing(status, priority, owner, failed=failed, since=since, until=until)
        for found in self._pages(partial(self._verbs.page, where, page)):
            yield from found.ingestions

    def failures(self, *, page: int = 100, **where: Unpack[FailureFilter]) -> Iterator[FailureGroup]:
        """Yields what failed, grouped by error, the group that failed last first, `page` at a time on demand.

        `where` filters by `group`, `priority`, `owner`, and by when it failed: `since` and `until` are RFC 3339 times,
        or seconds ago.
        """
        for found in self._pages(partial(self._verbs.failures, where, page)):
            yield from found.groups

    def failed_ids(self, **where: Unpack[FailureFilter]) -> Iterator[FailedId]:
        """Yields each id that failed, with its error, as they arrive; `where` is that of `failures`."""
        for line in self.failed_id_lines(**where):
            yield self._verbs.failed_id(line)

    def failed_id_lines(self, **where: Unpack[FailureFilter]) -> Iterator[str]:
        """Yields the same as the lines of NDJSON that the service sends."""
        yield from self._stream(self._verbs.failed_ids(where))

    def attempts(self, ingestion_id: str, *, limit: int | None = None, offset: int | None = None) -> Attempts:
        """Returns the attempts that are kept of `limit` of the ingestion's batches from `offset`, or of one batch.

        50 from the first if not given; `ingestion_id` may be a batch's id.
        """
        return self._run(self._verbs.attempts(ingestion_id, limit, offset))

    def where(self, id_: Id, *, limit: int = 20) -> Search:
        """Returns where an id is, in `limit` places at most: the ingestions, the batches, and its latest results."""
        return self._run(self._verbs.where(id_, limit))

    def count_redrive(self, **where: Unpack[SweepFilter]) -> SweepCount:
        """Returns how much `redrive_all` would act on."""
        return self._run(self._verbs.count_sweep("redrive", where))

    def count_cancel(self, **where: Unpack[SweepFilter]) -> SweepCount:
        """Returns how much `cancel_all` would act on."""
        return self._run(self._verbs.count_sweep("cancel", where))

    def redrive_all(self, *, idempotency_key: str | None = None, **where: Unpack[SweepFilter]) -> Sweep:
        """Redrive all that match, in the background; returns the sweep, which `sweep` looks up again.

        `where` filters by `status`, `priority`, `owner`, `group` of failures, `failed=True` for those with failed
        batches, and by when they were submitted: `since` and `until` are RFC 3339 times, or seconds ago.
        """
        return self._run(self._verbs.sweep("redrive", where, idempotency_key))

    def cancel_all(self, *, idempotency_key: str | None = None, **where: Unpack[SweepFilter]) -> Sweep:
        """Cancel all that match, as `redrive_all` redrives them; it cannot be undone."""
        return self._run(self._verbs.sweep("cancel", where, idempotency_key))

    def sweep(self, sweep_id: str) -> Sweep:
        """Returns how far a redrive or cancel of all that match is."""
        return self._run(self._verbs.look_up_sweep(sweep_id))

    def sweeps(self, *, limit: int = 20) -> Sequence[Sweep]:
        """Returns the latest redrives and cancels of all that match, newest first."""
        return self._run(self._verbs.sweeps(limit))

    def cancel(self, ingestion_id: str) -> StatusPage:
        """Cancel what has not started, which cannot be undone; returns the new status, without batches."""
        return self._run(self._verbs.cancel(ingestion_id))

    def redrive(self, ingestion_id: str) -> StatusPage:
        """Start the failed batches over; returns the new status, without batches.

        Never repeated once it may have taken effect.
        """
        return self._run(self._verbs.redrive(ingestion_id))

    def move(self, ingestion_id: str, priority: Priority | str) -> StatusPage:
        """Move the waiting batches of an ingestion to another priority; returns the new status, without batches."""
        return self._run(self._verbs.move(ingestion_id, priority))

    def redrive_callback(self, ingestion_id: str) -> StatusPage:
        """Send its undelivered callbacks again; returns the ingestion's status, without batches.

        Never repeated once it may have taken effect.
        """
        return self._run(self._verbs.redrive_callback(ingestion_id))

    def quote(
        self, ids: Iterable[Id], priority: Priority | str = Priority.HIGH, *, deadline: Moment | None = None
    ) -> Quote:
        """Returns when these ids would start and end at each priority; nothing is queued or refused for a deadline."""
        return self._run(self._verbs.quote(Submission.of(ids, priority, deadline=deadline)))

    def pause(self, *, priority: Priority | str | None = None, owner: str | None = None) -> Queue:
        """Start nothing, or nothing of a priority and of a caller, until `resume`; returns the state of the queue."""
        return self._run(self._verbs.pause(priority, owner))

    def resume(self, *, priority: Priority | str | None = None, owner: str | None = None) -> Queue:
        """End a pause of the queue, or of a priority and of a caller; returns the state of the queue."""
        return self._run(self._verbs.resume(priority, owner))

    def end_hold(self) -> Queue:
        """End a hold that the upstream asked for; returns the state of the queue."""
        return self._run(self._verbs.end_hold())

    def change_rate(
        self, *, interval: float | None = None, burst: int | None = None, limits: Mapping[str, str] | None = None
    ) -> Queue:
        """Change the rate, within the bounds of the configuration; what is not given is as configured.

        `limits` holds a limit for the name of each that it replaces. Returns the state of the queue.
        """
        return self._run(self._verbs.change_rate(interval=interval, burst=burst, limits=limits))

    def reset_rate(self) -> Queue:
        """Go back to the rate that is configured; returns the state of the queue."""
        return self._run(self._verbs.reset_rate())

    def change_concurrency(self, count: int, *, worker: str | None = None) -> Queue:
        """Run so many batches at once in each process, within the bound of the configuration.

        With `worker`, only in that one: its id, the beginning of it, or a host. Returns the state of the queue.
        """
        return self._run(self._verbs.change_concurrency(count, worker))

    def reset_concurrency(self, *, worker: str | None = None) -> Queue:
        """Run as many batches at once as is configured, everywhere or in a `worker`; returns the state of the queue."""
        return self._run(self._verbs.reset_concurrency(worker))

    def audit(self, *, limit: int = 50, cursor: str | None = None) -> Audit:
        """Returns who did what, newest first; `cursor` is the `next_cursor` of the page before."""
        return self._run(self._verbs.audit(limit, cursor))

    def queue(self) -> Queue:
        """Returns the state of the queue: depths, ages, tokens, what it waits on, the next batches."""
        return self._run(self._verbs.queue())

    def dispatches(self, *, limit: int | None = None) -> Dispatches:
        """Returns the latest dispatches, oldest first, and the limit they were made under."""
        return self._run(self._verbs.dispatches(limit))
