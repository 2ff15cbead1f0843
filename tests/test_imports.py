"""Which module may import which: read from the source, and held against the drawing in docs/architecture.md."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
APP = ROOT / "app"
DRAWING = (ROOT / "docs" / "architecture.md").read_text()

LINE = """
errors, httpclient, keys, limits, naming, queue, receivers, spelling, values <- setting <- config <- core <- daemon <-
callbacks, outcomes, reading <- store, several, signals, processors, client <- memory, sql, worker <- idempotency,
assembly, wiring <- lifecycle <- service <- web <- routes, dashboard, serving <- hooks, cli, plugin <- extension <-
__init__ <- __main__, wsgi
"""
"""A room, or a module beside the rooms, imports only from its left; those between two arrows know nothing of each
other."""

LAYERS = [layer.replace(" ", "").split(",") for layer in " ".join(LINE.split()).split("<-")]
RANK = {room: rank for rank, layer in enumerate(LAYERS) for room in layer}
WITHOUT_FLASK = RANK["web"]
CORE = {"flask", "werkzeug", "click", "blinker", "jinja2", "markupsafe", "waitress"}
BELOW_FLASK = {"blinker", "jinja2", "markupsafe"}
"""What Flask brings along, and what needs no Flask."""

EXTRAS = {
    "alembic",
    "httpx",
    "jmespath",
    "prometheus_client",
    "psycopg",
    "pytest",
    "rich",
    "sqlalchemy",
    "textual",
    "urllib3",
}


class Import(NamedTuple):
    """One imported module: dotted below the package where it is our own, the top-level name where it is not."""

    module: str
    own: bool
    at_once: bool
    """Whether it runs when the importing module is imported."""


House = Mapping[str, list[Import]]
"""What each module imports."""


def sources() -> dict[str, str]:
    """The package's modules by dotted name: a room by its own, the package as `__init__`."""
    files = {".".join(file.relative_to(APP).with_suffix("").parts): file.read_text() for file in APP.rglob("*.py")}
    return {name.removesuffix(".__init__"): source for name, source in sorted(files.items())}


