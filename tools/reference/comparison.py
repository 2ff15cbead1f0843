"""The comparison with other queues: what was measured."""

from __future__ import annotations

import re
from pathlib import Path

from .markdown import table

ROOT = Path(__file__).parents[2]

DRAINED = {
    "Flask-Ingestion, in memory": ("drain.memory", "ours"),
    "Flask-Ingestion, SQLite": ("drain.sqlite", "ours"),
    "Flask-Ingestion, PostgreSQL": ("drain.postgres", "ours"),
    "Celery, Redis": ("drain.memory-celery", "theirs"),
    "RQ, Redis": ("drain.memory-rq", "theirs"),
    "Dramatiq, Redis": ("drain.memory-dramatiq", "theirs"),
    "Huey, Redis": ("drain.memory-huey", "theirs"),
    "Huey, SQLite": ("drain.sqlite", "theirs"),
    "Procrastinate, PostgreSQL": ("drain.postgres", "theirs"),
}
"""What the comparison says of batches per second: each queue, with its row of the results and the column."""

LIMITED = {
    "Celery, two workers": "celery-two",
    "Celery, one worker": "celery-one",
    "Dramatiq": "dramatiq",
    "Huey with `limits`": "huey",
    "BullMQ": "bullmq",
}
"""The queues of which it says what becomes of an upstream's limit, as their rows are named."""

FROM, TO = "<!-- rows: tools/reference takes them from benchmarks/RESULTS.md -->", "<!-- end of rows -->"


def comparison() -> str:
    """Returns the comparison, with the figures as the benchmarks last wrote them."""
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text()
    found = re.findall(r"^\| ([a-z]+\.\S+) \| [^|]* \| ([^|]*) \| ([^|]*) \|", results, re.MULTILINE)
    figures = {name: {"ours": ours, "theirs": theirs} for name, ours, theirs in found}
    drained = [(label, figures[row][side]) for label, (row, side) in DRAINED.items()]

    def limited(label: str, rows: str, side: str) -> tuple[str, ...]:
        return label, *(figures[f"allowance.{rows}-{what}"][side] for what in ("violations", "used", "high"))

    head = ("20 calls a second", "calls too many", "% of the allowance used", "ms until a HIGH goes")
    peers = [limited(label, rows, "theirs") for label, rows in LIMITED.items()]
    tables = [
        *table(("no limit", "batches/s"), *drained),
        "",
        *table(head, limited("Flask-Ingestion, four processes on PostgreSQL", "four", "ours"), *peers),
    ]
    before, _, rest = (ROOT / "docs" / "comparison.md").read_text().partition(FROM)
    _, _, after = rest.partition(TO)
    return "\n".join([f"{before}{FROM}", "", *tables, "", f"{TO}{after}"])
