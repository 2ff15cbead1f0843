"""Which process dispatches, tried with the commands that people run."""

from __future__ import annotations

import os
import signal
import socket
import sys
import types
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import AppGroup, FlaskGroup

from app import IngestionAPI
from app.serving.process import will_serve
from app.sql.store import SQLStore
from tests.support.command import Command
from tests.support.gate import PATIENCE, Gate
from tests.support.queueing import settings, submit

HOST = "tests.support.witness"


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    return tmp_path / "witness"


def flask(*arguments: str, witness: Path, gate: Gate | None = None) -> Command:
    environ = {"WITNESS": str(witness), **(gate.environ if gate else {})}
    return Command("-m", "flask", "--app", HOST, *arguments, environ=environ)


def states(witness: Path) -> dict[int, str]:
    """What each process said at its end."""
    lines = witness.read_text().splitlines()
    return {int(pid): state for pid, state in (line.split() for line in lines)}


class UWSGI(types.ModuleType):
    """What the module of that name says, which uWSGI puts into each of its processes."""

    def __init__(self, master: int, worker: int, processes: int, options: dict[str, object]) -> None:
        super().__init__("uwsgi")
        self.masterpid = lambda: master
        self.worker_id = lambda: worker
        self.numproc = processes
        self.opt = options


HERE, ELSEWHERE, NONE = os.getpid(), os.getppid(), 0
HOOKS: dict[str, object] = {"py-call-uwsgi-fork-hooks": True}


@pytest.mark.parametrize(
    ("master", "processes"),
    [(HERE, 3), (HERE, 1), (NONE, 2)],
    ids=["a master", "a master of one", "several processes"],
)
def test_what_uwsgi_forks_without_a_word_is_refused(
    monkeypatch: pytest.MonkeyPatch, master: int, processes: int
) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", UWSGI(master, 0, processes, {"enable-threads": True}))
    app = Flask("host")
    with pytest.raises(RuntimeError, match="Set its option lazy-apps, or py-call-uwsgi-fork-hooks"):
        IngestionAPI(app)
    assert not app.blueprints


@pytest.mark.parametrize(
    "uwsgi",
    [
        UWSGI(HERE, 0, 3, HOOKS),
        UWSGI(ELSEWHERE, 2, 3, {"lazy-apps": True}),
        UWSGI(ELSEWHERE, 0, 3, {}),
        UWSGI(NONE, 0, 1, {}),
    ],
    ids=["with hooks", "a worker with an app of its own", "a mule", "the only process"],
)
def test_a_process_of_uwsgi_that_is_not_forked_blindly_serves(monkeypatch: pytest.MonkeyPatch, uwsgi: UWSGI) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    app = Flask("host")
    app.config["TESTING"] = True
    IngestionAPI(app)
    assert app.test_client().get("/livez").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "serves"),
    [
        ("run", True),
        ("run --debug", False),
        ("--debug run", False),
        ("run --reload", False),
        ("run --debug --no-reload", True),
        ("routes", False),
        ("--debug routes", False),
        ("--help", False),
        ("jobs run", False),
        ("nightly", False),
    ],
)
def test_which_commands_serve(monkeypatch: pytest.MonkeyPatch, arguments: str, serves: bool) -> None:
    """Asked while the app is made, in a process that is not the reloader's child."""
    answers = []

    def make() -> Flask:
        answers.append(will_serve())
        app = Flask("host")
        jobs = AppGroup("jobs")
        jobs.add_command(click.Command("run", callback=lambda: None))
        app.cli.add_command(jobs)
        app.cli.add_command(click.Command("nightly", callback=lambda: None))
        return app

    monkeypatch.setattr("flask.cli.run_simple", lambda *_, **__: None)
    for variable in ("FLASK_DEBUG", "FLASK_RUN_FROM_CLI", "WERKZEUG_RUN_MAIN"):
        monkeypatch.setenv(variable, "")  # so that what the command sets is put back
    result = CliRunner().invoke(FlaskGroup(create_app=make), arguments.split())
    assert result.exit_code == 0, result.output
    assert answers == [serves]


def test_flask_routes_dispatches_nothing(witness: Path) -> None:
    with flask("routes", witness=witness) as command:
        assert command.end() == 0
        assert states(witness) == {command.process.pid: "off"}


def test_a_shell_dispatches_nothing_until_it_is_told_to(witness: Path) -> None:
    with Gate() as gate, flask("shell", witness=witness, gate=gate) as shell:
        assert shell.process.stdin
        shell.process.stdin.write(f"from {HOST} import ingestion; print('worker', ingestion.service.worker.state)\n")
        shell.process.stdin.flush()
        assert "worker off" in shell.wait_for("worker ")
        shell.process.stdin.write("ingestion.start()\n")
        shell.process.stdin.flush()
        visitor = gate.wait()
        assert visitor.pid == shell.process.pid
        visitor.let_pass()
        assert shell.end() == 0


@pytest.mark.parametrize(("arguments", "processes"), [(["run"], 1), (["run", "--debug"], 2)], ids=str)
def test_flask_run_has_one_worker(witness: Path, arguments: list[str], processes: int) -> None:
    with Gate() as gate, flask(*arguments, "--port", "0", witness=witness, gate=gate) as server:
        visitor = gate.wait()
        assert (visitor.pid == server.process.pid) == (processes == 1)
        visitor.let_pass()
        # Python may lose an interrupt that comes while a module is imported; after this line none is.
        server.wait_for("Debugger PIN" if processes == 2 else "Press CTRL+C")
        # Not to both: the one that watches would kill the other if it took over a quarter of a second to end.
        os.kill(visitor.pid, signal.SIGINT)
        server.end()
    said = states(witness)
    assert len(said) == processes
    assert said.pop(visitor.pid) == "running"
    assert set(said.values()) <= {"off"}


