"""The verbs of a client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from ..core import Clock, Id, Priority, Status, SystemClock
from .calls import Calls
from .transport import ClientError, Reply, Transport, Unreachable

_LOOK_MIN, _LOOK_MAX = 0.25, 60.0
"""Bounds of the seconds between two polls of an ingestion; an operator can change what no estimate foresaw."""


class TimedOut(ClientError):
    """The ingestion had not ended in time. `status` is the last one known."""

    def __init__(self, timeout: float, status: Mapping[str, Any]) -> None:
        super().__init__(f"The ingestion is {status['status']} after {timeout:g} s, and continues.")
        self.status = status


class Client:
    """A service at `url`, such as `http://127.0.0.1:8000`, or with a path where it is embedded under one.

    `key` is sent as a bearer token. Each wait for the network takes `timeout` seconds at most. If the connection is
    lost, or the service says "later", a call that is safe to repeat is tried up to `retries` more times, as long as
    the waits in between add up to `patience` seconds at most; `notice` is called with each reason in words.

    Every call may raise Unreachable or Refused, and returns documents as the service sends them. Safe to share among
    threads.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        timeout: float = 30.0,
        retries: int = 5,
        patience: float = 60.0,
        notice: Callable[[str], object] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._calls = Calls(
            Transport(url, key), timeout=timeout, retries=retries, patience=patience, notice=notice, clock=self._clock
        )

    def submit(
        self,
        ids: Iterable[Id],
        priority: Priority | str,
        *,
        idempotency_key: str | None = None,
        deadline: str | float | None = None,
        callback: str | None = None,
    ) -> str:
        """Submit ids; returns the ingestion's id.

        `deadline` is an RFC 3339 time or seconds from now, `callback` a URL that is told of the end. Even if the
        connection is lost, the ids are accepted once: every attempt carries `idempotency_key`, or a random one.
        """
        key = str(uuid4()) if idempotency_key is None else idempotency_key
        if not 0 < len(key) <= 255 or not key.isprintable() or not key.isascii() or '"' in key or "\\" in key:
            raise ValueError("An idempotency key is 1 to 255 printable ASCII characters without quotes or backslashes.")
        body = _body(ids, priority, deadline=deadline, callback=callback)
        answer = self._calls.call("POST", "/ingest", body, {"Idempotency-Key": f'"{key}"'})
        return str(self._document(answer, "ingestion_id")["ingestion_id"])

    def status(
        self, ingestion_id: str, *, limit: int | None = None, offset: int = 0, status: Status | str | None = None
    ) -> dict[str, Any]:
        """Returns the ingestion's status, with `limit` of its batches (all where None) from `offset`.

        With `status`, of the batches in that status.
        """
        only = status and Status(status).value
        return self._ask("GET", _of(ingestion_id) + _query(status=only, limit=limit, offset=offset or None))

    def wait(
        self,
        ingestion_id: str,
        *,
        timeout: float | None = None,
        progress: Callable[[dict[str, Any]], object] | None = None,
    ) -> dict[str, Any]:
        """Wait until the ingestion has ended; returns its last status, without batches.

        Polls as seldom as the service advises; calls `progress` with every status. Raises TimedOut after
        `timeout` seconds.
        """
        until = None if timeout is None else self._clock.now() + timeout
        while True:
            answer = self._calls.call("GET", _of(ingestion_id) + "?limit=0", until=until)
            status = self._document(answer, "status")
            if progress:
                progress(status)
            if Status(status["status"]).final:
                return status
            pause = min(_LOOK_MAX, 5.0 if answer.retry_after is None else max(_LOOK_MIN, answer.retry_after))
            if timeout is not None and until is not None:
                pause = min(pause, until - self._clock.now())
                if pause <= 0:
                    raise TimedOut(timeout, status)
            self._calls.sleep(pause)

    def results(self, ingestion_id: str, *, failed: bool = False) -> Iterator[dict[str, Any]]:
        """Yields `{"id", "data"}` for each answered id, in the ingestion's order, as they arrive. Never retried.

        With `failed`, `{"id", "error"}` too for each id that failed.
        """
        return map(json.loads, self.result_lines(ingestion_id, failed=failed))

    def result_lines(self, ingestion_id: str, *, failed: bool = False) -> Iterator[str]:
        """Yields the results as the lines of NDJSON that the service sends."""
        return self._lines(f"/results/{quote(ingestion_id, safe='')}{_query(include='failed' if failed else None)}")

    def _lines(self, path: str) -> Iterator[str]:
        with self._calls.transport.stream(path, self._calls.timeout) as (answer, lines):
            if answer.status != 200:
                raise self._calls.error(answer)
            yield from lines

    def list(
        self,
        *,
        status: Status | str | None = None,
        priority: Priority | str | None = None,
        failed: bool = False,
        page: int = 100,
    ) -> Iterator[dict[str, Any]]:
        """Yields ingestions, newest first, `page` at a time on demand; with `failed`, those with failed batches."""
        filters = {
            "status": status and Status(status).value,
            "priority": priority and _name(priority),
            "failed": "true" if failed else None,
        }
        return self._pages("/ingestions", "ingestions", page, filters)

    def _pages(self, path: str, member: str, page: int, filters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        cursor = None
        while True:
            answer = self._calls.call("GET", path + _query(**filters, limit=page, cursor=cursor))
            document = self._document(answer, member, "next_cursor")
            yield from document[member]
            cursor = document["next_cursor"]
            if cursor is None:
                return

    def failures(self, *, page: int = 100, **where: Any) -> Iterator[dict[str, Any]]:
        """Yields what failed, grouped by error, the group that failed last first, `page` at a time on demand.

        `where` filters by `group`, `priority`, `owner`, and by when it failed: `since` and `until` are RFC 3339 times,
        or seconds ago.
        """
        return self._pages("/failures", "groups", page, _failed(**where))

    def failed_ids(self, **where: Any) -> Iterator[dict[str, Any]]:
        """Yields each id that failed, with its error, as they arrive; `where` is that of `failures`. Never retried."""
        return map(json.loads, self.failed_id_lines(**where))

    def failed_id_lines(self, **where: Any) -> Iterator[str]:
        """Yields the same as the lines of NDJSON that the service sends."""
        return self._lines(f"/failures/ids{_query(**_failed(**where))}")

    def cancel(self, ingestion_id: str) -> dict[str, Any]:
        """Cancel what has not started; returns the new status, without batches."""
        return self._ask("POST", _of(ingestion_id) + "/cancel")

    def redrive(self, ingestion_id: str) -> dict[str, Any]:
        """Start the failed batches over; returns the new status, without batches.

        Never repeated once it may have taken effect.
        """
        return self._document(self._calls.call("POST", _of(ingestion_id) + "/redrive", once=True))

    def redrive_all(self, *, idempotency_key: str | None = None, **where: Any) -> dict[str, Any]:
        """Redrive all that match, in the background; returns the sweep, which `sweep` looks up again.

        `where` filters by `status`, `priority`, `owner`, `group` of failures, and by when they were submitted: `since`
        and `until` are RFC 3339 times, or seconds ago. With `dry_run=True` it returns the count alone.
        """
        return self._sweep("redrive", idempotency_key, where)

    def cancel_all(self, *, idempotency_key: str | None = None, **where: Any) -> dict[str, Any]:
        """Cancel all that match, as `redrive_all` redrives them."""
        return self._sweep("cancel", idempotency_key, where)

    def _sweep(self, verb: str, key: str | None, where: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in where.items() if value is not None}
        headers = {"Idempotency-Key": f'"{uuid4() if key is None else key}"'}
        return self._document(self._calls.call("POST", f"/ingestions/{verb}", json.dumps(given).encode(), headers))

    def sweep(self, sweep_id: str) -> dict[str, Any]:
        """Returns how far a redrive or cancel of all that match is."""
        return self._ask("GET", f"/sweeps/{quote(sweep_id, safe='')}")

    def redrive_callback(self, ingestion_id: str) -> dict[str, Any]:
        """Send what the receiver was not told of the ingestion's end again; returns its status, without batches.

        Never repeated once it may have taken effect.
        """
        return self._document(self._calls.call("POST", _of(ingestion_id) + "/callback/redrive", once=True))

    def quote(
        self, ids: Iterable[Id], priority: Priority | str = Priority.HIGH, *, deadline: str | float | None = None
    ) -> dict[str, Any]:
        """Returns when these ids would start and end at each priority; nothing is queued."""
        return self._ask("POST", "/quote", _body(ids, priority, deadline=deadline))

    def pause(self) -> dict[str, Any]:
        """Start nothing until `resume`; returns the state of the queue."""
        return self._ask("POST", "/queue/pause")

    def resume(self) -> dict[str, Any]:
        """End a pause; returns the state of the queue."""
        return self._ask("POST", "/queue/resume")

    def queue(self) -> dict[str, Any]:
        """Returns the state of the queue: depths, ages, tokens, what it waits on, the next batches."""
        return self._ask("GET", "/queue")

    def dispatches(self, *, limit: int | None = None) -> dict[str, Any]:
        """Returns the latest dispatches, oldest first, and the limit they were made under."""
        return self._ask("GET", "/dispatches" + _query(limit=limit))

    def _ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        return self._document(self._calls.call(method, path, body))

    def _document(self, answer: Reply, *members: str) -> dict[str, Any]:
        """Returns the object in an answer, which must have these members."""
        try:
            document = json.loads(answer.body)
        except ValueError:
            document = None
        if not isinstance(document, dict) or not document.keys() >= set(members):
            raise Unreachable(f"{self._calls.transport.url} answers, but not as this service does.")
        return document


def _of(ingestion_id: str) -> str:
    return f"/status/{quote(ingestion_id, safe='')}"


def _query(**members: Any) -> str:
    given = {name: value for name, value in members.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def _failed(
    *,
    group: str | None = None,
    priority: Priority | str | None = None,
    owner: str | None = None,
    since: str | float | None = None,
    until: str | float | None = None,
) -> dict[str, Any]:
    """Returns a filter of failures as members of a query."""
    of = priority and _name(priority)
    return {"group": group, "priority": of, "owner": owner, "since": since, "until": until}


def _name(priority: Priority | str) -> str:
    return priority.name if isinstance(priority, Priority) else priority


def _body(ids: Iterable[Id], priority: Priority | str, **more: Any) -> bytes:
    members = {"ids": [*ids], "priority": _name(priority)}
    given = {name: value for name, value in more.items() if value is not None}
    return json.dumps(members | given, separators=(",", ":")).encode()
