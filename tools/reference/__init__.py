"""Writes the reference from the code: the settings, the command line, the HTTP API; and what was measured.

    python -m tools.reference

What it writes is in the repository, so that a clone and a forge show it; a test says when it has to be run again.
"""

from __future__ import annotations

from collections.abc import Callable

from .commands import commands
from .comparison import comparison
from .http import http
from .settings import settings

PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/settings.md": settings,
    "docs/reference/cli.md": commands,
    "docs/reference/http.md": http,
    "docs/comparison.md": comparison,
}
"""Each page, and what it should hold."""
