"""What a pause of a part names."""

from __future__ import annotations

import pytest

from app.core import WHOLE_QUEUE, Pauses, Priority, check_pauses
from app.errors import InvalidRequest


def test_a_priority_a_caller_both_or_all() -> None:
    assert check_pauses(None, None) == WHOLE_QUEUE
    assert check_pauses("LOW", None) == check_pauses(Priority.LOW, None) == Pauses(frozenset({Priority.LOW}))
    assert check_pauses("LOW", "web") == Pauses(frozenset({Priority.LOW}), frozenset({"web"}))
    for owner in ("w", "w" * 255):
        assert check_pauses(None, owner) == Pauses(owners=frozenset({owner}))


@pytest.mark.parametrize(("priority", "owner"), [("low", None), (None, ""), (None, "w" * 256), (None, "a\n")])
def test_anything_else_is_refused(priority: str | None, owner: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_pauses(priority, owner)
    assert [one.pointer for one in refused.value.faults] == [f"query {'priority' if priority else 'owner'}"]


def test_both_faults_are_told() -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_pauses("TOP", "")
    assert len(refused.value.faults) == 2


def test_they_add_up_and_end_and_are_kept() -> None:
    low, web = Pauses(frozenset({Priority.LOW})), Pauses(owners=frozenset({"web"}))
    both = low.add(web)
    assert (both.end(web), both.end(low), bool(both.end(both)), bool(low), bool(web)) == (low, web, False, True, True)
    assert both.cover(Priority.LOW, None)
    assert both.cover(Priority.HIGH, "web")
    assert not both.cover(Priority.HIGH, "desk")
    assert Pauses.of(*both.kept()) == both