@cache
def statements(source: str) -> list[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import statement, and whether it runs at once or in a function."""
    tree = ast.parse(source)
    return [(node, node in tree.body) for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]


def room_of(module: str) -> str:
    return module.partition(".")[0]


def is_room(module: str, modules: Mapping[str, str]) -> bool:
    return any(other.startswith(f"{module}.") for other in modules)


def imports(module: str, modules: Mapping[str, str]) -> Iterator[Import]:
    """What a module imports."""
    folder = [] if module == "__init__" else module.split(".")
    if not is_room(module, modules):
        folder = folder[:-1]
    for node, at_once in statements(modules[module]):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name.partition(".")[0], False, at_once) for alias in node.names)
        elif not node.level:
            yield Import(str(node.module).partition(".")[0], False, at_once)
        else:
            base = folder[: len(folder) - node.level + 1] + (node.module or "").split(".")
            path = [part for part in base if part]
            named = {".".join([*path, alias.name]) for alias in node.names}
            inside = named & modules.keys()
            if inside != named or not named:
                yield Import(".".join(path) or "__init__", True, at_once)
            yield from (Import(one, True, at_once) for one in inside)


def violations(modules: Mapping[str, str]) -> list[str]:
    """What breaks the line, or a room's privacy, or closes a circle; a sentence each."""
    found = []
    house = {module: list(imports(module, modules)) for module in modules}
    at_start = reached("__init__", house)
    for module in house:
        room = room_of(module)
        if room not in RANK:
            found.append(f"{module} is on no layer")
            continue
        for other in house[module]:
            found += broken_by(module, room, other, house, at_start)
    return found + [f"{' imports '.join(circle)}" for circle in circles(house)]


def broken_by(module: str, room: str, other: Import, house: House, at_start: set[str]) -> Iterator[str]:
    if not other.own:
        if other.module not in set(sys.stdlib_module_names) | CORE | EXTRAS:
            yield f"{module} imports {other.module}, which is no dependency"
        elif other.module in EXTRAS and other.at_once and module in at_start:
            yield f"{module} imports {other.module} at once, which is an extra"
        elif RANK[room] < WITHOUT_FLASK and other.module in CORE - BELOW_FLASK:
            yield f"{module} imports {other.module}, below {', '.join(LAYERS[WITHOUT_FLASK])}"
        return
    target = room_of(other.module)
    if other.module not in house:
        yield f"{module} imports {other.module}, which is not there"
    elif target != room and RANK.get(target, 0) >= RANK[room]:
        yield f"{module} imports {other.module}, which is not below it"
    elif target != room and other.at_once and "." in other.module:
        yield f"{module} imports {other.module}, past what {target} offers"


def reached(module: str, house: House) -> set[str]:
    """Every module that importing one brings along, itself among them."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        if (one := todo.pop()) in house and one not in seen:
            seen.add(one)
            todo += [other.module for other in house[one] if other.own and other.at_once]
    return seen


def circles(house: House) -> Iterator[list[str]]:
    """Modules of one room that import each other, at once or by a detour.

    A room's `__init__` imports what the room offers, so a module that imports it closes a circle.
    """
    for module in house:
        for other in house[module]:
            if other.own and other.at_once and room_of(other.module) == room_of(module):
                own_room = module.startswith(f"{other.module}.")
                if own_room or module in reached(other.module, house):
                    yield [module, other.module, module]


def drawn(text: str) -> set[str]:
    """The modules in the drawing of the house: one a line, indented below their room."""
    (block,) = re.findall(r"^```\napp/.*?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    path: list[str] = []
    found = set()
    for line in block.splitlines():
        indent, name = len(line) - len(line.lstrip()), line.split()[0]
        path = path[: indent // 2 - 1]
        if name.endswith("/"):
            path.append(name.removesuffix("/"))
        else:
            found.add(".".join([*path, name.removesuffix(".py")]))
    return {name.removesuffix(".__init__") for name in found}


def test_imports_run_one_way_and_through_what_a_room_offers() -> None:
    assert violations(sources()) == []


def test_the_drawing_shows_every_module_and_no_other() -> None:
    assert drawn(DRAWING) == set(sources())


def test_the_documentation_states_the_same_line() -> None:
    assert " ".join(LINE.split()) in " ".join(DRAWING.split())


def test_no_module_repeats_its_rooms_name() -> None:
    for module in sources():
        *rooms, name = module.split(".")
        assert not any(room in name for room in rooms if room != name) or name == "worker", module


def test_every_package_is_listed_for_the_wheel() -> None:
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    modules = sources()
    rooms = {f"flask_ingestion.{module}" for module in modules if is_room(module, modules)}
    assert set(setup["options"]["packages"].split()) == {"flask_ingestion", *rooms}


@pytest.mark.parametrize(
    ("module", "source", "sentence"),
    [
        ("core.rules", "from ..store import Store", "core.rules imports store, which is not below it"),
        ("core.rules", "def f():\n    from ..web import metrics", "core.rules imports web, which is not below it"),
        ("memory.store", "from ..sql import SqlStore", "memory.store imports sql, which is not below it"),
        ("assembly", "from .wiring import open_store", "assembly imports wiring, which is not below it"),
        ("routes", "from .web.problems import problem", "routes imports web.problems, past what web offers"),
        ("worker.crew", "from flask import Flask", "worker.crew imports flask, below web"),
        ("web.auth", "import sqlalchemy", "web.auth imports sqlalchemy at once, which is an extra"),
        ("core.clock", "import numpy", "core.clock imports numpy, which is no dependency"),
        ("core.rules", "from .rule import Rule", "core.rules imports core.rule, which is not there"),
        ("core.clock", "from . import Clock", "core.clock imports core imports core.clock"),
        ("core.clock", "from .rules import Gate", "core.clock imports core.rules imports core.clock"),
        ("helpers", "", "helpers is on no layer"),
    ],
)
def test_a_planted_violation_is_found(module: str, source: str, sentence: str) -> None:
    house = {
        "__init__": "from .web import problem",
        "config": "import os",
        "core": "from .clock import Clock\nfrom .rules import Gate",
        "core.clock": "import time",
        "core.rules": "from ..config import Settings\nfrom .clock import Clock",
        "memory": "from .store import MemoryStore",
        "memory.store": "from ..core import Gate\nfrom ..store import Store",
        "routes": "from flask import Flask\nfrom .web import problem",
        "service": "from .store import Store",
        "sql": "",
        "sql.store": "def f():\n    import sqlalchemy",
        "store": "from .core import Gate",
        "web": "from .auth import Auth\nfrom .problems import problem",
        "web.auth": "from ..service import Service",
        "web.problems": "from flask import Response",
        "wiring": "from .core import Clock",
        "worker": "",
        "worker.crew": "import threading",
    }
    assert violations(house) == []
    assert sentence in violations({**house, module: source})


def test_a_module_that_is_missing_in_the_drawing_is_found() -> None:
    text = "```\napp/  a package\n  __init__.py  names\n  core/\n    __init__.py\n    clock.py  time\n```\n"
    assert drawn(text) == {"__init__", "core", "core.clock"}
