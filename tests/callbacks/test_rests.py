"""Who is left alone, against what the latest answers allow."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.callbacks.rests import Rests
from app.receivers import address_of
from tests.support.clock import START

MINE, OTHER, ELSEWHERE = (
    address_of(url) for url in ("https://a.example/x", "https://a.example/y", "https://b.example/x")
)
ADDRESSES = st.sampled_from([MINE, OTHER, ELSEWHERE])
AWAY = [429, 502, 503, 504]
STATUSES = st.sampled_from([0, 0, 200, 204, 307, 404, 410, 500, *AWAY])


@given(st.lists(st.tuples(st.sampled_from([0.0, 4.0, 30.0, 400.0]), ADDRESSES, STATUSES), max_size=40))
def test_only_want_of_an_answer_rests_a_host_and_only_its_own_an_address(steps: list[tuple[float, ..., int]]) -> None:
    rests, now, put_off = Rests(), START, 0
    at_host, at_address = dict[str, int](), dict[tuple[str | int, ...], int]()
    for gap, address, status in steps:
        now += gap
        rests.note(address, status, f"it is {status}", now, now)
        at_host[address.host] = status
        if status:
            at_address[address] = status
        for one in (MINE, OTHER, ELSEWHERE):
            found = rests.wait(one, now)
            rests_at_host, rests_at_address = at_host.get(one.host) == 0, at_address.get(one) in AWAY
            if one == address and (status == 0 or status in AWAY):
                assert found is not None
                assert found[1] == f"it is {status}"
            if found is not None:
                assert rests_at_host or rests_at_address
                assert 0 < found[0] <= 300 + put_off * 0.1 + 1e-6
                put_off += 1
    for one in (MINE, OTHER, ELSEWHERE):
        assert rests.wait(one, now + 300) is None


def test_a_rest_grows_with_the_time_for_which_there_is_no_answer_to_five_minutes() -> None:
    rests, now, waits = Rests(), START, []
    for _ in range(12):
        rests.note(MINE, 0, "no answer", now, now)
        found = rests.wait(OTHER, now)
        assert found is not None
        waits.append(found[0])
        now += found[0]
    assert waits[:3] == pytest.approx([4.5, 4.5, 8.1], abs=0.2)
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(300)


def test_those_put_off_come_up_one_after_the_other() -> None:
    """However many they are, the store is written to ten times a second at most for their sake."""
    rests, now = Rests(), START
    rests.note(MINE, 503, "away", now, now)
    first = [rests.wait(MINE, now) for _ in range(100)]
    waits = [found[0] for found in first if found]
    assert [later - waits[0] for later in waits] == pytest.approx([nth * 0.1 for nth in range(100)], abs=1e-4)
    rests.note(MINE, 503, "away", now + 5, now + 5)
    again = rests.wait(MINE, now + 5)
    assert again is not None
    assert now + 5 + again[0] == pytest.approx(now + waits[-1] + 0.1), "behind those that still wait"
    rests.note(MINE, 200, "", now + 15, now + 15)
    assert rests.wait(MINE, now + 15) is None


def test_a_host_that_takes_long_rests_for_a_quarter_of_that() -> None:
    rests = Rests()
    rests.note(MINE, 204, "", START, START + 1)
    assert rests.wait(MINE, START + 1) is None
    rests.note(MINE, 204, "", START, START + 8)
    assert rests.wait(OTHER, START + 8) == (2, "a.example took 8.0 s to answer.", math.inf)
    assert rests.wait(ELSEWHERE, START + 8) is None
    assert rests.wait(MINE, START + 10) is None
    rests.note(MINE, 204, "", START + 10, START + 12)
    behind = rests.wait(MINE, START + 12)
    assert behind is not None
    assert behind[0] == pytest.approx(0.5)
    for _ in range(30):
        rests.wait(MINE, START + 12)
    rests.note(MINE, 204, "", START + 13, START + 15)
    last = rests.wait(MINE, START + 15)
    assert last is not None
    assert last[0] == pytest.approx(0.6, abs=1e-4), "behind those put off before"
    rests.note(MINE, 0, "no answer", START + 300, START + 310)
    failed = rests.wait(MINE, START + 310)
    assert failed is not None
    assert failed == (pytest.approx(4.5), "no answer", START + 310), "it took something until then"


def test_no_rest_is_longer_than_five_minutes_however_long_an_answer_takes() -> None:
    rests = Rests()
    rests.note(MINE, 204, "", START, START + 2000)
    assert rests.wait(MINE, START + 2000) == (300, "a.example took 2000.0 s to answer.", math.inf)


def test_the_only_host_is_not_kept_waiting_for_others() -> None:
    rests = Rests(one_host=True)
    rests.note(MINE, 204, "", START, START + 8)
    assert rests.wait(MINE, START + 8) is None
    rests.note(MINE, 0, "no answer", START + 8, START + 18)
    assert rests.wait(MINE, START + 18) == (pytest.approx(4.5), "no answer", START + 18)


def test_nothing_is_kept_of_whom_nobody_tells_any_more() -> None:
    rests = Rests()
    for number in range(50):
        address = address_of(f"https://a.example/{number}")
        rests.note(address, 503, "away", START + number * 400, START + number * 400)
    assert len(rests._of) <= 2
