"""One package under two names, each case in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.standalone import Service

ROOT = Path(__file__).parents[1]
UNINSTALLED = ("-S",)
"""Python's own start: no .pth file is read, and so an editable install is not seen."""

SAME = """
import sys
from importlib import import_module

for name in sys.argv[1:]:
    import_module(name)
for module in ("", ".core", ".core.rules", ".signals", ".client", ".sql.store", ".processors.http", ".cli.commands"):
    one, other = import_module("app" + module), import_module("flask_ingestion" + module)
    assert one is other, module
    assert one.__name__ == one.__spec__.name == "flask_ingestion" + module
import app
import flask_ingestion
from app.errors import HoldQueue

assert HoldQueue is flask_ingestion.HoldQueue is app.HoldQueue
assert app.batch_started is flask_ingestion.batch_started
copies = [name for name, module in sys.modules.items() if name.startswith("app.") and module.__name__ == name]
assert not copies, copies
"""

REFUSES = """
import flask_ingestion

def hold(ids):
    raise flask_ingestion.HoldQueue(3600, "closed for today")

def give_up(ids):
    raise flask_ingestion.PermanentError("no such record")
"""


def python(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), sysconfig.get_path("purelib")))}
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments], cwd=cwd, env=environ, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("start", [(), UNINSTALLED], ids=["as installed", "not installed"])
@pytest.mark.parametrize("names", [("app",), ("app", "flask_ingestion"), ("app.client", "flask_ingestion.core")])
def test_the_checkouts_name_first(start: tuple[str, ...], names: tuple[str, ...]) -> None:
    done = python(*start, "-c", SAME, *names)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("names", [("flask_ingestion",), ("flask_ingestion.sql.store", "app.core.rules")])
def test_the_installed_name_first(names: tuple[str, ...]) -> None:
    done = python("-c", SAME, *names)
    assert done.returncode == 0, done.stderr


def test_a_hosts_own_app_stays_its_own(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("import flask_ingestion\nfrom .core import OWN\n")
    (tmp_path / "app" / "core.py").write_text("OWN = 'the host'\n")
    check = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import flask_ingestion, app, app.core\n"
    check += "assert app.core.OWN == 'the host' and flask_ingestion.core.Priority\n"
    check += f"assert app.__file__.startswith({str(tmp_path)!r})"
    done = python("-c", check, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_folder_runs_as_a_command() -> None:
    done = python(*UNINSTALLED, "-m", "app", "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: flask-ingestion" in done.stdout


@pytest.mark.parametrize("start", [(), UNINSTALLED], ids=["as installed", "not installed"])
class TestUnderWsgiPy:
    """A processor that raises what it imported from `flask_ingestion`."""

    @pytest.fixture
    def environ(self, tmp_path: Path) -> dict[str, str]:
        (tmp_path / "refuses.py").write_text(REFUSES)
        path = os.pathsep.join((str(tmp_path), sysconfig.get_path("purelib")))
        return {"PYTHONPATH": path, "INGEST_INTERVAL": "0", "INGEST_RETRY_DELAY": "0"}

    def test_a_permanent_error_ends_the_first_attempt(self, start: tuple[str, ...], environ: dict[str, str]) -> None:
        with Service((*start, "wsgi.py"), **environ, INGEST_PROCESSOR="refuses:give_up") as service:
            ingestion_id = service.submit([1])
            service.wait_for("ended: failed")
            (batch,) = service.call("GET", f"/status/{ingestion_id}")["batches"]
        assert (batch["status"], batch["attempts"]) == ("failed", 1)
        assert batch["error"]["message"] == "no such record", json.dumps(batch)

    def test_a_hold_holds_the_queue(self, start: tuple[str, ...], environ: dict[str, str]) -> None:
        with Service((*start, "wsgi.py"), **environ, INGEST_PROCESSOR="refuses:hold") as service:
            service.submit([1])
            service.wait_for("waits on: hold")
            queue = service.call("GET", "/queue")
        assert queue["waiting_on"] == "hold", queue
