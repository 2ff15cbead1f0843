"""`python -m benchmarks [--write] [--rounds N] [ROW...]`"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import time
from collections.abc import Mapping

from . import report
from .row import Outcome, Row
from .rows import ROWS
from .series import Plan, Series, Unavailable


def main() -> int:
    arguments = _arguments()
    # So that this signal, too, ends the processes that were started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows = [row for row in ROWS if not arguments.rows or any(row.name.startswith(name) for name in arguments.rows)]
    began = time.monotonic()
    lines = []
    print(report.plain(report.HEAD))
    for family in dict.fromkeys(row.family for row in rows):
        chosen = [row for row in rows if row.family == family]
        plan = Plan(arguments.rounds, frozenset(name for row in chosen for name in row.series))
        series = _measure(family, plan)
        found = [report.line(row, _outcome(row, series)) for row in chosen]
        print("\n".join(map(report.plain, found)), flush=True)
        lines += found
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if arguments.write:
        report.write(lines, arguments.rounds, time.monotonic() - began)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ours over theirs; see README.md.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="a row, or the start of its name (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each has its turn (default: 5)")
    parser.add_argument("--write", action="store_true", help="write benchmarks/RESULTS.md, of all rows")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.rows if not any(row.name.startswith(name) for row in ROWS)]:
        parser.error(f"no row is called {unknown[0]!r}; there are {', '.join(row.name for row in ROWS)}")
    if arguments.write and arguments.rows:
        parser.error("RESULTS.md holds one run of all rows: leave the names out, or --write")
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def _measure(family: str, plan: Plan) -> Mapping[str, Series] | Unavailable:
    try:
        found: Mapping[str, Series] = importlib.import_module(f".{family}", __package__).measure(plan)
        return found
    except ModuleNotFoundError as error:
        return Unavailable(f"not available: no module {error.name}; pip install -e '.[bench]'")
    except Unavailable as reason:
        return reason


def _outcome(row: Row, series: Mapping[str, Series] | Unavailable) -> Outcome | str:
    try:
        if isinstance(series, Unavailable):
            raise series
        return row.outcome(series)
    except Unavailable as reason:
        return str(reason)


if __name__ == "__main__":
    raise SystemExit(main())
