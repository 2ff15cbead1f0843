"""A package that is not installed."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def absent(package: str) -> Iterator[None]:
    """Within the block, importing a package or anything in it fails as it does where it is not installed."""
    really = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return really(name, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "__import__", missing)
        yield
