"""The verbs of a client, each as the steps that it takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from ..core import Id, Priority, Status
from .calls import Calls, D, Steps
from .documents import Accepted, Attempts, Ingestion, Page, Quote, Result, Search, StatusPage
from .errors import ClientError
from .filters import FailureFilter, SweepFilter, of_failures, sweep_request
from .messages import Reply
from .operations import Audit, Dispatches, FailedId, Failures, Queue, Sweep, SweepCount, Sweeps
from .paths import path_of, query, results_path, status_path
from .submission import Submission, name_of
from .waits import Waits

P = TypeVar("P", Page, Failures)
"""A page of something, which has the cursor of the next one."""


class Verbs:
    """What `Client` and `AsyncClient` do; described there."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def submit(self, submission: Submission) -> Steps[str]:
        accepted = yield from self._ask(Accepted, "POST", "/ingest", submission.body, submission.headers)
        return accepted.ingestion_id

    def submit_many(
        self, submissions: Iterable[Submission], progress: Callable[[Sequence[str]], object] | None
    ) -> Steps[Sequence[str]]:
        accepted: list[str] = []
        for submission in submissions:
            try:
                accepted.append((yield from self.submit(submission)))
            except ClientError as error:
                many = len(accepted) != 1
                error.add_note(f"{len(accepted)} submission{'s were' * many or ' was'} accepted before it.")
                raise
            if progress:
                progress(accepted)
        return accepted

    def status(self, ingestion_id: str, limit: int | None, offset: int, only: Status | str | None) -> Steps[StatusPage]:
        members: dict[str, Any] = {"status": only and Status(only).value, "limit": limit, "offset": offset or None}
        return self._ask(StatusPage, "GET", status_path(ingestion_id, **members))

    def wait(
        self, ingestion_id: str, timeout: float | None, progress: Callable[[StatusPage], object] | None
    ) -> Steps[StatusPage]:
        return Waits(self._calls, timeout).for_one(ingestion_id, progress)

    def wait_all(
        self,
        ingestion_ids: Iterable[str],
        timeout: float | None,
        progress: Callable[[Sequence[Ingestion]], object] | None,
    ) -> Steps[Sequence[Ingestion]]:
        return Waits(self._calls, timeout).for_all(ingestion_ids, progress)

    def results(self, ingestion_id: str, *, failed: bool) -> Steps[Reply]:
        """Returns the head of the answer; the lines follow."""
        return self._calls.call("GET", results_path(ingestion_id, failed=failed))

    def result(self, line: str) -> Result:
        """Returns what a line of results says."""
        return self._calls.document(Result, line)

    def page(self, where: Mapping[str, Any], limit: int, cursor: str | None) -> Steps[Page]:
        return self._ask(Page, "GET", "/ingestions" + query(**where, limit=limit, cursor=cursor))

    def failures(self, where: FailureFilter, limit: int, cursor: str | None) -> Steps[Failures]:
        return self._ask(Failures, "GET", "/failures" + query(**of_failures(where), limit=limit, cursor=cursor))

    def failed_ids(self, where: FailureFilter) -> Steps[Reply]:
        """Returns the head of the answer; the lines follow."""
        return self._calls.call("GET", "/failures/ids" + query(**of_failures(where)))

    def failed_id(self, line: str) -> FailedId:
        """Returns what a line of failed ids says."""
        return self._calls.document(FailedId, line)

    def attempts(self, ingestion_id: str, limit: int | None, offset: int | None) -> Steps[Attempts]:
        return self._ask(Attempts, "GET", path_of("attempts", ingestion_id) + query(limit=limit, offset=offset))

    def where(self, id_: Id, limit: int) -> Steps[Search]:
        return self._ask(Search, "GET", path_of("ids", str(id_)) + query(limit=limit))

    def sweep(self, verb: str, where: SweepFilter, key: str | None) -> Steps[Sweep]:
        body, headers = sweep_request(where, key)
        return self._ask(Sweep, "POST", f"/ingestions/{verb}", body, headers)

    def count_sweep(self, verb: str, where: SweepFilter) -> Steps[SweepCount]:
        body, headers = sweep_request(where, None, dry_run=True)
        return self._ask(SweepCount, "POST", f"/ingestions/{verb}", body, headers)

    def look_up_sweep(self, sweep_id: str) -> Steps[Sweep]:
        return self._ask(Sweep, "GET", path_of("sweeps", sweep_id))

    def sweeps(self, limit: int) -> Steps[Sequence[Sweep]]:
        found = yield from self._ask(Sweeps, "GET", "/sweeps" + query(limit=limit))
        return found.sweeps

    def cancel(self, ingestion_id: str) -> Steps[StatusPage]:
        return self._ask(StatusPage, "POST", status_path(ingestion_id, "/cancel"))

    def redrive(self, ingestion_id: str) -> Steps[StatusPage]:
        return self._ask(StatusPage, "POST", status_path(ingestion_id, "/redrive"), once=True)

    def move(self, ingestion_id: str, priority: Priority | str) -> Steps[StatusPage]:
        body = json.dumps({"priority": name_of(priority)}).encode()
        return self._ask(StatusPage, "POST", status_path(ingestion_id, "/move"), body)

    def redrive_callback(self, ingestion_id: str) -> Steps[StatusPage]:
        return self._ask(StatusPage, "POST", status_path(ingestion_id, "/callback/redrive"), once=True)

    def quote(self, submission: Submission) -> Steps[Quote]:
        return self._ask(Quote, "POST", "/quote", submission.body)

    def pause(self, priority: Priority | str | None, owner: str | None) -> Steps[Queue]:
        return self._ask(Queue, "POST", "/queue/pause" + query(priority=priority and name_of(priority), owner=owner))

    def resume(self, priority: Priority | str | None, owner: str | None) -> Steps[Queue]:
        return self._ask(Queue, "POST", "/queue/resume" + query(priority=priority and name_of(priority), owner=owner))

    def end_hold(self) -> Steps[Queue]:
        return self._ask(Queue, "POST", "/queue/hold/end")

    def change_rate(self, **rate: Any) -> Steps[Queue]:
        body = json.dumps({name: value for name, value in rate.items() if value is not None}).encode()
        return self._ask(Queue, "POST", "/queue/rate", body)

    def reset_rate(self) -> Steps[Queue]:
        return self._ask(Queue, "POST", "/queue/rate/reset")

    def change_concurrency(self, count: int, worker: str | None) -> Steps[Queue]:
        body = json.dumps({"concurrency": count}).encode()
        return self._ask(Queue, "POST", "/queue/concurrency" + query(worker=worker), body)

    def reset_concurrency(self, worker: str | None) -> Steps[Queue]:
        return self._ask(Queue, "POST", "/queue/concurrency/reset" + query(worker=worker))

    def audit(self, limit: int, cursor: str | None) -> Steps[Audit]:
        return self._ask(Audit, "GET", "/audit" + query(limit=limit, cursor=cursor))

    def queue(self) -> Steps[Queue]:
        return self._ask(Queue, "GET", "/queue")

    def dispatches(self, limit: int | None) -> Steps[Dispatches]:
        return self._ask(Dispatches, "GET", "/dispatches" + query(limit=limit))

    def _ask(self, kind: type[D], method: str, path: str, *more: Any, once: bool = False) -> Steps[D]:
        answer = yield from self._calls.call(method, path, *more, once=once)
        return self._calls.document(kind, answer.body)
