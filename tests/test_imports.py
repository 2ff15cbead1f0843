"""Which module may import which: read from the source, and held against the picture in the documentation."""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
APP = ROOT / "app"
EXTRAS = {"urllib3", "sqlalchemy", "psycopg", "prometheus_client"}
CORE = {"flask", "werkzeug", "click", "blinker", "jinja2", "markupsafe", "waitress"}


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(APP).with_suffix("").parts).removesuffix(".__init__")


FILES = {name_of(file): file for file in sorted(APP.rglob("*.py"))}


@cache
def imports(name: str, *, at_once: bool = False) -> list[ast.Import | ast.ImportFrom]:
    """The import statements of a module; `at_once`: only those that run when it is imported itself."""
    tree = ast.parse(FILES[name].read_text())
    nodes = tree.body if at_once else ast.walk(tree)
    return [node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom))]


@cache
def own(name: str, *, at_once: bool = False) -> set[str]:
    """The modules of this package that a module imports."""
    folder = FILES[name].relative_to(APP).parent.parts
    found = set()
    for node in imports(name, at_once=at_once):
        if isinstance(node, ast.ImportFrom) and node.level:
            path = [*folder[: len(folder) - node.level + 1], *filter(None, (node.module or "").split("."))]
            inside = {".".join([*path, alias.name]) for alias in node.names} & FILES.keys()
            found |= inside or {".".join(path) or "__init__"}
    return found


@cache
def others(name: str, *, at_once: bool = False) -> set[str]:
    """The top-level packages from elsewhere that a module imports."""
    found = set()
    for node in imports(name, at_once=at_once):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif not node.level:
            found.add(str(node.module).partition(".")[0])
    return found


@cache
def reached(name: str) -> set[str]:
    """Every module of this package that importing one brings along, itself among them."""
    seen: set[str] = set()
    todo = [name]
    while todo:
        if (one := todo.pop()) not in seen:
            seen.add(one)
            todo += own(one, at_once=True)
    return seen


@pytest.mark.parametrize("name", FILES)
def test_imports_in_the_package_are_relative(name: str) -> None:
    assert not others(name) & {"app", "flask_ingestion"}
    assert own(name) <= FILES.keys()


def test_no_module_imports_itself_by_a_detour() -> None:
    for name in FILES:
        for other in own(name, at_once=True) - {name}:
            assert name not in reached(other), f"{name} and {other} import each other"


def test_nothing_below_the_routes_imports_flask() -> None:
    below = set().union(*(reached(name) for name in ("service", "wiring")))
    assert {"store", "signals", "config"} <= below
    below |= set().union(*(own(name) for name in below))
    for name in below:
        assert not others(name) & {"flask", "werkzeug", "click"}, name


@pytest.mark.parametrize("name", FILES)
def test_only_the_core_and_the_extras_are_imported(name: str) -> None:
    assert others(name) <= set(sys.stdlib_module_names) | CORE | EXTRAS


def test_the_core_brings_along_no_extra() -> None:
    for name in reached("__init__"):
        assert not others(name, at_once=True) & EXTRAS, name
