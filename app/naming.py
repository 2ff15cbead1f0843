"""One package under two names, in a checkout `app` as its folder, installed `flask_ingestion`; and its version."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module, metadata
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

NAME = "flask_ingestion"
FOLDER = Path(__file__).parent


def unite(alias: str) -> None:
    """Make `alias`, under which this folder is being imported, a second name of `flask_ingestion`.

    Where `flask_ingestion` is not imported yet, it is this folder from now on, installed or not.
    """
    sys.meta_path.insert(0, _Aliases(alias))
    sys.modules[alias] = import_module(NAME)
    del sys.modules[__name__]


@cache
def release() -> str:
    """Returns the version of this package, 0 where it is not installed.

    It is read once: another may be installed under a running process, and the process have no file to spare.
    """
    try:
        return metadata.version("Flask-Ingestion")
    except metadata.PackageNotFoundError:
        return "0"


class _Aliases:
    """Finds `flask_ingestion` in this folder, and its modules under the alias too."""

    def __init__(self, alias: str) -> None:
        self._prefix = f"{alias}."

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if name == NAME:
            return spec_from_file_location(NAME, FOLDER / "__init__.py")
        # `python -m app` runs a __main__ of its own.
        if name.startswith(self._prefix) and not name.endswith(".__main__"):
            return ModuleSpec(name, _SameModule())
        return None


class _SameModule(Loader):
    """Loads a module by giving the one of the same name in `flask_ingestion`."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(f"{NAME}.{spec.name.partition('.')[2]}")
        self._own = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._own  # the import system has just put the alias's there
