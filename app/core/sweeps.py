"""Sweeps: a redrive or a cancel of all ingestions that match, a few at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import Fault, InvalidRequest, KeyReused
from .documents import timestamp
from .failures import Failure, FailureFilter
from .listing import Filter
from .members import past_moment, priority_member, unknown_members
from .models import Ingestion, Priority, Status
from .names import name_fault

VERBS = ("redrive", "cancel")

SWEEP_MEMBERS = ("status", "priority", "owner", "group", "since", "until", "failed")
"""By what a sweep can choose."""

_PAGE = 25
"""Ingestions acted on in one step."""

_COUNTED = 1000
"""Ingestions looked at in one step where none is acted on, which takes a tenth of the time."""


class SweepFilter(NamedTuple):
    """Which ingestions are wanted; a member that is None takes all.

    `since` and `until` bound when they were submitted, in epoch seconds; `group` takes those with a failure of that
    group, and `failed` those with any failed batch.
    """

    status: Status | None = None
    priority: Priority | None = None
    owner: str | None = None
    group: str | None = None
    since: float | None = None
    until: float | None = None
    failed: bool | None = None

    def document(self) -> dict[str, Any]:
        """Returns its members that are set, as JSON."""
        told = self._replace(since=None, until=None)._asdict() | {
            "priority": self.priority and self.priority.name,
            "since": timestamp(self.since),
            "until": timestamp(self.until),
        }
        return {name: value for name, value in told.items() if value is not None}


class Sweep(NamedTuple):
    """An order to redrive or cancel, and how far it is.

    It has looked at what was submitted before it, from the latest down to the order `cursor`. `matched` is what the
    filter took when it was asked for, `acted` how many were redriven or cancelled since. Whoever works on it holds it
    until `lease_until`.
    """

    id: str
    verb: str
    where: SweepFilter
    by: str | None
    key: str | None
    fingerprint: str
    created_at: float
    matched: int
    cursor: int = 0
    acted: int = 0
    lease_until: float = 0.0
    finished_at: float | None = None

    @property
    def audit(self) -> tuple[str | None, str, str, dict[str, Any], dict[str, Any]]:
        """What the audit log says of it: who, did what, to which sweep, and how many it takes by which filter."""
        return self.by, f"{self.verb}_all", self.id, {}, {"matched": self.matched, **self.where.document()}

    def after(self, acted: int, cursor: int, now: float, lease: float, *, last: bool) -> Sweep:
        """Returns the sweep after a step that acted on so many."""
        finished_at, until = (now, 0.0) if last else (None, now + lease)
        acted += self.acted
        return self._replace(cursor=cursor, acted=acted, lease_until=until, finished_at=finished_at)


class Sweeps(ABC):
    """The sweeps that a store keeps. Thread-safe; every call may raise StoreUnavailable."""

    @abstractmethod
    def add(self, sweep: Sweep) -> tuple[Sweep, bool]:
        """Add a sweep over what has been submitted by now; returns it, and whether it is new.

        One that was added under its key before is returned instead. Raises KeyReused if that was another. Forgets what
        finished more than `RETENTION` seconds ago.
        """

    @abstractmethod
    def claim(self, lease: float) -> Sweep | float | None:
        """Take an unfinished sweep that nobody holds for `lease` seconds; returns it, or in how many seconds to ask
        again, None where there is none.
        """

    @abstractmethod
    def act(
        self, sweep: Sweep, ids: Sequence[str], cursor: int, lease: float, *, last: bool
    ) -> tuple[Sweep, list[Ingestion]] | None:
        """Redrive or cancel these ingestions and record how far the sweep is, in one step, and hold it for longer.

        Returns the sweep and what was redriven or cancelled, without those that refuse it; None if another holds it by
        now, which changes nothing.
        """

    @abstractmethod
    def release(self, sweep: Sweep) -> None:
        """Let another process go on with it."""

    @abstractmethod
    def get(self, sweep_id: str) -> Sweep | None:
        """Returns a sweep, None if it is not known."""

    @abstractmethod
    def latest(self, limit: int) -> list[Sweep]:
        """Returns the latest sweeps, newest first."""


def same_sweep(known: Sweep, asked: Sweep) -> Sweep:
    """Returns what was asked for under the same key before. Raises KeyReused if that was something else."""
    if (known.verb, known.fingerprint) != (asked.verb, asked.fingerprint):
        raise KeyReused(asked.key)
    return known


Listing = Callable[..., list[Ingestion]]
Failures = Callable[[FailureFilter], Iterator[Failure]]


def count_sweep(verb: str, where: SweepFilter, listing: Listing, failures: Failures) -> tuple[int, int]:
    """Returns how many ingestions a sweep would act on now, and how many of their batches."""
    ingestions = batches = 0
    for some, _ in steps(verb, where, listing, failures, page_size=_COUNTED):
        ingestions += len(some)
        batches += sum(one.counts.failed if verb == "redrive" else one.counts.unfinished for one in some)
    return ingestions, batches


def steps(
    verb: str,
    where: SweepFilter,
    listing: Listing,
    failures: Failures,
    before: int | None = None,
    *,
    page_size: int = _PAGE,
) -> Iterator[tuple[list[Ingestion], int]]:
    """Yields what a sweep acts on step by step, latest first, each with the order down to which it has looked then."""
    of_group = None
    if where.group is not None:
        # One pass over what failed, where a look at each ingestion's failures would take ten times as long.
        of_group = {failure.spot[1] for failure in failures(FailureFilter(where.priority, where.owner, where.group))}
    failed, unfinished = verb == "redrive" or bool(where.failed), verb == "cancel"
    wanted = Filter(where.status, where.priority, where.owner, failed, where.since, where.until, unfinished)
    while page := listing(wanted, before=before, limit=page_size):
        before = page[-1].order
        yield [one for one in page if _takes(verb, one) and (of_group is None or one.order in of_group)], before
        if len(page) < page_size:
            return


def _takes(verb: str, one: Ingestion) -> bool:
    open_to_it = not one.status.final if verb == "cancel" else one.counts.failed > 0
    return open_to_it and not one.counts.cancelled


def check_sweep(verb: str, body: Any, now: float) -> tuple[SweepFilter, bool]:
    """Returns the filter of a sweep and whether it is to be counted only. Raises InvalidRequest with every fault."""
    if not isinstance(body, Mapping):
        raise InvalidRequest([Fault("#", f"The body must be an object of {', '.join(SWEEP_MEMBERS)} and dry_run.")])
    faults = unknown_members(body, (*SWEEP_MEMBERS, "dry_run"))
    given = {name: body[name] for name in SWEEP_MEMBERS if name in body}
    if not given and not faults:
        faults.append(Fault("#", f"Say which: give at least one of {', '.join(SWEEP_MEMBERS)}."))
    dry_run = body.get("dry_run", False)
    if not isinstance(dry_run, bool):
        faults.append(Fault("#/dry_run", "dry_run must be true or false."))
    if "owner" in given and (fault := name_fault(given["owner"])):
        faults.append(Fault("#/owner", f"owner {fault}"))
    if not isinstance(given.get("group", ""), str):
        faults.append(Fault("#/group", "group must be a string."))
    if given.get("failed", True) is not True:
        faults.append(Fault("#/failed", "failed must be true; leave it out for all."))
    status = _status(given["status"], faults) if "status" in given else None
    priority = priority_member(given["priority"], faults) if "priority" in given else None
    if verb == "cancel" and status is not None and status.final:
        faults.append(Fault("#/status", f"What is {status.value} cannot be cancelled."))
    since, until = (_moment(name, given[name], now, faults) if name in given else None for name in ("since", "until"))
    if faults:
        raise InvalidRequest(faults)
    owner, group, failed = map(given.get, ("owner", "group", "failed"))
    return SweepFilter(status, priority, owner, group, since, until, failed), dry_run


def _moment(name: str, value: Any, now: float, faults: list[Fault]) -> float | None:
    moment = past_moment(value, now)
    if moment is None:
        faults.append(Fault(f"#/{name}", f"{name} must be an RFC 3339 time with its offset, or seconds ago."))
    return moment


def _status(word: Any, faults: list[Fault]) -> Status | None:
    known: dict[Any, Status] = {one.value: one for one in Status}
    if not isinstance(word, str) or word not in known:
        faults.append(Fault("#/status", f"status must be one of {', '.join(known)}."))
        return None
    return known[word]