@pytest.mark.parametrize("arguments", [["-m", "waitress"], ["-m", "waitress", "--call"]], ids=" ".join)
def test_waitress_dispatches(arguments: list[str]) -> None:
    app = "app:create_app" if "--call" in arguments else "wsgi:app"
    with Gate() as gate:
        environ = {**gate.environ, "INGEST_PROCESSOR": "tests.support.gate:gated"}
        with Command(*arguments, "--listen=127.0.0.1:0", app, environ=environ) as server:
            port = int(server.wait_for("Serving on").rpartition(":")[2])
            post(port, b'{"ids": [7], "priority": "LOW"}')
            visitor = gate.wait()
            assert (visitor.pid, visitor.errand) == (server.process.pid, "batch [7]")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_starts_its_own_worker() -> None:
    """What waits in the parent stays the parent's; the child has a queue of its own."""
    program = f"""
import os, {HOST} as host
from tests.support.gate import pass_gate
host.ingestion.submit([3], "HIGH")
pass_gate("before the fork")
child = os.fork()
if not child:
    host.ingestion.submit([2], "HIGH")
    pass_gate("the child's end")
    os._exit(0)
pass_gate("the parent's end")
os.waitpid(child, 0)
os._exit(0)
"""
    environ = {"WITNESS": os.devnull, "INGEST_INTERVAL": "0", "INGEST_CONCURRENCY": "1"}
    with Gate() as gate, Command("-c", program, environ={**environ, **gate.environ}) as parent:
        first = {(one := gate.wait()).errand: one for _ in range(2)}
        assert set(first) == {"batch [1]", "before the fork"}
        assert {one.pid for one in first.values()} == {parent.process.pid}
        first["before the fork"].let_pass()
        then = {(one := gate.wait()).errand: one for _ in range(3)}
        assert set(then) == {"batch [2]", "the child's end", "the parent's end"}
        assert then["batch [2]"].pid == then["the child's end"].pid != parent.process.pid
        for visitor in (*first.values(), *then.values()):
            visitor.let_pass()
        assert parent.end() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_gunicorn_with_preload_dispatches_in_its_worker(tmp_path: Path) -> None:
    pytest.importorskip("gunicorn")
    with Gate() as gate:
        environ = {**gate.environ, "INGEST_PROCESSOR": "tests.support.gate:gated", "HOME": str(tmp_path)}
        arguments = ["-m", "gunicorn", "--bind", "127.0.0.1:0", "--preload", "wsgi:app"]
        with Command(*arguments, environ=environ) as arbiter:
            port = int(arbiter.wait_for("Listening at").partition(" (")[0].rpartition(":")[2])
            post(port, b'{"ids": [7], "priority": "LOW"}')
            visitor = gate.wait()
            assert visitor.errand == "batch [7]"
            assert visitor.pid != arbiter.process.pid
            visitor.let_pass()
            arbiter.signal(signal.SIGTERM)
            assert arbiter.end() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.realtime
def test_with_preload_the_arbiter_dispatches_and_a_worker_joins_in_once_it_serves(
    tmp_path: Path, witness: Path
) -> None:
    """What waits in a database is worked on although no request comes; any request of the host's will do."""
    pytest.importorskip("gunicorn")
    store = SQLStore(settings(store=f"sqlite:///{tmp_path}/queue.db"))
    submit(store, [2])
    store.close()
    with Gate() as gate, preloaded(f"{HOST}:app", gate, tmp_path, WITNESS=str(witness)) as arbiter:
        port = int(arbiter.wait_for("Listening at").partition(" (")[0].rpartition(":")[2])
        first = gate.wait()
        assert first.pid == arbiter.process.pid
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            connection.sendall(b"GET /pid HTTP/1.0\r\n\r\n")
            pid = int(connection.makefile().read().splitlines()[-1])
        second = gate.wait()
        assert second.pid == pid
        # The host submits one as it is imported, when the arbiter may have begun with the other.
        assert {first.errand, second.errand} == {"batch [1]", "batch [2]"}
        arbiter.signal(signal.SIGKILL, group=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.realtime
def test_with_preload_only_the_workers_dispatch_where_each_is_started(tmp_path: Path, witness: Path) -> None:
    pytest.importorskip("gunicorn")
    config = tmp_path / "gunicorn.conf.py"
    config.write_text(f"import {HOST} as host\n\ndef post_fork(server, worker):\n    host.ingestion.start()\n")
    environ = {"WITNESS": str(witness), "AUTOSTART": "0"}
    with Gate() as gate, preloaded(f"{HOST}:app", gate, tmp_path, "--config", str(config), **environ) as arbiter:
        visitor = gate.wait()
        assert visitor.errand == "batch [1]"
        assert visitor.pid != arbiter.process.pid
        arbiter.signal(signal.SIGKILL, group=True)


def preloaded(app: str, gate: Gate, folder: Path, *arguments: str, **environ: str) -> Command:
    """One worker of gunicorn under `--preload`, with a queue in a database, one batch at a time in each process."""
    environ |= {"STORE": f"sqlite:///{folder}/queue.db", "HOME": str(folder), **gate.environ}
    bound = ("-m", "gunicorn", "--bind", "127.0.0.1:0", "--preload", *arguments, app)
    return Command(*bound, environ=environ)


def post(port: int, body: bytes) -> None:
    """POST /ingest, answered with 200."""
    head = b"POST /ingest HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(head + body)
        assert b" 200 OK\r\n" in connection.recv(1000)
