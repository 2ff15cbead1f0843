"""What headers say of the upstream's limits."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.processors.http.limits import exhausted

DATE = "Wed, 15 Jul 2026 10:35:47 GMT"
SENT = 1_784_111_747


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        # draft-ietf-httpapi-ratelimit-headers, version 08 and later
        ({"ratelimit": '"default";r=0;t=30'}, 30),
        ({"ratelimit": '"default";r=1;t=30'}, None),
        ({"ratelimit": '"burst";r=0;t=2, "daily";r=0;t=7000,"monthly";r=5;t=9999'}, 7000),
        ({"ratelimit": '"a,b;r=5";r=0;pk="x;r=9,";t=30'}, 30),
        ({"ratelimit": "default;r=0;t=30;pk=:c2VjcmV0:"}, 30),
        ({"ratelimit": '"a";r=0', "ratelimit-policy": '"b";q=9;w=3,"a";q=100;w=60;pk=:eA==:'}, 60),
        ({"ratelimit": '"a";r=0', "ratelimit-policy": '"b";q=9;w=3'}, None),
        ({"ratelimit": '"a";r=0'}, None),
        ({"ratelimit": '"a";t=30'}, None),
        ({"ratelimit": '"a";r=0;t=soon'}, None),
        ({"ratelimit": '"a";r=0;t=30, "b'}, None),
        ({"ratelimit-policy": '"a";q=0;w=60'}, None),
        # version 07
        ({"ratelimit": "limit=100, remaining=0, reset=50"}, 50),
        ({"ratelimit": "limit=100,remaining=1,reset=50"}, None),
        ({"ratelimit": "remaining=0"}, None),
        # versions 00 to 06
        ({"ratelimit-limit": "100, 100;w=10", "ratelimit-remaining": "0", "ratelimit-reset": "7"}, 7),
        ({"ratelimit-remaining": "3", "ratelimit-reset": "7"}, None),
        ({"ratelimit-remaining": "0"}, None),
        # the convention before it
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "7"}, 7),
        ({"x-ratelimit-remaining": " 0 ", "x-ratelimit-reset": str(SENT + 90)}, 90),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(1000 * SENT + 90_000)}, 90),
        ({"x-ratelimit-remaining": "1", "x-ratelimit-reset": str(SENT + 90)}, None),
        ({"x-ratelimit-reset": "7"}, None),
        ({"x-ratelimit-remaining": "none", "x-ratelimit-reset": "7"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2027-01-01"}, None),
        # several, and the bounds
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "7", "ratelimit": '"a";r=0;t=9'}, 9),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0"}, 1),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(SENT + 90_000)}, 86_400),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 500}, 86_400),
        ({"ratelimit": '"a";r=0;t=90000'}, 86_400),
        ({}, None),
    ],
)
def test_nothing_left_is_a_wait_until_the_reset(headers: dict[str, str], seconds: float | None) -> None:
    assert exhausted({"date": DATE, **headers}) == seconds


def test_a_moment_counts_from_now_where_the_answer_has_no_date() -> None:
    until = str(int(time.time()) + 100)
    assert exhausted({"x-ratelimit-remaining": "0", "x-ratelimit-reset": until}) == pytest.approx(99.5, abs=1.5)
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": until, "date": formatdate(time.time() - 50)}
    assert exhausted(headers) == pytest.approx(150, abs=2)


@given(st.dictionaries(st.sampled_from(["ratelimit", "ratelimit-policy", "x-ratelimit-reset"]), st.text(max_size=50)))
def test_nonsense_is_no_limit_and_no_error(headers: dict[str, str]) -> None:
    seconds = exhausted({"date": DATE, **headers, "x-ratelimit-remaining": "0"})
    assert seconds is None or 1 <= seconds <= 86_400


def test_a_malicious_header_takes_no_time() -> None:
    for text in ('"a"' + ";r= " * 8000 + '"', '"a"' + " ;" * 8000, "a=1," * 8000 + '"', '"' + "\\" * 16_000):
        began = time.process_time()
        exhausted({"ratelimit": text, "ratelimit-policy": text})
        assert time.process_time() - began < 1
