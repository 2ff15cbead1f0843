"""The arithmetic behind the table of benchmarks/; nothing here is timed."""

from __future__ import annotations

import importlib.util

import pytest

from benchmarks.report import line, plain
from benchmarks.row import Row, least, most
from benchmarks.rows import ROWS
from benchmarks.series import Plan, Unavailable, interleave, percentile


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
