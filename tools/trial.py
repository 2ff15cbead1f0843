"""Tries mutants in a pytest session: which tests reach each line, then a fork for each mutant, until a test fails."""

from __future__ import annotations

import gc
import os
import pickle
import resource
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple, TypeAlias

import pytest
from mutants import Mutant, replaced

ROOT = Path(__file__).parents[1]
OPTIONS = ["--hypothesis-profile=mutation", "-m", "not realtime and not soak", "-p", "no:cacheprovider", "-s"]
MEMORY = 8 << 30
"""Bytes of address space for a mutant."""

STORES = ("memory", "sqlite")
"""The stores of which contract tests run, the quickest first."""

OF_POSTGRES = ("app/sql/database.py", "app/sql/server.py", "app/sql/together.py", "app/sql/wire.py")
"""Files of which only PostgreSQL reaches a part; what no test on SQLite reaches anywhere is tried on it, too."""

_PATIENCE = 3.0
"""How long a test on PostgreSQL takes at most, in seconds; none is traced, because that takes as long as a sample."""

Functions: TypeAlias = dict[tuple[str, CodeType], list[FunctionType]]
"""The living functions, by file and code."""


class Reach(NamedTuple):
    """How long a test takes, and which lines it reaches, by file."""

    test: str
    seconds: float
    lines: dict[str, set[int]]

    def concerns(self, mutant: Mutant) -> bool:
        """Returns whether the test reaches a mutant; nobody knows who uses what is outside of functions."""
        return not mutant.in_function or not self.lines.get(str(ROOT / mutant.file), set()).isdisjoint(mutant.lines)


class Running:
    """A pytest plugin that notes in a file which test runs, for the process that waits for this one."""

    def __init__(self, path: str | None = None) -> None:
        self._file = tempfile.NamedTemporaryFile()  # noqa: SIM115  It goes with this object.
        self.path = path or self._file.name

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        Path(self.path).write_text(nodeid)

    @property
    def test(self) -> str:
        return Path(self.path).read_text()


class Trial:
    """A pytest plugin that tries mutants where the tests would run; `able` says which tests have to notice a file's."""

    def __init__(self, mutants: Sequence[Mutant], able: Callable[[str], Sequence[str]], minutes: float) -> None:
        self.mutants = mutants
        self.able = able
        self.minutes = minutes
        self.killed: dict[Mutant, bool] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        files = {str(ROOT / mutant.file) for mutant in self.mutants}
        stores = ("", *STORES) if any("/sql/" in file for file in files) else ("", STORES[0])
        tests = {item.nodeid: item for item in session.items if store_of(item) in stores and not needs(item)}
        postgres = [item for item in session.items if needs(item) == "postgres"] if len(stores) > 2 else []
        print(f"tracing which lines each of {len(tests)} tests reaches", flush=True)
        reached: list[Reach] = in_fork(lambda: trace(list(tests.values()), files))
        functions = functions_of(files)
        noticed: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        running = Running()
        session.config.pluginmanager.register(running)
        gc.freeze()
        ends = time.monotonic() + self.minutes * 60
        for mutant in self.mutants:
            if time.monotonic() > ends:
                break
            able = tuple(self.able(mutant.file))
            every = [one for one in reached if one.test.startswith(able)]
            concerned = [one for one in every if one.concerns(mutant)]
            # What no test reaches may run while the package is imported.
            chosen = [(tests[one.test], one.seconds) for one in concerned or every]
            # What noticed another fault in the same function may well notice this one.
            likely = noticed[mutant.file, mutant.where]
            chosen.sort(key=lambda pair: (pair[0].nodeid not in likely, store_of(pair[0]), pair[1]))
            if not concerned or mutant.file in OF_POSTGRES:
                on_postgres = [(item, _PATIENCE) for item in postgres if item.nodeid.startswith(able)]
                chosen = chosen + on_postgres if concerned else on_postgres + chosen
            by = try_out(mutant, chosen, functions if concerned else {}, running)
            self.killed[mutant] = by is not None
            if by is not None:
                likely.add(by)
            else:
                print(f"{'survived' if concerned else 'not reached'}: {mutant}", flush=True)
        return True


def store_of(item: Any) -> str:
    """The store of a contract test; tests of one stay together, because opening it takes long."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    return str(params["address"]) if params.get("address") in STORES else ""


def needs(item: pytest.Item) -> str | None:
    """Returns what a test needs that takes long to start, such as PostgreSQL or a browser."""
    group: str | None = import_module("tests.conftest").group_of(item)
    return group


def functions_of(files: set[str]) -> Functions:
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


def try_out(mutant: Mutant, tests: list[tuple[Any, float]], functions: Functions, running: Running) -> str | None:
    """Returns the test that fails with a mutant, or takes far too long; None if none does."""
    # One that is ended by a signal leaves its files behind, among them a server's.
    with tempfile.TemporaryDirectory(prefix="mutant-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        if not (child := os.fork()):
            os.environ["TMPDIR"] = tempfile.tempdir = folder
            silence(1, 2)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            if plant(mutant, functions):
                os._exit(run(tests))
            signal.alarm(int(30 + 5 * sum(seconds for _, seconds in tests)))
            chosen = ["--only", str(mutant.number), "--tests", *[item.nodeid for item, _ in tests]]
            os.execv(sys.executable, [sys.executable, sys.argv[0], mutant.file, "--running", running.path, *chosen])
        return running.test if os.waitpid(child, 0)[1] else None


def plant(mutant: Mutant, functions: Functions) -> bool:
    """Change the functions that a mutant changes; returns whether that was possible."""
    path, changed = str(ROOT / mutant.file), False
    for old, new in replaced(mutant.original(path), mutant.code(path)) if mutant.in_function else ():
        for function in functions.get((path, old), ()):
            if old.co_freevars != new.co_freevars:
                return False
            function.__code__ = new
            changed = True
    return changed


def run(tests: list[tuple[Any, float]]) -> int:
    """Returns 1 as soon as a test fails, else 0. What takes far too long is ended by a signal."""
    following = [item for item, _ in tests[1:]]
    for (item, seconds), after in zip(tests, [*following, None], strict=True):
        signal.alarm(int(6 + 10 * seconds))
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if item.session.testsfailed:
            item.session._setupstate.teardown_exact(None)
            return 1
    return 0


def run_alone(mutant: Mutant, tests: Sequence[str], running: str | None) -> int:
    """Returns pytest's exit status in this process, which has not imported the file yet.

    `running` is the path of a file that notes which test runs.
    """
    path, get_code = str(ROOT / mutant.file), SourceFileLoader.get_code

    def changed(self: SourceFileLoader, name: str) -> Any:
        return mutant.code(path) if self.get_filename(name) == path else get_code(self, name)

    SourceFileLoader.get_code = changed  # type: ignore[assignment, method-assign]
    return int(pytest.main(["-x", *OPTIONS, *tests], plugins=[Running(running)] if running else []))


def silence(*streams: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in streams:
        os.dup2(null, stream)
