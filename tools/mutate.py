#!/usr/bin/env python3
"""Finds what no test would notice: plants one fault at a time, and runs the tests that reach its line.

    tools/mutate.py app/queue.py                 every mutant of a file
    tools/mutate.py --changed main --minutes 9   of the files changed since main, at random until the time is up
    tools/mutate.py app/queue.py --only 17       one of them, to see pytest's output

Tests are collected once, and each mutant tried in a fork, where it replaces the code of the functions it changes. What
stands outside of functions is tried in a process of its own. tools/equivalent.txt lists what no test can notice.
"""

from __future__ import annotations

import argparse
import gc
import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple, TypeAlias

import pytest
from mutants import Mutant, mutants_of, replaced

ROOT = Path(__file__).parents[1]
DECIDES = ("app/queue.py", "app/core/", "app/memory/", "app/worker/", "app/client/", "app/sql/")
"""What decides: where a fault is a wrong order, rate, status or answer."""

UNTRIED = ("__init__.py", "app/sql/schema.py", "app/sql/migrations/", "app/core/clock.py")
EQUIVALENT = ROOT / "tools" / "equivalent.txt"
TESTS = {
    "app/queue.py": "tests/test_queue.py tests/contract",
    "app/core/": "tests/core tests/memory tests/contract",
    "app/core/admission.py": "tests/contract tests/api/test_backpressure.py",
    "app/core/validation.py": "tests/core tests/api/test_bad_input.py tests/api/test_contract.py",
    "app/memory/": "tests/memory tests/contract",
    "app/worker/": "tests/worker",
    "app/client/": "tests/client",
    "app/sql/": "tests/sql tests/contract",
}
"""Which tests have to notice a fault, by the beginning of the file's name; the longest counts."""

OPTIONS = ["--hypothesis-profile=mutation", "-m", "not realtime and not soak", "-p", "no:cacheprovider", "-s"]
MEMORY = 8 << 30
"""Bytes of address space for a mutant."""


Functions: TypeAlias = dict[tuple[str, CodeType], list[FunctionType]]
"""The living functions, by file and code."""


class Reach(NamedTuple):
    """What a test takes, and which lines it reaches, by file."""

    test: str
    seconds: float
    lines: dict[str, set[int]]

    def concerns(self, mutant: Mutant) -> bool:
        """Returns whether the test reaches a mutant. What is outside of functions concerns all who use the file."""
        lines = self.lines.get(str(ROOT / mutant.file), set())
        return not lines.isdisjoint(mutant.lines) if mutant.in_function else bool(lines)


