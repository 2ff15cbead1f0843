"""What the number of waitress' threads gains: `python -m benchmarks.threads`.

For each number: requests per second of small submits, and their p99 both alone and while one connection repeatedly
requests the status of 100,000 batches. Not a row of the table; the default was chosen from it.
"""

from __future__ import annotations

import functools
import sys
from statistics import median

from . import load, servers
from .big_submit import some_ids
from .http import COUNT, IDS
from .series import Plan, Unavailable, interleave

THREADS = (1, 2, 4, 8)
PLAN = Plan(rounds=5)
BATCHES = 100_000
SECONDS = 1.5


def main() -> None:
    print(f"{'threads':>7}  {'requests/s':>10}  {'p99 ms':>8}  {'p99 ms, slow beside':>19}")
    for threads in THREADS:
        with servers.serving("waitress", environment={"INGEST_THREADS": str(threads)}) as ports:
            port = ports["waitress"]
            slow = f"/status/{servers.post(port, some_ids(3 * BATCHES), 'LOW')}"
            figures = interleave(
                PLAN, {"quiet": functools.partial(_quiet, port), "beside": functools.partial(_beside, port, slow)}
            )
            rate, quiet, beside = (_median(figures[name]) for name in ("quiet rate", "quiet p99", "beside"))
        print(f"{threads:>7}  {rate:>10,.0f}  {quiet:>8.1f}  {beside:>19.1f}")


def _median(series: list[float] | Unavailable) -> float:
    if isinstance(series, Unavailable):
        sys.exit(str(series))
    return median(series)


def _quiet(port: int) -> dict[str, float]:
    result = load.run(load.Load(port, "/ingest", servers.body(IDS, "MEDIUM"), count=COUNT))
    return {"rate": result.rate, "p99": 1000 * result.p99()}


def _beside(port: int, path: str) -> float:
    small = load.begin(load.Load(port, "/ingest", servers.body(IDS, "MEDIUM"), count=1_000_000, seconds=SECONDS))
    slow = load.run(load.Load(port, path, connections=1, count=100, seconds=SECONDS - 0.3))
    return 1000 * load.finish(small).p99(since=slow.starts[0], until=slow.starts[-1] + slow.latencies[-1])


if __name__ == "__main__":
    main()
