"""A request for other rates is checked, and every fault of it is named."""

from __future__ import annotations

from typing import Any

import pytest

from app.core import check_rates
from app.errors import InvalidRequest
from tests.support.queueing import settings


def faults(body: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as refused:
        check_rates(body, settings(interval=5))
    return {fault.pointer: fault.detail for fault in refused.value.faults}


def test_it_is_an_object_of_known_members() -> None:
    assert faults([]) == {"#": "The body must be an object with interval, burst, limits."}
    long = "x" * 61
    assert faults({long: 1}) == {
        "#/" + "x" * 60: f"{'x' * 60!r} is not a member of this request; those are interval, burst, limits."
    }
