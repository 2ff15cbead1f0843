"""Figures by the minute."""

from __future__ import annotations

from app.memory.minutes import Minutes


def test_no_more_than_an_hour_is_kept() -> None:
    minutes = Minutes()
    for minute in range(200):
        minutes.at(minute * 60.0).failed += 1
        minutes.at(minute * 60.0 + 59.9).failed += 1
    # Asked for the hour before all that was kept.
    assert [*minutes.last_hour(0.0)] == [*range(140, 200)]
    assert {one.failed for one in minutes.last_hour(0.0).values()} == {2}
    assert [*minutes.last_hour(229 * 60.0)] == [*range(170, 200)]
