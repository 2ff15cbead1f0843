"""Quotas that reset at a time of day, compared with starts taken one by one."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.config import Settings
from app.core import Limiter, limiter_of, state_of
from app.core.quotas import Used
from app.errors import ConfigError
from app.limits import Quota, parse_limits
from tests.support.clock import START

# Two of these zones move their clocks within the three months that the schedules take.
TEXTS = [
    "1/h",
    "2/2h burst 2",
    "40/day burst 9",
    "3/10min burst 2",
    "30/day at 00:00 UTC",
    "7/day at 05:30 America/Los_Angeles",
    "12/day at 02:30 Europe/Berlin",
]
GAPS = st.lists(st.sampled_from([0.0, 0.0, 60.0, 3000.0, 20_000.0]), max_size=30)


def taken(limiter: Limiter, now: float, count: int) -> list[float]:
    """The times of the next starts, each as soon as it may be."""
    times = []
    for _ in range(count):
        now = limiter.when(0, now)
        assert limiter.take(now)
        times.append(now)
    return times


@given(
    texts=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4, unique=True),
    interval=st.sampled_from([0.0, 60.0, 4000.0]),
    burst=st.integers(1, 3),
    days=st.floats(0, 100),
    gaps=GAPS,
    count=st.integers(1, 40),
    later=st.floats(0, 400_000),
)
# What starts on a day of 24 hours takes more than one of 23: these days are not alike. Then: the quota never binds.
@example(["12/day at 02:30 Europe/Berlin"], 7100.0, 2, 70.0, [], 20, 300_000.0)
@example(["12/day at 02:30 Europe/Berlin"], 6901.0, 2, 70.0, [], 20, 300_000.0)
@example(["7/day at 05:30 America/Los_Angeles"], 14_000.0, 2, 55.0, [], 20, 300_000.0)
@example(["12/day at 02:30 Europe/Berlin"], 7000.0, 1, 70.0, [], 20, 300_000.0)
def test_the_closed_forms_are_what_comes_true(
    texts: list[str], interval: float, burst: int, days: float, gaps: list[float], count: int, later: float
) -> None:
    limits, now = parse_limits(texts), START + days * 86_400
    first = limiter_of(interval, burst, limits)
    for gap in gaps:
        now += gap
        first.take(now)

    def copy() -> Limiter:
        return limiter_of(interval, burst, limits, *state_of(first))

    times = taken(copy(), now, 50)
    assert [copy().when(nth, now) for nth in range(50)] == pytest.approx(times, abs=1e-4)
    rest = copy().after(count, now)
    assert [rest.when(nth, times[count - 1]) for nth in range(50 - count)] == pytest.approx(times[count:], abs=1e-4)
    least, most = (sum(time < now + later + error for time in times) for error in (-1e-4, 1e-4))
    assert min(50, copy().count(now, now + later)) in range(least, most + 1)
    assert 0 <= copy().least_time(50) <= times[-1] - times[0] + 1e-4
    steady, since = copy().steady(now)
    assert all(time >= since + nth * steady - 1e-4 for nth, time in enumerate(times))
    dues, at = [now + gap for gap in sorted(gaps)], now
    untils = sorted(now + later * gap / 9000 for gap in [*gaps, 9000.0])
    assert copy().counts(now, untils) == [copy().count(now, until) for until in untils]
    assert copy().count(now, math.inf) == math.inf
    found, rest = copy().starts_of(dues)
    for due, start in zip(dues, found, strict=True):
        at = first.when(0, max(at, due))
        assert first.take(at)
        assert start == pytest.approx(at, abs=1e-4)
    assert rest.when(0, at) == pytest.approx(first.when(0, at), abs=1e-4)


@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4, unique=True), GAPS)
def test_no_day_of_a_quota_holds_more_than_it_allows(texts: list[str], gaps: list[float]) -> None:
    limits, now, starts = parse_limits(texts), START, list[float]()
    limiter = limiter_of(0.0, 1, limits)
    for gap in [*gaps, *gaps, *gaps]:
        now += gap
        while limiter.take(now):
            starts.append(now)
            if len(starts) > 500:
                break
    for quota in limits:
        if isinstance(quota, Quota):
            days = [datetime.fromtimestamp(start, ZoneInfo(quota.zone)) for start in starts]
            turned = [(day.date().toordinal() - (day.time() < quota.at)) for day in days]
            assert all(turned.count(one) <= quota.most for one in turned), quota.name


@pytest.mark.parametrize(
    ("now", "expected", "following"),
    [
        ("2027-01-15T08:00", "2027-01-15T08:00", "2027-01-16T08:00"),
        ("2027-01-15T07:59", "2027-01-14T08:00", "2027-01-15T08:00"),
        # Daylight saving time begins on 2027-03-14 in Los Angeles: this day has 23 hours.
        ("2027-03-14T09:00", "2027-03-14T08:00", "2027-03-15T07:00"),
    ],
)
def test_a_reset_is_at_the_same_time_of_day(now: str, expected: str, following: str) -> None:
    (quota,) = parse_limits("9/day at 00:00 America/Los_Angeles")
    assert isinstance(quota, Quota)

    def seconds(text: str) -> float:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()

    assert quota.reset(seconds(now)) == seconds(expected)
    assert quota.reset(seconds(now), 1) == seconds(following)


@pytest.mark.parametrize(
    ("zone", "skipped"),
    [
        ("America/Nuuk", "2026-03-28"),  # the last hour of this day
        ("Asia/Beirut", "2026-03-29"),  # the first hour of this one
        ("Australia/Lord_Howe", "2026-10-04"),
        ("Antarctica/Troll", "2026-03-29"),
    ],
)
@pytest.mark.parametrize("at", ["00:00", "00:15", "02:10", "23:30"])
def test_each_reset_is_the_latest_where_the_clocks_skip_its_time(zone: str, skipped: str, at: str) -> None:
    (quota,) = parse_limits(f"9/day at {at} {zone}")
    assert isinstance(quota, Quota)
    midnight = datetime.fromisoformat(skipped).replace(tzinfo=UTC).timestamp()
    resets = [quota.reset(midnight - 86_400)]
    for now in range(int(midnight) - 86_400, int(midnight) + 3 * 86_400, 60):
        if now >= quota.reset(resets[-1], 1):
            resets.append(quota.reset(resets[-1], 1))
        assert quota.reset(now) == resets[-1] <= now
    assert len(resets) >= 4


def test_three_starts_of_a_quota_of_one_may_be_a_day_of_22_hours_apart() -> None:
    (quota,) = parse_limits("1/day at 00:00 Antarctica/Troll")
    assert isinstance(quota, Quota)
    before = datetime(2026, 3, 28, 23, 59, tzinfo=UTC).timestamp()
    first, _, third = taken(limiter_of(0.0, 1, [quota]), before, 3)
    assert limiter_of(0.0, 1, [quota]).least_time(3) <= third - first


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles"])
def test_there_are_resets_after_the_year_9999(zone: str) -> None:
    (quota,) = parse_limits(f"1/day at 05:30 {zone}")
    assert isinstance(quota, Quota)
    far = 4_000_000
    assert abs(quota.reset(START, far) - quota.reset(START) - far * 86_400) <= 3600
    for now in (START + far * 86_400, quota.reset(START, far), quota.reset(START, 146_097 * 3)):
        assert quota.reset(now) <= now < quota.reset(now, 1)
    limiter = limiter_of(0.0, 1, [quota])
    assert abs(limiter.when(far, START) - START - far * 86_400) <= 90_000
    assert limiter.after(far, START).when(0, START) >= limiter.when(far, START) - 3600


@pytest.mark.parametrize("text", ["5000/day at 00:00 UTC", "1/day at 00:00 UTC", "10/s, 5/day at 00:00 UTC"])
def test_the_start_of_a_million_batches_is_not_found_day_by_day(text: str) -> None:
    limits = parse_limits(text)
    quota = limits[-1]
    limiter = limiter_of(0.0, 1, limits)
    days, last = divmod(1_000_000, quota.most)
    assert limiter.when(1_000_000, START) // 86_400 == START // 86_400 + days
    assert last < quota.most


def test_a_limit_that_no_day_of_twenty_five_hours_exceeds_is_the_only_one_that_counts() -> None:
    limiter = limiter_of(10_000.0, 1, parse_limits("9/day at 00:00 UTC"))
    assert limiter.when(2000, START) == pytest.approx(START + 20_000_000.0, abs=1e-3)


def test_nor_is_that_of_two_quotas() -> None:
    limiter = limiter_of(0.0, 1, parse_limits("3/day at 08:30 UTC, 1/day at 00:00 UTC"))
    midnight = START - START % 86_400
    assert limiter.when(1_000_000, START) == midnight + 1_000_000 * 86_400


@given(
    quotas=st.lists(
        st.tuples(st.integers(1, 9), st.integers(0, 23), st.sampled_from(["UTC", "Asia/Kathmandu", "Asia/Tokyo"])),
        min_size=2,
        max_size=3,
        unique_by=lambda quota: quota[1:],
    ),
    limit=st.sampled_from(["", "10/s, ", "30/10min burst 11, "]),
    used=st.integers(0, 12),
    nth=st.integers(0, 500),
)
# A day has two windows: half of these days are beyond those that are counted one by one.
@example([(1, 0, "UTC"), (9, 8, "UTC")], "", 0, 100)
def test_the_days_under_several_quotas_that_are_not_counted_are_like_those_that_are(
    quotas: list[tuple[int, int, str]], limit: str, used: int, nth: int
) -> None:
    text = limit + ", ".join(f"{most}/day at {hour:02}:00 {zone}" for most, hour, zone in quotas)
    limiter = limiter_of(0.0, 1, parse_limits(text))
    now = taken(limiter, START, used)[-1] if used else START
    expected = limiter.when(nth, now)
    assert taken(limiter, now, nth + 1)[-1] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    "text",
    [
        "5/2day burst 5, 1/day at 14:00 UTC",
        "10/2day burst 6, 10/6h burst 4, 5/day at 17:00 UTC",
        "20/day at 01:30 America/Sao_Paulo, 5/day at 11:30 America/Sao_Paulo, 5/day burst 4",
    ],
)
def test_a_limit_that_allows_less_than_the_quotas_in_the_long_run_tells_to_the_day(text: str) -> None:
    limiter = limiter_of(0.0, 1, parse_limits(text))
    expected = limiter.when(300, START)
    assert abs(taken(limiter, START, 301)[-1] - expected) <= 86_400


def test_the_least_time_is_that_of_the_days_between_the_first_and_the_last() -> None:
    limiter = limiter_of(0.0, 1, parse_limits("10/day at 00:00 UTC, 4/day at 08:30 Europe/Berlin"))
    hours = [limiter.least_time(count) / 3600 for count in (1, 8, 9, 12, 13)]
    assert hours == pytest.approx([0, 0, 22, 22, 44])
    quick = limiter_of(60.0, 1, parse_limits("10/day at 00:00 UTC"))
    assert quick.least_time(20) == 19 * 60


def test_what_starts_at_the_reset_is_not_before_it() -> None:
    limiter, reset = limiter_of(0.0, 1, parse_limits("2/day at 00:00 UTC")), START + 16 * 3600
    assert [limiter.count(START, reset + later) for later in (0, 1, 86_400, 86_401)] == [2, 4, 4, 6]


def test_a_used_up_quota_says_when_there_is_more() -> None:
    limiter = limiter_of(0.0, 1, parse_limits("10/s, 2/day at 00:00 UTC, 9/day at 08:30 UTC"))
    reset, half_an_hour = START - START % 86_400 + 86_400, START + 1800
    for tokens in (2, 1, 0):
        assert limiter.levels(START)[1:] == [
            ("2/day at 00:00 UTC", tokens, START if tokens else reset),
            ("9/day at 08:30 UTC", 7 + tokens, START),
        ]
        assert limiter.ready_at == reset if tokens == 0 else limiter.ready_at < START + 1
        if tokens:
            limiter.take(START + 1 - tokens / 2)
    assert limiter.levels(half_an_hour)[1:] == [
        ("2/day at 00:00 UTC", 0, reset),
        ("9/day at 08:30 UTC", 9, half_an_hour),
    ]


def test_a_clock_that_went_back_a_day_takes_nothing_twice() -> None:
    limiter = limiter_of(0.0, 1, parse_limits("2/day at 00:00 UTC"))
    assert taken(limiter, START, 2) == [START, START]
    assert limiter.take(START - 86_400) is False
    assert limiter.tokens(START) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("9/day at 24:00 UTC", "has no time of day from 00:00 to 23:59"),
        ("9/day at 00:00 Mars/Base", "'Mars/Base' is no time zone known here; the package tzdata brings them all"),
        ("9/day at 00:00 ../etc", "'../etc' is no time zone"),
        ("0/day at 00:00 UTC", "must allow at least 1"),
        ("9/day at 00:00", "is none"),
        ("9/h at 00:00 UTC", "is none"),
    ],
)
def test_what_is_not_a_quota_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match="INGEST_LIMITS must be limits such as") as refusal:
        Settings.read({"INGEST_LIMITS": text})
    assert said in str(refusal.value)


def test_starts_far_apart_do_not_look_at_each_reset_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    moments, at, year = list[float](), Used.at, 365 * 24 * 3600.0

    def noted(self: Used, now: float) -> Used:
        moments.append(now)
        return at(self, now)

    monkeypatch.setattr(Used, "at", noted)
    limiter = limiter_of(year, 1, parse_limits("5/day at 00:00 UTC"))
    assert limiter.starts_of([START] * 9)[0] == [START + number * year for number in range(9)]
    assert len(moments) < 20
