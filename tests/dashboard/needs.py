"""What the tests in a browser need: skipped with a reason where it is missing, but never in CI."""

from __future__ import annotations

import importlib
import os
import shutil
from typing import Any

import pytest


def module(name: str, package: str) -> Any:
    """A module that the extra `test` brings."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return missing(f"{package} is not installed: pip install 'Flask-Ingestion[test]'")


def chromium() -> str:
    """Where the browser is."""
    return shutil.which("chromium") or missing("there is no Chromium: apt-get install chromium")


def missing(what: str) -> Any:
    if os.environ.get("CI"):
        pytest.fail(f"{what}; CI must have it", pytrace=False)
    pytest.skip(what, allow_module_level=True)
