"""The recipes of docs/upstreams.md: each is complete, and each is proved."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.config import Settings
from app.processors.http import HttpUpstream

from .standin import RECIPES, settings_of

TITLES = re.findall(r"^## (.*)\n(?:(?!^## ).*\n)*?^```sh$", RECIPES, re.MULTILINE)


def test_there_are_ten_and_a_test_for_each() -> None:
    assert len(TITLES) == 10
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    assert [title for title in TITLES if f'recipe = "{title}"' not in tests] == []


@pytest.mark.parametrize("title", TITLES)
def test_its_settings_are_all_known_and_start(title: str) -> None:
    found = settings_of(title)
    assert found.keys() <= {Settings.key_of("ingest", name) for name in Settings.__dataclass_fields__}
    HttpUpstream(Settings.read(found))
