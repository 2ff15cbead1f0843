"""The arithmetic behind the table of benchmarks/; nothing here is timed."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import math
import shutil
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks import allowance, npm
from benchmarks.processes import Child
from benchmarks.report import line, plain
from benchmarks.row import Row, least, most
from benchmarks.rows import ROWS
from benchmarks.series import Plan, Unavailable, interleave, percentile
from benchmarks.upstream import serving, used, violations


def test_a_row_is_the_median_of_its_rounds_ratios() -> None:
    outcome = Row("http.x", "", "", "ours", "theirs", least(0.85)).outcome(
        {"ours": [90.0, 40.0, 300.0], "theirs": [100.0, 100.0, 100.0]}
    )
    assert outcome.ratio == 0.9
    assert outcome.verdict == "met"


@pytest.mark.parametrize(
    ("aim", "ours", "verdict"),
    [
        (least(10), 8.0, "missed by 20%"),
        (least(8), 8.0, "met"),
        (most(4), 5.0, "missed by 25%"),
        (most(0), 1.0, "missed"),
        (None, 5.0, ""),
    ],
)
def test_the_verdict_says_by_how_much_an_aim_is_missed(aim: object, ours: float, verdict: str) -> None:
    row = Row("http.x", "", "", "ours", aim=aim)  # type: ignore[arg-type]
    assert row.outcome({"ours": [ours]}).verdict == verdict


def test_of_several_peers_the_fastest_that_is_there_counts() -> None:
    row = Row("drain.x", "", "", "ours", ("slow", "gone", "fast"), least(1))
    outcome = row.outcome({"ours": [6.0], "slow": [1.0], "gone": Unavailable("no Redis"), "fast": [3.0]})
    assert outcome.ratio == 2.0


def test_a_row_without_one_side_says_why() -> None:
    row = Row("drain.x", "", "", "ours", "theirs", least(1))
    with pytest.raises(Unavailable, match="no Redis"):
        row.outcome({"ours": [6.0], "theirs": Unavailable("no Redis")})
    assert "no Redis" in plain(line(row, "no Redis"))


def test_everybody_has_a_turn_in_each_round_and_the_first_round_is_thrown_away() -> None:
    turns: list[str] = []

    def contender(name: str) -> float:
        turns.append(name)
        return float(len(turns))

    series = interleave(Plan(2), {"a": lambda: contender("a"), "b": lambda: {"p50": contender("b"), "p99": 0.0}})
    assert turns == ["b", "a", "a", "b", "b", "a"]
    assert series == {"a": [3.0, 6.0], "b p50": [4.0, 5.0], "b p99": [0.0, 0.0]}


def test_a_contender_that_cannot_be_measured_does_not_stop_the_others() -> None:
    def missing() -> float:
        raise Unavailable("no PostgreSQL")

    series = interleave(Plan(2), {"a": lambda: 1.0, "b": missing})
    assert series["a"] == [1.0, 1.0]
    assert str(series["b"]) == "no PostgreSQL"


def test_only_those_have_a_turn_that_a_chosen_row_asks_for() -> None:
    plan = Plan(1, frozenset({"a p50"}))
    series = interleave(plan, {"a": lambda: {"p50": 1.0, "p99": 2.0}, "ab": lambda: 3.0, "b": lambda: 4.0})
    assert series == {"a p50": [1.0], "a p99": [2.0]}


def test_the_percentile_is_the_nearest_rank() -> None:
    assert percentile([5.0, 1.0, 4.0, 2.0, 3.0], 50) == 3.0
    assert percentile([float(n) for n in range(1, 101)], 99) == 99.0
    assert percentile([7.0], 99) == 7.0


def test_every_row_has_a_name_of_its_own_and_a_module_that_measures_it() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    for family in {row.family for row in ROWS}:
        assert importlib.util.find_spec(f"benchmarks.{family}"), family


@pytest.mark.parametrize(("ours", "theirs", "ratio"), [(0.0, 80.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, math.inf)])
def test_counts_of_zero_have_a_ratio(ours: float, theirs: float, ratio: float) -> None:
    outcome = Row("x.y", "", "", "ours", "theirs").outcome({"ours": [ours], "theirs": [theirs]})
    assert outcome.ratio == ratio
    assert plain(line(outcome.row, outcome))


def test_calls_that_are_evenly_spaced_violate_nothing_and_use_the_allowance() -> None:
    moments = [1000 + number / 20 for number in range(200)]
    assert violations(moments, 20) == 0
    assert used(moments, 20, 10) == pytest.approx(1)


def test_one_burst_a_second_uses_as_much_of_the_allowance_as_even_calls() -> None:
    assert used([second + 0.01 for second in range(10) for _ in range(20)], 20, 10) == pytest.approx(1)
    assert used([1.25 * nth for nth in range(8) for _ in range(20)], 20, 10) == pytest.approx(0.8, abs=0.03)


def test_every_call_with_as_many_as_are_allowed_in_the_second_before_is_a_violation() -> None:
    assert violations([0.0, 0.1, 0.2, 0.9, 1.3], allowed=2) == 2
    assert violations([0.0] * 5, allowed=2) == 3


def test_calls_may_come_closer_than_a_second_by_the_tolerance() -> None:
    assert violations([0.0, 0.0, 0.981], allowed=2) == 0
    assert violations([0.0, 0.0, 0.979], allowed=2) == 1


def test_the_upstream_notes_number_and_moment_of_every_call() -> None:
    before = time.time()
    with serving() as upstream, contextlib.closing(_connection(upstream.url)) as connection:
        for number in (7, 8, 7):
            connection.request("GET", f"/{number}")
            with connection.getresponse() as answer:
                assert json.load(answer) == {}
    assert [number for number, _ in upstream.calls] == [7, 8, 7]
    assert before <= upstream.moments()[0] <= upstream.moments()[-1] <= time.time()
    assert upstream.arrivals() == dict(reversed(upstream.calls))


def _connection(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)


def test_without_node_a_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(Unavailable, match="no node"), npm.installed("bullmq"):
        pass


def test_a_child_that_fails_says_why() -> None:
    child = Child(sys.executable, "-c", "raise SystemExit('no such queue')")
    with pytest.raises(Unavailable, match="no such queue"):
        child.ask()
    child.end()


def test_every_peer_with_a_limit_is_there() -> None:
    peers = Path(allowance.__file__).parent / "peers"
    for peer in allowance.PEERS.values():
        assert (peers / f"{peer.module}{'.js' if peer.npm else '.py'}").exists()
