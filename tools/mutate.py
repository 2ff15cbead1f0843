"""Finds what no test would notice: plants one fault at a time, and runs the tests that reach its line.

    python tools/mutate.py app/queue.py                 every mutant of a file; without a file, of all that decide
    python tools/mutate.py --changed main --minutes 7   of the files changed since main, their changed lines first, else
                                                        at random, until the time is up
    python tools/mutate.py app/queue.py --only 17       one of them, to see which test notices

Tests are collected once, and each mutant is tried in a fork, where it replaces the code of the functions it changes;
what stands outside of functions is tried in a process of its own. tools/equivalent.txt lists what no test can notice.

Tests run in memory and on SQLite. On PostgreSQL, which takes minutes, they run for what no other test reaches, and for
the files in SQL of which it alone reaches a part; --only runs them for any.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from mutants import Mutant, mutants_of
from trial import OPTIONS, ROOT, Trial, run_alone

TESTS = {
    "app/queue.py": "tests/test_queue.py tests/contract",
    "app/core/": "tests/core tests/memory tests/contract",
    "app/core/admission.py": "tests/core tests/contract tests/api/test_backpressure.py",
    "app/core/failures.py": "tests/core tests/contract tests/api/test_failures.py",
    "app/core/gate.py": "tests/core tests/contract tests/sql/test_change.py",
    "app/core/rates.py": "tests/core tests/contract tests/api/test_operations.py",
    "app/core/sweeps.py": "tests/core tests/contract tests/api/test_sweeps.py",
    "app/core/validation.py": "tests/core tests/api/test_bad_input.py",
    "app/memory/": "tests/memory tests/contract",
    "app/daemon.py": "tests/worker",
    "app/worker/": "tests/worker",
    "app/client/": "tests/client",
    "app/serving/files.py": "tests/serving/test_files.py",
    "app/httpclient/": "tests/client/test_calls.py tests/processors/test_http.py tests/processors/test_limits.py",
    "app/sql/": "tests/sql/test_doubt.py tests/sql/test_failures.py tests/sql/test_fair.py tests/sql/test_finder.py"
    " tests/sql/test_forkgate.py tests/sql/test_fresh.py tests/sql/test_minutes.py tests/sql/test_neighbours.py"
    " tests/sql/test_pieces.py"
    " tests/sql/test_retention.py tests/sql/test_schema.py tests/sql/test_sharing.py tests/sql/test_shelf.py"
    " tests/sql/test_size.py tests/sql/test_strings.py tests/sql/test_together.py tests/sql/test_turns.py"
    " tests/contract",
    "app/sql/change.py": "tests/sql/test_change.py tests/sql/test_fair.py tests/sql/test_schema.py",
    "app/sql/server.py": "tests/sql/test_away.py tests/sql/test_pieces.py tests/sql/test_trouble.py"
    " tests/sql/test_turns.py",
    "app/sql/trouble.py": "tests/sql/test_trouble.py",
    "app/sql/tables.py": "tests/sql/test_migrations.py tests/sql/test_schema.py",
}
"""What decides, so that a fault in it is a wrong order, rate, status or answer, and the tests that have to notice.

The longest beginning of a file's name counts.
"""

_TABLES = ("app/sql/schema.py", "app/sql/contents.py", "app/sql/lanes.py", "app/sql/journal.py", "app/sql/migrations/")
UNTRIED = ("__init__.py", "app/core/clock.py", *_TABLES)
_HUNK = re.compile(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@")
EQUIVALENT = ROOT / "tools" / "equivalent.txt"


def tests_for(file: str) -> list[str]:
    return TESTS[max((begin for begin in TESTS if file.startswith(begin)), key=len)].split()


def files_that_decide() -> list[str]:
    told = subprocess.run(["git", "ls-files", "--", *TESTS], check=True, text=True, stdout=subprocess.PIPE).stdout
    return [file for file in told.split() if not any(one in file for one in UNTRIED)]


def lines_changed(revision: str) -> dict[str, set[int]]:
    """Returns which lines changed since this branch left a revision, by file."""
    how = ["--unified=0", "--no-prefix", "--no-color", "--no-ext-diff", "--diff-filter=d", "--merge-base", revision]
    told = subprocess.run(["git", "diff", *how, "--", *TESTS], check=True, text=True, stdout=subprocess.PIPE).stdout
    found: dict[str, set[int]] = {}
    lines: set[int] = set()
    for line in told.splitlines():
        if line.startswith("+++ "):
            lines = found.setdefault(line.removeprefix("+++ "), set())
        elif hunk := _HUNK.match(line):
            lines.update(range(int(hunk[1]), int(hunk[1]) + int(hunk[2] or 1)))
    return found


def report(killed: Mapping[Mutant, bool], every: Sequence[Mutant], equivalent: set[str]) -> int:
    """Print how many were killed, by file, and what is out of date in the list; returns how many were not."""
    files = {mutant.file for mutant in every}
    listed = {key for key in equivalent if key.partition(" ")[0] in files}
    for stale in sorted(listed - {mutant.key for mutant in every}):
        print(f"listed in {EQUIVALENT.name}, but no mutant any more: {stale}")
    tried, dead = (Counter(one.file for one in killed if state in (killed[one], None)) for state in (None, True))
    for file in sorted(tried):
        print(f"{file}: {dead[file]} of {tried[file]} killed")
    equal = sum(mutant.key in equivalent for mutant in every)
    left = len(every) - equal - len(killed)
    share = 100 * dead.total() / max(1, len(killed))
    print(f"{dead.total()} of {len(killed)} killed, {share:.1f} %; {left} not tried; {equal} more are equivalent")
    return len(killed) - dead.total()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="source files")
    parser.add_argument(
        "--changed", metavar="REVISION", help="the files that decide and changed since, their changed lines first"
    )
    parser.add_argument(
        "--minutes", type=float, default=1e6, help="stop so long after tracing; the order is random, the same each time"
    )
    parser.add_argument("--seed", type=int, default=0, help="another order, and so another sample")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one mutant of one file")
    parser.add_argument("--tests", nargs="+", default=[], help="other tests than those that have to notice")
    parser.add_argument("--running", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    os.chdir(ROOT)
    changed = lines_changed(chosen.changed) if chosen.changed else {}
    files = chosen.files or [file for file in files_that_decide() if file in changed or not chosen.changed]
    tests = chosen.tests or sorted({test for file in files for test in tests_for(file)})
    mutants = [mutant for file in files for mutant in mutants_of(ROOT, file)]
    if chosen.only is not None:
        return run_alone(next(mutant for mutant in mutants if mutant.number == chosen.only), tests, chosen.running)
    equivalent = {line for line in EQUIVALENT.read_text("utf-8").splitlines() if line.startswith("app/")}
    tried = [mutant for mutant in mutants if mutant.key not in equivalent]
    random.Random(chosen.seed).shuffle(tried)
    tried.sort(key=lambda mutant: changed.get(mutant.file, set()).isdisjoint(mutant.lines))
    trial = Trial(tried, lambda file: chosen.tests or tests_for(file), chosen.minutes)
    if tried:
        pytest.main([*OPTIONS, *tests], plugins=[trial])
    return min(1, report(trial.killed, mutants, equivalent))


if __name__ == "__main__":
    sys.exit(main())
