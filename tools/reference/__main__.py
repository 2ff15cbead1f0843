"""Write every page."""

from __future__ import annotations

from pathlib import Path

from . import PAGES

ROOT = Path(__file__).parents[2]

for name, page in PAGES.items():
    (ROOT / name).write_text(page())
