"""How many batches each process runs at once, where an operator changed it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from ..config import Settings
from ..errors import Fault, InvalidRequest, UnknownWorker
from .members import whole_of
from .uuids import id_prefix

_LISTED = 5
"""Workers that a refusal names."""


class _Worker(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def slots(self) -> int: ...


class Concurrency(NamedTuple):
    """What stands in the place of CONCURRENCY: `each` in every process, and `some` by a worker's id or by its host."""

    each: int | None = None
    some: Mapping[str, int] = {}

    def __bool__(self) -> bool:
        return self.each is not None or bool(self.some)

    def of(self, worker: _Worker, settings: Settings) -> int:
        """Returns how many batches a worker may run at once: by its id, else by its host, else as each.

        What was set under another configuration holds as far as CONCURRENCY_MOST lets it be set, and what the worker
        itself is configured to.
        """
        count = self.some.get(worker.id) or self.some.get(worker.host) or self.each
        return min(count, max(worker.slots, settings.concurrency_most)) if count else worker.slots

    def change(self, name: str | None, count: int | None, workers: Iterable[_Worker]) -> Concurrency:
        """Returns it with another count for a worker or a host, or for each where the name is None.

        With None as the count it is as configured again, and without a name everywhere. Ids that are no longer among
        the workers are forgotten; a host may come back.
        """
        if name is None and count is None:
            return Concurrency()
        present = {worker.id for worker in workers}
        some = {one: number for one, number in self.some.items() if one in present or not _is_id(one)}
        if name is None:
            return Concurrency(count, some)
        some.pop(name, None)
        return Concurrency(self.each, some if count is None else some | {name: count})

    def document(self) -> dict[str, int]:
        """Returns what is changed, by names."""
        return ({} if self.each is None else {"each": self.each}) | dict(self.some)


def most_concurrency(settings: Settings) -> int:
    """Returns how many batches a process may be set to run at once."""
    return max(settings.concurrency, settings.concurrency_most)


def check_concurrency(body: Any, settings: Settings) -> int:
    """Returns the count that a request asks for, from 1 to CONCURRENCY_MOST. Raises InvalidRequest."""
    most = most_concurrency(settings)
    if not isinstance(body, Mapping) or set(body) != {"concurrency"}:
        raise InvalidRequest([Fault("#", "The body must be an object with concurrency, and nothing else.")])
    if (count := whole_of(body["concurrency"])) is None or not 1 <= count <= most:
        detail = f"concurrency must be a whole number from 1 to {most}, as CONCURRENCY_MOST allows."
        raise InvalidRequest([Fault("#/concurrency", detail)])
    return count


def named_worker(text: str | None, workers: Iterable[_Worker]) -> str | None:
    """Returns the id or the host that `text` stands for: one of a worker, or the beginning of one's id.

    Raises UnknownWorker, which names those that there are.
    """
    if text is None:
        return None
    listed = list(workers)
    if any(worker.host == text for worker in listed):
        return text
    ids = [worker.id for worker in listed if text and worker.id.startswith(text)]
    if len(ids) == 1:
        return ids[0]
    known = ", ".join(f"{worker.id} on {worker.host}" for worker in listed[:_LISTED]) or "none"
    problem = "stands for several workers" if ids else "is no worker or host of this queue"
    raise UnknownWorker(f"{text[:60]!r} {problem}; those that work on it are: {known}.")


def _is_id(name: str) -> bool:
    return len(name) == 36 and id_prefix(name) is not None
