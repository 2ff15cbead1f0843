"""Documentation that cannot go stale."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from app.config import Settings

ROOT = Path(__file__).parents[2]


def table_row(field: dataclasses.Field[object]) -> str:
    default = "" if field.default in ("", ()) else f"`{field.default}`"
    return f"| `{field.name.upper()}` | {default} | {field.metadata['about']} |"


def test_every_setting_is_in_the_readme_with_its_default_and_meaning() -> None:
    rows = re.findall(r"^\| `[A-Z_]+` \|.*\|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows == [table_row(field) for field in dataclasses.fields(Settings)]
