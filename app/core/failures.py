"""What failed: the batches that did, over all ingestions, and groups of them by error."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from .ids import Id
from .masks import masked
from .models import BatchError, Priority
from .uuids import batch_id

Spot: TypeAlias = tuple[float, int, int]
"""When a batch failed, its ingestion's order, and its position: failures are listed by it, the greatest first."""

_INGESTIONS = 10
"""Ingestions that a group names."""


class Failure(NamedTuple):
    """A batch that failed for good. `ids` are those that failed, each with its error, where they were asked for."""

    spot: Spot
    ingestion_id: str
    priority: Priority
    owner: str | None
    error: BatchError
    ids: Sequence[tuple[Id, BatchError]] = ()

    @property
    def at(self) -> float:
        return self.spot[0]

    @property
    def batch_id(self) -> str:
        return batch_id(self.ingestion_id, self.spot[2])


class FailureFilter(NamedTuple):
    """Which failures are wanted; a member that is None takes all.

    `group` is the id of a group; `since` and `until` bound when it failed, in epoch seconds.
    """

    priority: Priority | None = None
    owner: str | None = None
    group: str | None = None
    since: float | None = None
    until: float | None = None

    def takes(self, failure: Failure) -> bool:
        """Returns whether a batch is among those wanted."""
        return (
            self.priority in (None, failure.priority)
            and self.owner in (None, failure.owner)
            and (self.since is None or failure.at >= self.since)
            and (self.until is None or failure.at <= self.until)
            and (self.group is None or self.group == group_of(failure.error).id)
        )


ALL_FAILURES = FailureFilter()


class GroupKey(NamedTuple):
    """What the errors of a group have in common: their type, and their message with what differs masked."""

    id: str
    type: str
    message: str


@functools.lru_cache(4096)  # One outage is thousands of equal errors.
def group_of(error: BatchError) -> GroupKey:
    """Returns the group of an error."""
    message = masked(error.message)
    digest = hashlib.sha256(f"{error.type}\0{message}".encode("utf-8", "backslashreplace"))
    return GroupKey(digest.hexdigest()[:12], error.type, message)


@dataclass
class Group:
    """Batches that failed by the same error. `ingestions` are the latest of theirs, ten at most."""

    key: GroupKey
    latest: Failure
    first_at: float
    count: int = 0
    ingestions: list[str] = field(default_factory=list)

    def add(self, failure: Failure) -> None:
        """Add a batch that failed before those that are in it."""
        self.count += 1
        self.first_at = failure.at
        if len(self.ingestions) < _INGESTIONS and failure.ingestion_id not in self.ingestions:
            self.ingestions.append(failure.ingestion_id)


def grouped(failures: Iterable[Failure], limit: int, after: Spot | None = None) -> tuple[list[Group], Spot | None]:
    """Returns a page of the groups of failures, which come latest first, and where the next page begins, if there is
    one.

    The group that failed last comes first; `after` is where the page before said that this one begins. Keeps no more
    than the page, and the ids of the groups on the pages before.
    """
    page: dict[str, Group] = {}
    before, more = set[str](), False
    for failure in failures:
        key = group_of(failure.error)
        if key.id in before:
            continue
        if after is not None and failure.spot >= after:
            before.add(key.id)
            continue
        group = page.get(key.id)
        if group is None:
            if len(page) == limit:
                more = True
                continue
            group = page[key.id] = Group(key, failure, failure.at)
        group.add(failure)
    groups = list(page.values())
    return groups, groups[-1].latest.spot if more else None
