"""What is known of each id: its answer, the batch that asks it, and who awaits that batch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..config import Settings
from ..core import Answer, Asker, Id, Known, Mark, forgotten_by
from ..queue import Entry
from .record import Record
from .registry import SOME

_NOTHING = Known()


class _Kept(NamedTuple):
    known: Known
    used_at: float


class KnownIds:
    """The latest FRESH_MAX answers by scope and id, the least recently used first. Called under the store's lock."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._answers: OrderedDict[tuple[str, Id], _Kept] = OrderedDict()
        self._askers: dict[tuple[str, Id], Asker] = {}
        self._awaiting: dict[Asker, list[Entry[Record]]] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def look(self, scope: str, ids: Sequence[Id]) -> Mapping[Id, Known]:
        """Returns what is known of some ids."""
        found: dict[Id, Known] = {}
        for one in ids:
            kept, asker = self._answers.get((scope, one)), self._askers.get((scope, one))
            if kept or asker:
                found[one] = (kept.known if kept else _NOTHING)._replace(asker=asker)
        return found

    def use(self, scope: str, ids: Iterable[Id], now: float) -> None:
        """Note that the answers to some ids are used now."""
        for one in ids:
            key = scope, one
            self._answers[key] = self._answers[key]._replace(used_at=now)
            self._answers.move_to_end(key)

    def ask(self, scope: str, ids: Iterable[Id], asker: Asker) -> None:
        """Note that a batch asks some ids from now on."""
        for one in ids:
            self._askers[scope, one] = asker

    def ended(self, scope: str, ids: Sequence[Id], answers: Sequence[Answer], asker: Asker, mark: Mark) -> None:
        """Note the end of a call for some ids with its answers, if there are any; an id that failed has none."""
        for one in ids:
            if self._askers.get((scope, one)) == asker:
                del self._askers[scope, one]
        for one, answer in zip(ids, answers, strict=False):
            if isinstance(answer, str):
                self._answers[scope, one] = _Kept(Known(answer, mark), mark.at)
                self._answers.move_to_end((scope, one))
        while len(self._answers) > self._settings.fresh_max:
            self._answers.popitem(last=False)

    def wait_for(self, asker: Asker, entry: Entry[Record]) -> None:
        """Take an entry in until a batch in process has ended."""
        self._awaiting.setdefault(asker, []).append(entry)

    def release(self, asker: Asker) -> list[Entry[Record]]:
        """Returns and drops the entries that awaited a batch."""
        return self._awaiting.pop(asker, [])

    def waiting(self) -> Iterator[Entry[Record]]:
        """Yields the entries that await another batch."""
        for entries in self._awaiting.values():
            yield from entries

    def forget(self, now: float) -> bool:
        """Forget some answers that were not used for long; returns whether there may be more."""
        by, count = forgotten_by(self._settings, now), 0
        while count < SOME and self._answers and next(iter(self._answers.values())).used_at <= by:
            self._answers.popitem(last=False)
            count += 1
        return count == SOME
