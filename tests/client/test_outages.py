"""A service that is away for a while: whoever waits outlasts it, and nobody tries for ever."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from app.client import Client, TimedOut, Unreachable
from tests.support.documents import ingestion, page, status
from tests.support.scripted import Act, answer, reset, say_nothing, scripted
from tests.support.sleeper import Sleeper

Make = Callable[..., Client]
EIGHT_HOURS = 28800
RUNS = answer(200, status("triggered"), Retry_After="1")
DONE = answer(200, status("completed"))


def outage(clock: Sleeper, seconds: float, then: Act, *, slow: float = 0.0) -> list[Act]:
    """Every connection is lost, each after `slow` seconds, until so many have passed since the first; then this."""
    lost_at: list[float] = []

    def act(connection: socket.socket) -> None:
        lost_at.append(clock.now())
        if clock.now() - lost_at[0] >= seconds:
            then(connection)
        else:
            clock.advance(slow)
            reset(connection)

    return [act] * 50


def test_a_wait_outlasts_a_restart(client: Make, clock: Sleeper) -> None:
    with scripted(RUNS, *outage(clock, 50, DONE)) as server:
        assert client(server.url).wait("abc", timeout=EIGHT_HOURS).status == "completed"


def test_so_does_a_wait_for_many(client: Make, clock: Sleeper) -> None:
    first, ended = (
        answer(200, page(ingestion("a", word), ingestion("b", word))) for word in ("triggered", "completed")
    )
    looked = answer(200, status("triggered", "b"), Retry_After="1")
    with scripted(first, looked, *outage(clock, 50, ended)) as server:
        assert len(client(server.url).wait_all(["a", "b"], timeout=EIGHT_HOURS)) == 2


def test_so_does_a_call(client: Make, clock: Sleeper) -> None:
    accepted = answer(200, {"ingestion_id": "abc"})
    with scripted(*outage(clock, 50, accepted)) as server:
        assert client(server.url).submit([1], "LOW") == "abc"


def test_each_outage_of_a_wait_has_the_whole_patience(client: Make, clock: Sleeper) -> None:
    away = [reset] * 4  # 1.9 to 3.8 seconds
    with scripted(RUNS, *away, RUNS, *away, RUNS, *away, DONE) as server:
        assert client(server.url, patience=4).wait("abc", timeout=EIGHT_HOURS).status == "completed"
    assert sum(clock.slept) > 3 + 4


@pytest.mark.parametrize("call", [lambda made: made.wait("abc", timeout=EIGHT_HOURS), lambda made: made.queue()])
def test_a_service_that_stays_away_is_given_up(client: Make, clock: Sleeper, call: Callable[[Client], object]) -> None:
    with scripted(*outage(clock, 1e9, DONE)) as server, pytest.raises(Unreachable, match="the connection was lost"):
        call(client(server.url))
    # No pause is longer than eight seconds, so the last attempt is not earlier before the end than that.
    assert 60 - 8 <= sum(clock.slept) <= 60


def test_what_the_attempts_take_counts(client: Make, clock: Sleeper) -> None:
    with scripted(*outage(clock, 1e9, DONE, slow=20)) as server, pytest.raises(Unreachable):
        client(server.url, patience=60).queue()
    # From the first loss on: two more that take 20 seconds, a third, and a fourth would begin too late.
    assert len(server.requests) == 4
    assert sum(clock.slept) < 60


def test_who_does_not_answer_the_last_look_of_a_wait_has_said_before_how_things_stand(client: Make) -> None:
    """What is left of the wait for an answer may be less than the way there and back takes."""
    with scripted(RUNS, say_nothing) as server, pytest.raises(TimedOut, match="is triggered after 1 s") as one:
        client(server.url).wait("abc", timeout=1)
    assert [status.ingestion_id for status in one.value.statuses] == ["abc"]
    both = answer(200, page(ingestion("a", "triggered"), ingestion("b", "completed")))
    for acts in ([say_nothing], [both, say_nothing]):
        looked = answer(200, status("triggered", "a"), Retry_After="1")
        with scripted(both, looked, *acts) as server, pytest.raises(TimedOut, match="1 of 2 ingestions") as many:
            client(server.url).wait_all(["a", "b"], timeout=1)
        assert many.value.status.ingestion_id == "a"


def test_who_tells_of_all_and_then_not_of_the_last_has_said_how_things_stand(client: Make, clock: Sleeper) -> None:
    def too_late(connection: socket.socket) -> None:
        clock.advance(1)
        reset(connection)

    both = answer(200, page(ingestion("a", "triggered"), ingestion("b", "completed")))
    with scripted(both, too_late) as server, pytest.raises(TimedOut, match="1 of 2 ingestions"):
        client(server.url).wait_all(["a", "b"], timeout=1)


def test_who_has_not_answered_at_all_by_the_end_of_a_wait_is_unreachable(client: Make) -> None:
    with scripted(say_nothing) as server, pytest.raises(Unreachable):
        client(server.url).wait_all(["a", "b"], timeout=0)


def test_the_end_of_a_wait_comes_before_patience_does(client: Make, clock: Sleeper) -> None:
    with scripted(RUNS, *outage(clock, 1e9, DONE)) as server, pytest.raises(Unreachable):
        client(server.url).wait("abc", timeout=20)
    assert 20 - 8 <= sum(clock.slept) <= 20