class Trial:
    """A pytest plugin that tries mutants where the tests would run."""

    def __init__(self, mutants: list[Mutant], tests: tuple[str, ...], minutes: float) -> None:
        self.tests = tests
        self.mutants = mutants
        self.minutes = minutes
        self.results: list[tuple[Mutant, str]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        from tests.conftest import group_of

        files = {str(ROOT / mutant.file) for mutant in self.mutants}
        in_memory = not any("/sql/" in file for file in files)
        tests = {
            item.nodeid: item
            for item in session.items
            if not group_of(item) and not (in_memory and store_of(item) == "sqlite")
        }
        reached: list[Reach] = in_fork(lambda: trace(list(tests.values()), files))
        functions = functions_of(files)
        gc.freeze()
        ends = time.monotonic() + self.minutes * 60
        for mutant in self.mutants:
            if time.monotonic() > ends:
                break
            able = self.tests or tuple(tests_for(mutant.file))
            chosen = [
                (tests[one.test], one.seconds) for one in reached if one.test.startswith(able) and one.concerns(mutant)
            ]
            chosen.sort(key=lambda pair: (store_of(pair[0]), pair[1]))
            result = attempt(mutant, chosen, functions) if chosen else "not reached"
            self.results.append((mutant, result))
            if result in ("survived", "not reached"):
                print(f"{result}: {mutant}", flush=True)
        return True


def tests_for(file: str) -> list[str]:
    return TESTS[max((begin for begin in TESTS if file.startswith(begin)), key=len)].split()


def store_of(item: Any) -> str:
    """Tests of one store stay together, because opening one takes long; memory comes before sqlite."""
    return str(getattr(getattr(item, "callspec", None), "params", {}).get("address", ""))


def functions_of(files: set[str]) -> Functions:
    """Returns the functions of some files by their code."""
    found: Functions = {}
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename in files:
            found.setdefault((one.__code__.co_filename, one.__code__), []).append(one)
    return found


def trace(items: Sequence[Any], files: set[str]) -> list[Reach]:
    """Returns what each test reaches, except for those that fail without a mutant."""
    found: list[Reach] = []
    lines: dict[str, set[int]] = {}

    def follow(frame: FrameType, *_: Any) -> Any:
        path = frame.f_code.co_filename
        if path not in files:
            return None
        lines.setdefault(path, set()).add(frame.f_lineno)
        return follow

    threading.settrace(follow)
    sys.settrace(follow)
    for item, following in zip(items, [*items[1:], None], strict=True):
        lines.clear()
        begin = time.monotonic()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if item.session.testsfailed:
            print(f"left out, because it fails without a mutant: {item.nodeid}", file=sys.__stderr__)
            item.session.testsfailed = 0
        else:
            reached = {path: set(numbers) for path, numbers in list(lines.items())}
            found.append(Reach(item.nodeid, time.monotonic() - begin, reached))
    sys.settrace(None)
    return found


def in_fork(work: Callable[[], Any]) -> Any:
    """Returns what `work` returns in a fork of this process, which it therefore leaves as it was."""
    with tempfile.NamedTemporaryFile() as file:
        if not (child := os.fork()):
            silence(1)
            Path(file.name).write_bytes(pickle.dumps(work()))
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            sys.exit("Without a mutant the tests do not run to their end.")
        return pickle.loads(Path(file.name).read_bytes())


def attempt(mutant: Mutant, tests: list[tuple[Any, float]], functions: Functions) -> str:
    """Returns how a mutant fared against the tests: killed, hung or survived."""
    if not (child := os.fork()):
        os.setpgid(0, 0)
        silence(1, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        if plant(mutant, functions):
            os._exit(run(tests))
        signal.alarm(int(30 + 5 * sum(seconds for _, seconds in tests)))
        nodes = [item.nodeid for item, _ in tests]
        os.execv(
            sys.executable, [sys.executable, __file__, mutant.file, "--only", str(mutant.number), "--tests", *nodes]
        )
    status = os.waitpid(child, 0)[1]
    return "survived" if not status else "hung" if os.WIFSIGNALED(status) else "killed"


def plant(mutant: Mutant, functions: Functions) -> bool:
    """Change the functions that a mutant changes; returns whether that was possible."""
    if not mutant.in_function:
        return False
    path, changed = str(ROOT / mutant.file), False
    for old, new in replaced(compile(mutant.tree, path, "exec", dont_inherit=True), mutant.code(path)):
        for function in functions.get((path, old), ()):
            if old.co_freevars != new.co_freevars:
                return False
            function.__code__ = new
            changed = True
    return changed


def run(tests: list[tuple[Any, float]]) -> int:
    """Returns 1 as soon as a test fails, or 0. What takes far too long is ended by a signal."""
    following = [item for item, _ in tests[1:]]
    for (item, seconds), after in zip(tests, [*following, None], strict=True):
        signal.alarm(int(6 + 10 * seconds))
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if item.session.testsfailed:
            item.session._setupstate.teardown_exact(None)
            return 1
    return 0


def silence(*streams: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in streams:
        os.dup2(null, stream)


def run_alone(mutant: Mutant, tests: list[str]) -> int:
    """Returns pytest's exit status in this process, in which the file is imported as the mutant."""
    path, get_code = str(ROOT / mutant.file), SourceFileLoader.get_code

    def changed(self: SourceFileLoader, name: str) -> Any:
        return mutant.code(path) if self.get_filename(name) == path else get_code(self, name)

    SourceFileLoader.get_code = changed  # type: ignore[method-assign]
    return int(pytest.main(["-x", *OPTIONS, *tests]))


def files_that_decide(revision: str | None) -> list[str]:
    """Returns those that changed since a revision, or all."""
    git = ["diff", "--name-only", "--diff-filter=d", revision] if revision else ["ls-files"]
    told = subprocess.run(["git", *git, "--", *DECIDES], check=True, text=True, stdout=subprocess.PIPE).stdout
    return [file for file in told.split() if not any(one in file for one in UNTRIED)]


def report(results: list[tuple[Mutant, str]], every: list[Mutant], equivalent: set[str]) -> int:
    """Print how many were killed, by file, and what is wrong in the list of equivalents; returns how many were not."""
    found = {key for key in equivalent if key.partition(" ")[0] in {mutant.file for mutant in every}}
    for stale in sorted(found - {mutant.key for mutant in every}):
        print(f"no longer a mutant: {stale}")
    killed = Counter(mutant.file for mutant, result in results if result in ("killed", "hung"))
    tried = Counter(mutant.file for mutant, _ in results)
    for file in sorted(tried):
        print(f"{file}: {killed[file]} of {tried[file]} killed")
    left = sum(mutant.key not in equivalent for mutant in every) - len(results)
    share = 100 * killed.total() / max(1, len(results))
    print(
        f"{killed.total()} of {len(results)} killed, {share:.1f} %; {left} not tried; {len(found)} kinds are equivalent"
    )
    return len(results) - killed.total()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="source files; those that decide, if none is named")
    parser.add_argument("--changed", metavar="REVISION", help="the files that changed since")
    parser.add_argument("--minutes", type=float, default=1e6, help="stop then; the mutants come in a random order")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one mutant of one file")
    parser.add_argument("--tests", nargs="+", default=[], help="fewer than those that have to notice")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    files = chosen.files or files_that_decide(chosen.changed)
    tests = chosen.tests or sorted({test for file in files for test in tests_for(file)})
    mutants = [mutant for file in files for mutant in mutants_of(ROOT, file)]
    if chosen.only is not None:
        return run_alone(next(mutant for mutant in mutants if mutant.number == chosen.only), tests)
    equivalent = {line for line in EQUIVALENT.read_text("utf-8").splitlines() if line.startswith("app/")}
    tried = [mutant for mutant in mutants if mutant.key not in equivalent]
    random.Random(0).shuffle(tried)
    trial = Trial(tried, tuple(chosen.tests), chosen.minutes)
    pytest.main([*OPTIONS, *tests], plugins=[trial])
    return min(1, report(trial.results, mutants, equivalent))


if __name__ == "__main__":
    sys.exit(main())
