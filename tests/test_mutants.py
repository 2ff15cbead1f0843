"""The faults that tools/mutate.py plants."""

from __future__ import annotations

from pathlib import Path
from types import FunctionType

import pytest

from tools.mutants import mutants_of, replaced

SOURCE = '''
"""A docstring is left as it is."""

LIMIT: int = 3


class Counter:
    """So is this one."""

    def add(self, by: int | None = None) -> bool:
        if not by:
            raise ValueError("and so is a message")
        self.total = min(self.total + by, 2)
        return by < LIMIT and self.ready
'''


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "counter.py").write_text(SOURCE)
    return tmp_path


def test_each_is_one_small_change(source: Path) -> None:
    assert [(one.where, one.what) for one in mutants_of(source, "counter.py")] == [
        ("module", "LIMIT: int = 3 -> LIMIT: int = 4"),
        ("Counter.add", "not by -> by"),
        ("Counter.add", "raise ValueError('and so is a message') -> pass"),
        ("Counter.add", "self.total = min(self.total + by, 2) -> pass"),
        ("Counter.add", "min(self.total + by, 2) -> max(self.total + by, 2)"),
        ("Counter.add", "self.total + by -> self.total - by"),
        ("Counter.add", "min(self.total + by, 2) -> min(self.total + by, 3)"),
        ("Counter.add", "return by < LIMIT and self.ready -> return None"),
        ("Counter.add", "by < LIMIT and self.ready -> self.ready"),
        ("Counter.add", "by < LIMIT and self.ready -> by < LIMIT"),
        ("Counter.add", "by < LIMIT -> by <= LIMIT"),
    ]


def test_a_function_can_be_given_the_changed_code(source: Path) -> None:
    every = mutants_of(source, "counter.py")
    known: dict[str, object] = {}
    exec(every[0].original("counter.py"), known)
    add = known["Counter"].__dict__["add"]
    assert isinstance(add, FunctionType)
    mutant = next(one for one in every if one.what == "not by -> by")
    *_, (old, new) = replaced(mutant.original("counter.py"), mutant.code("counter.py"))
    assert add.__code__ == old
    add.__code__ = new
    with pytest.raises(ValueError, match="a message"):
        add(object(), 1)
    assert mutant.code("counter.py") != mutant.original("counter.py")
