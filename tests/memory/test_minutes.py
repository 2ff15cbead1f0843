"""How many batches started in each minute."""

from __future__ import annotations

from app.memory.minutes import Minutes


def test_no_more_than_an_hour_is_kept() -> None:
    minutes = Minutes()
    for minute in range(200):
        minutes.add(minute * 60.0)
        minutes.add(minute * 60.0 + 59.9)
    # Asked for the hour before all that was kept.
    assert minutes.last_hour(0.0) == dict.fromkeys(range(140, 200), 2)
    assert minutes.last_hour(229 * 60.0) == dict.fromkeys(range(170, 200), 2)
