"""Waiting for ingestions, in as few requests as the service makes possible."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ..core import number_of
from .calls import Calls, Pause, Steps
from .documents import Ingestion, Page, StatusPage
from .errors import TimedOut, Unreachable
from .paths import query, status_path

_LOOK_MIN, _LOOK_MAX = 0.25, 60.0
"""Bounds of the seconds between two polls of an ingestion; an operator can change what no estimate foresaw."""

_UNADVISED = 5.0
"""Seconds between two polls where the service does not say."""

_PAGE_MIN, _PAGE_MAX = 100, 1000
"""Bounds of the ingestions on a page of the listing."""

T = TypeVar("T")


class Waits:
    """One wait, with the moment at which it ends."""

    def __init__(self, calls: Calls, timeout: float | None) -> None:
        if timeout is not None and (number_of(timeout) is None or math.isnan(timeout)):
            raise ValueError(f"timeout must be a number of seconds, or None for no end, not {timeout!r}.")
        self._calls = calls
        self._timeout = timeout
        self._until = None if timeout is None else calls.now() + timeout
        self._cursor: str | None = None

    def for_one(self, ingestion_id: str, progress: Callable[[StatusPage], object] | None) -> Steps[StatusPage]:
        """Polls as seldom as the service advises. Raises TimedOut."""
        known: list[StatusPage] = []
        while True:
            status, advice = yield from self._in_time(self._look(ingestion_id), known)
            if progress:
                progress(status)
            if status.status.final:
                return status
            known = [status]
            yield from self._pause(advice, known)

    def for_all(
        self, ingestion_ids: Iterable[str], progress: Callable[[Sequence[Ingestion]], object] | None
    ) -> Steps[tuple[Ingestion, ...]]:
        """Polls all of them through the listing, as seldom as the service advises for the last of them."""
        if isinstance(ingestion_ids, str | bytes):
            raise ValueError(f"ingestion_ids are a list, not {ingestion_ids!r:.60}: put a single id into a list.")
        asked = tuple(ingestion_ids)
        limit = max(_PAGE_MIN, min(2 * len(asked), _PAGE_MAX))
        known: dict[str, Ingestion] = {}
        statuses: tuple[Ingestion, ...] = ()
        while True:
            # What was asked for by the beginning of an id, or by a batch's id, is known by its whole id from now on.
            names = [known[one].ingestion_id if one in known else one for one in asked]
            todo = {name for one, name in zip(asked, names, strict=True) if one not in known or not _ended(known[one])}
            found = yield from self._in_time(self._round(todo, limit), statuses)
            known |= {one: found[name] for one, name in zip(asked, names, strict=True) if name in found}
            statuses = tuple(known[one] for one in asked)
            if progress:
                progress(statuses)
            waiting = [one for one in statuses if not _ended(one)]
            if not waiting:
                return statuses
            last, advice = yield from self._in_time(self._look(max(waiting, key=_order).ingestion_id), statuses)
            known |= {one: last for one in asked if known[one].ingestion_id == last.ingestion_id}
            if not _ended(last):
                yield from self._pause(advice, statuses)

    def _round(self, wanted: set[str], limit: int) -> Steps[dict[str, Ingestion]]:
        """Returns each of these ingestions, in no more than two requests for each, and in one for all if they are
        neighbours in the listing, whose pages have `limit`."""
        found: dict[str, Ingestion] = {}
        cursor = self._cursor
        for _ in range(len(wanted) if len(wanted) > 1 else 0):
            answer = yield from self._calls.call(
                "GET", "/ingestions" + query(limit=limit, cursor=cursor), until=self._until
            )
            page = self._calls.document(Page, answer.body)
            here = {one.ingestion_id: one for one in page.ingestions if one.ingestion_id in wanted}
            if here and not found:
                self._cursor = cursor  # Those before it are newer than all that are waited for.
            found |= here
            cursor = page.next_cursor
            if cursor is None or len(found) == len(wanted):
                break
        for one in wanted - found.keys():
            found[one], _ = yield from self._look(one)
        return found

    def _look(self, ingestion_id: str) -> Steps[tuple[StatusPage, float | None]]:
        answer = yield from self._calls.call("GET", status_path(ingestion_id, limit=0), until=self._until)
        return self._calls.document(StatusPage, answer.body), answer.retry_after

    def _in_time(self, steps: Steps[T], known: Sequence[Ingestion]) -> Steps[T]:
        """Takes steps. Raises TimedOut in place of Unreachable once the wait is over, if anything is known to tell."""
        try:
            return (yield from steps)
        except Unreachable:
            if not known or self._timeout is None or self._until is None or self._calls.now() < self._until:
                raise
            raise TimedOut(self._timeout, known) from None

    def _pause(self, advice: float | None, statuses: Sequence[Ingestion]) -> Steps[None]:
        seconds = min(_LOOK_MAX, _UNADVISED if advice is None else max(_LOOK_MIN, advice))
        if self._timeout is not None and self._until is not None:
            seconds = min(seconds, self._until - self._calls.now())
            if seconds <= 0:
                raise TimedOut(self._timeout, statuses)
        yield Pause(seconds)


def _ended(ingestion: Ingestion) -> bool:
    return ingestion.status.final


def _order(ingestion: Ingestion) -> tuple[int, object]:
    return ingestion.priority, ingestion.created_at
