"""Which ingestions hold an id: by an index, and by a bounded search where there is none."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from ..errors import UnknownIngestion
from ..values import INT64_MAX, INT64_MIN
from .answers import Answer
from .hashes import hash_of
from .ids import Ids, Strings
from .listing import Filter
from .models import Batch, Ingestion

_INTEGER = re.compile("0|-?[1-9][0-9]{0,18}")

_ROOM = 4_000_000
"""Ids that a search looks through at most where there is no index: of the latest, then of the unfinished ingestions."""

_EACH = 400
"""Ids in the time of which a search gets to an ingestion, however few that has."""

_PAGE = 500
"""Ingestions looked through at once."""

Listing = Callable[..., Sequence[Ingestion]]


class Sought(NamedTuple):
    """The id that somebody looks for, as text, and the integer that this writes, if any."""

    text: str
    number: int | None

    @classmethod
    def of(cls, text: str) -> Sought:
        number = int(text) if _INTEGER.fullmatch(text) else None
        return cls(text, number if number is not None and INT64_MIN <= number <= INT64_MAX else None)

    @property
    def hashes(self) -> Sequence[int]:
        """The hashes of the ids that it may be."""
        return [hash_of(one) for one in (self.text, self.number) if one is not None]

    def among(self, ids: Ids) -> Iterator[int]:
        """Yields where it is among the ids of an ingestion."""
        wanted = self.text if isinstance(ids, Strings) else self.number
        at = -1
        while wanted is not None:
            try:
                at = ids.index(wanted, at + 1)  # type: ignore[arg-type]
            except ValueError:
                return
            yield at


class Found(NamedTuple):
    """An id in one batch of an ingestion, `nth` among its ids.

    `start` is when the batch should start, in epoch seconds; None if it does not wait, and while the queue is paused.
    `answer` is the latest of the id.
    """

    ingestion: Ingestion
    batch: Batch
    nth: int
    start: float | None
    answer: Answer


class Search(NamedTuple):
    """What was found, the newest ingestion first, and whether there is `more` than was asked for.

    `searched` ingestions were looked through, beside those in the index. Unless the search is `complete`, it covered
    what was submitted after `since` (epoch seconds), and of the unfinished ingestions all, as `unfinished` says, or as
    many as it had room for.
    """

    found: Sequence[Found]
    more: bool
    searched: int
    unfinished: bool
    since: float | None

    @property
    def complete(self) -> bool:
        return self.since is None


class Finder(ABC):
    """What a store knows of where ids are. Thread-safe; every call may raise StoreUnavailable."""

    @abstractmethod
    def indexed(self, sought: Sought, *, owner: str | None, limit: int) -> tuple[list[Ingestion], int]:
        """Returns the newest ingestions, an `owner`'s if given, that hold an id of this hash by the index.

        Beside them, the `order` from which on all ingestions are in the index.
        """

    @abstractmethod
    def holding(self, sought: Sought, ingestions: Sequence[Ingestion], limit: int) -> list[tuple[Ingestion, int]]:
        """Returns those of some ingestions that hold the id, each with where among its ids, `limit` times at most.

        Those that are forgotten by now hold nothing.
        """

    @abstractmethod
    def at(self, ingestion_id: str, index: int) -> Found:
        """Returns what there is to say of an id of an ingestion, all of one moment. Raises UnknownIngestion."""


class _Scan:
    """The ingestions that were looked through, and where in them the id is."""

    def __init__(self, finder: Finder, listing: Listing, sought: Sought, limit: int, room: int) -> None:
        self._finder = finder
        self._listing = listing
        self._sought = sought
        self._limit = limit
        self._room = room
        self.searched = 0
        self.places: list[tuple[Ingestion, int]] = []

    def through(self, where: Filter, before: int) -> Ingestion | None:
        """Look through what a filter takes below the order `before`, newest first, while there is room.

        Returns the first for which there was none.
        """
        room = self._room
        while True:
            page = self._listing(where, before=before, limit=_PAGE)
            some: list[Ingestion] = []
            left: Ingestion | None = None
            for one in page:
                if room <= 0:
                    left = one
                    break
                some.append(one)
                room -= _EACH + one.id_count
            self.searched += len(some)
            self.places += self._finder.holding(self._sought, some, self._limit)
            if left or len(page) < _PAGE:
                return left
            before = page[-1].order


def search(
    finder: Finder, listing: Listing, sought: Sought, *, owner: str | None = None, limit: int = 20, room: int = _ROOM
) -> Search:
    """Returns where an id is, `limit` times at most; `listing` lists the store's ingestions.

    Where there is no index, about `room` ids of the latest ingestions are looked through, and as many of the unfinished
    before them.
    """
    known, first = finder.indexed(sought, owner=owner, limit=limit + 1)
    scan = _Scan(finder, listing, sought, limit + 1, room)
    left = scan.through(Filter(owner=owner), first)
    left_unfinished = left and scan.through(Filter(owner=owner, unfinished=True), left.order + 1)
    places = [*finder.holding(sought, known, limit + 1), *scan.places]
    places.sort(key=lambda one: (-one[0].order, one[1]))
    found: list[Found] = []
    for ingestion, index in places[:limit]:
        with suppress(UnknownIngestion):  # forgotten meanwhile
            found.append(finder.at(ingestion.id, index))
    since = left.created_at if left else None
    return Search(found, len(places) > limit, scan.searched, left_unfinished is None, since)
