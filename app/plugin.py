"""A plugin for pytest, for the tests of a host. It finds the app in a fixture `app`, as pytest-flask does."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
from flask import Flask

from .core import Id, SystemClock
from .processors import current_batch, simulate
from .service import Service, services_of


class IngestionClock:
    """The time of every instance of an app, which stands still until `advance` or `run_until_idle`.

    Each instance has a time of its own, as if they all worked at once; `now` is the latest.
    """

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        for service in services:
            service.ensure_started()  # under TESTING, this stops what runs
        self.began_at = self.now()
        for clock in self._clocks():
            clock.advance(self.began_at - clock.now())

    def now(self) -> float:
        """Returns seconds since the epoch."""
        return max(clock.now() for clock in self._clocks())

    @property
    def elapsed(self) -> float:
        """Seconds since the test began, to the millisecond."""
        return self.since_began(self.now())

    def since_began(self, moment: float) -> float:
        """Returns how many seconds after the test began a moment is, in epoch seconds.

        To the millisecond, because a float of epoch seconds holds no 0.6 exactly, and a test compares.
        """
        return round(moment - self.began_at, 3)

    def advance(self, seconds: float) -> None:
        """Let time pass, and run nothing."""
        for clock in self._clocks():
            clock.advance(seconds)

    def run_until_idle(self, *, raises: bool = False, seconds: float | None = None) -> int:
        """Run everything that waits in every instance; returns how many attempts ran. See `Service.run_until_idle`."""
        ends = [math.inf if seconds is None else clock.now() + seconds for clock in self._clocks()]
        count = 0
        # One may submit to another, whichever comes first, so time passes only once nothing runs in any.
        while ran := sum(one.run_until(end, raises=raises) for one, end in zip(self._services, ends, strict=True)):
            count += ran
        for clock, end in zip(self._clocks(), ends, strict=True):
            if seconds is not None:
                clock.advance(max(0.0, end - clock.now()))
        return count

    def _clocks(self) -> list[SystemClock]:
        return [service.clock for service in self._services if isinstance(service.clock, SystemClock)]


class Call(NamedTuple):
    """One call of a RecordingUpstream: `after` so many seconds of the test, with which ids, by which instance."""

    after: float
    ids: list[Any]
    queue: str
    attempt: int


class RecordingUpstream:
    """Stands in for the processor of every instance of an app, and records each call.

    It answers every id with `"processed"`, unless `then` says otherwise.
    """

    def __init__(self, clock: IngestionClock) -> None:
        self.calls: list[Call] = []
        self._clock = clock
        self._answers: list[Any] = []

    @property
    def ids(self) -> list[Any]:
        """All ids that it was called with, in order."""
        return [one for call in self.calls for one in call.ids]

    def then(self, *answers: Any) -> RecordingUpstream:
        """Treat the next calls so, one after the other: raise an exception, or its class, call a function, return
        anything else."""
        self._answers += answers
        return self

    def of(self, service: Service) -> Callable[[Sequence[Id]], Any]:
        """Returns the processor that takes an instance's place."""

        def process(ids: Sequence[Id]) -> Any:
            after = self._clock.since_began(service.clock.now())
            self.calls.append(Call(after, list(ids), service.name, current_batch().attempt))
            answer: Any = self._answers.pop(0) if self._answers else simulate
            if _can_be_raised(answer):
                raise answer
            return answer(ids) if callable(answer) else answer

        return process


def _can_be_raised(answer: object) -> bool:
    return isinstance(answer, BaseException) or (isinstance(answer, type) and issubclass(answer, BaseException))


@pytest.fixture
def ingestion_clock(request: pytest.FixtureRequest) -> IngestionClock:
    """The time of every instance of the fixture `app`, which has to be one under TESTING."""
    return IngestionClock(_services(request))


@pytest.fixture
def ingestion_upstream(
    request: pytest.FixtureRequest, ingestion_clock: IngestionClock, monkeypatch: pytest.MonkeyPatch
) -> RecordingUpstream:
    """An upstream that records its calls, in place of every processor of the fixture `app`."""
    upstream = RecordingUpstream(ingestion_clock)
    for service in _services(request):
        processor = upstream.of(service)
        monkeypatch.setattr(service, "find_processor", lambda processor=processor: processor)
    return upstream


def _services(request: pytest.FixtureRequest) -> list[Service]:
    try:
        app: Flask = request.getfixturevalue("app")
    except pytest.FixtureLookupError:
        raise pytest.UsageError("ingestion_clock needs a fixture named app, which returns your Flask app.") from None
    services = services_of(app.extensions)
    if not services:
        raise pytest.UsageError("The fixture app has no ingestion; call init_app before it is returned.")
    for service in services:
        if not service.is_eager:
            raise pytest.UsageError(f"Set TESTING of the fixture app, for {service.name!r} may run its worker.")
        if not isinstance(service.clock, SystemClock):
            raise pytest.UsageError(f"{service.name!r} has a clock of its own, which ingestion_clock cannot advance.")
    return services
