"""A process with queues that forks, and one that ends."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request_started

from app import IngestionAPI
from tests.support.command import ROOT, Command
from tests.support.gate import Gate

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

FORK = """
import os, sys, threading
from flask import Flask
from app import IngestionAPI, ingestion_finished

app = Flask("host")
app.config["INGEST_INTERVAL"] = 3600
ingestion = IngestionAPI()
ingestion.init_app(app)
ingestion.processor(lambda ids: [os.getpid()] * len(ids))
done = threading.Event()

def finished(sender, **_):
    done.set()

ingestion_finished.connect(finished)

def work(ids):
    done.clear()
    accepted = ingestion.submit(ids, "HIGH")
    assert done.wait(20)
    assert list(ingestion.results(accepted.id)) == [(one, str(os.getpid())) for one in ids]

work([1])
ingestion.submit([2, 3], "LOW")
ingestion.pause()
parent = ingestion.service.store
child = os.fork()
if not child:
    try:
        service = ingestion.service
        assert service.store is not parent
        assert service.store.stats().depths[3].waiting == 0, "the queue of the parent is not the child's"
        assert service.worker.state == "off", "most children never serve"
        work([4])
        assert service.worker.state == "running"
        ingestion.stop()
        assert service.worker.state == "off"
    except BaseException as error:
        print("child:", repr(error), flush=True)
        os._exit(1)
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0
assert ingestion.service.store is parent
assert parent.stats().depths[3].waiting == 1
assert len(parent.dispatches(9)) == 1
print("good")
"""

STOPPED_BEFORE_FORK = """
import os
from flask import Flask
from app import IngestionAPI

ingestion = IngestionAPI(Flask("host"))
ingestion.start()
ingestion.stop()
child = os.fork()
if not child:
    ingestion.submit([1], "LOW")
    os._exit(ingestion.service.worker.state != "off")
print("good" if os.waitpid(child, 0)[1] == 0 else "bad")
"""

EXIT = """
import sys
import threading
from flask import Flask
from app import IngestionAPI

app = Flask("host")
app.config["INGEST_SHUTDOWN_GRACE"] = float(sys.argv[1])
ingestion = IngestionAPI(app)
begun = threading.Event()

@ingestion.processor
def work(ids):
    print("working", flush=True)
    begun.set()
    sys.stdin.readline()
    print("ended", flush=True)

ingestion.submit([1], "LOW")
begun.wait()
"""


HANDLED = "import signal, sys; signal.signal(signal.SIGINT, lambda *_: sys.exit(0))"
"""What a server does that handles its signals, gunicorn among them."""


EXIT_OF_TWO = """
import threading
import time
from flask import Flask
from app import IngestionAPI

app = Flask("host")
begun, calls = threading.Barrier(3), []
for name in ("one", "two"):
    app.config.update({f"{name.upper()}_SHUTDOWN_GRACE": 3, f"{name.upper()}_INTERVAL": 0.1})
    ingestion = IngestionAPI(name=name)

    @ingestion.processor
    def work(ids, name=name):
        print(name, flush=True)
        if 1 in ids:
            begun.wait()
            time.sleep(60)

    ingestion.init_app(app, url_prefix=f"/{name}")
    ingestion.submit(range(1, 300), "LOW")
begun.wait()
print(time.monotonic(), "ends", flush=True)
"""

BUSY = """
import multiprocessing, os, sys, threading, time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from flask import Flask
from app import IngestionAPI

app = Flask("host")
app.config.update(INGEST_STORE=sys.argv[1], INGEST_INTERVAL=0.01, INGEST_CONCURRENCY=2)
ingestion = IngestionAPI(app)

@ingestion.processor
def work(ids):
    child = os.fork()
    if not child:
        time.sleep(0.02)
        os._exit(0)
    os.waitpid(child, 0)
    return [os.getpid()] * len(ids)

def square(number):
    time.sleep(0.1)
    return number * number, threading.active_count()

accepted = ingestion.submit(range(1, 181), "LOW")
fork = multiprocessing.get_context("fork")
for number in range(4):
    process = fork.Process(target=square, args=(number,))
    process.start()
    process.join()
with ProcessPoolExecutor(2, fork) as pool:
    squares = list(pool.map(square, range(6)))
while not ingestion.get(accepted.id).status.final:
    time.sleep(0.01)
assert squares == [(number * number, 1) for number in range(6)], squares
assert {answer for _, answer in ingestion.results(accepted.id)} == {str(os.getpid())}
_, batches = ingestion.service.store.batches(accepted.id)
assert Counter(batch.attempt for batch in batches) == {1: 60}
assert len(ingestion.service.store.workers()) == 1
print("good", flush=True)
"""

IDLE = """
import os, sys
from flask import Flask
from app import IngestionAPI

app = Flask("host")
app.config.update(INGEST_STORE=f"sqlite:///{sys.argv[1]}", INGEST_AUTOSTART=False)
ingestion = IngestionAPI(app)
ingestion.processor(lambda ids: ids)
for name in os.listdir(os.path.dirname(sys.argv[1])):
    os.remove(os.path.join(os.path.dirname(sys.argv[1]), name))
child = os.fork()
if not child:
    ingestion.stop()
    sys.exit(0)  # not os._exit: what is registered to run at the end runs
assert os.waitpid(child, 0)[1] == 0
grandchild = os.fork()
if not grandchild:
    if os.fork():
        os.wait()
    os._exit(0)
assert os.waitpid(grandchild, 0)[1] == 0
print("good" if not os.path.exists(sys.argv[1]) else "a child opened the store", flush=True)
os._exit(0)
"""

SERVING = """
import os
from flask import Flask, request, request_started
from app import IngestionAPI

app = Flask("host")
app.before_request(lambda: "closed" if request.path == "/closed" else None)
ingestion = IngestionAPI(app, url_prefix="/ingestion")
app.add_url_rule("/page", view_func=lambda: "mine")
ingestion.processor(lambda ids: ids)

def states(path):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    before = ingestion.service.worker.state
    app.test_client().get(path)
    good = (before, ingestion.service.worker.state) == ("off", "running") and not request_started.receivers
    os._exit(not good)

print("good" if not any(map(states, ["/page", "/closed", "/ingestion/livez"])) else "bad", flush=True)
"""

WITHOUT_FORK = """
import os
del os.fork, os.register_at_fork
from flask import Flask
from app import IngestionAPI, ingestion_finished

app = Flask("host")
app.config["TESTING"] = True
ingestion = IngestionAPI(app)
ingestion.submit([1], "HIGH")
assert ingestion.run_until_idle() == 1
print("good")
"""

WAITING = """
from flask import Flask
from app import IngestionAPI

app = Flask("host")
app.config.update(INGEST_INTERVAL=3600)
ingestion = IngestionAPI(app)
ingestion.processor(lambda ids: ids)

def import_ids():
    for _ in range(2):
        ingestion.submit(range(1, 5), "LOW")

app.cli.command("import-ids")(import_ids)
if __name__ == "__main__":
    import_ids()
"""


def python(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@forks
@pytest.mark.parametrize("script", [FORK, STOPPED_BEFORE_FORK, SERVING], ids=["running", "stopped", "serving"])
def test_a_forked_child_is_on_its_own(script: str) -> None:
    with python(script) as process:
        assert process.communicate(timeout=60)[0] == "good\n"
        assert process.returncode == 0


def test_a_process_that_ends_lets_its_running_batches_end() -> None:
    with python(EXIT, "60") as process:
        assert process.stdout
        assert process.stdout.readline() == "working\n"
        assert process.communicate("\n", timeout=60)[0] == "ended\n"
        assert process.returncode == 0


def test_a_process_that_ends_does_not_wait_beyond_the_grace() -> None:
    with python(EXIT, "0") as process:
        assert process.stdout
        assert process.stdout.readline() == "working\n"
        assert process.wait(timeout=60) == 0


def test_instances_stop_together_when_their_process_ends() -> None:
    """In real time: each has three seconds, from the same moment on, in which 60 batches would start."""
    with python(EXIT_OF_TWO) as process:
        said, _ = process.communicate(timeout=60)
        ended_at = time.monotonic()
    *_, last, after = said.rpartition(" ends\n")
    assert ended_at - float(said.split(" ends")[0].split("\n")[-1]) < 5.7
    assert after.count("one") + after.count("two") < 20, last


@forks
@pytest.mark.realtime
def test_a_child_that_never_serves_takes_no_batch_with_it(tmp_path: Path) -> None:
    """Of multiprocessing, of a pool, and of a processor that forks, each of which leaves through `os._exit`."""
    with python(BUSY, f"sqlite:///{tmp_path}/queue.db") as process:
        assert process.communicate(timeout=100)[0] == "good\n"


@forks
def test_a_child_that_never_serves_opens_no_store(tmp_path: Path) -> None:
    with python(IDLE, str(tmp_path / "queue.db")) as process:
        assert process.communicate(timeout=60)[0] == "good\n"


def test_it_works_where_processes_do_not_fork() -> None:
    with python(WITHOUT_FORK) as process:
        assert process.communicate(timeout=60)[0] == "good\n"


IMPORT = ("-m", "flask", "--app", "host", "import-ids")


def run_host(folder: Path, source: str, *arguments: str) -> list[str]:
    """What a host's process says until it ends by itself."""
    (folder / "host.py").write_text(source)
    with Command(*arguments, environ={"PYTHONPATH": str(ROOT)}, cwd=folder) as command:
        assert command.end() == 0, command.output
    return command.lines


def test_a_script_says_what_is_lost_with_the_memory(tmp_path: Path) -> None:
    *_, said = run_host(tmp_path, WAITING, "host.py")  # the first batch may be running just then, which it says before
    assert re.fullmatch("'ingest' stopped; lost with the memory: [34] batches still queued", said)


def test_a_command_without_a_worker_says_so_once_and_what_is_lost(tmp_path: Path) -> None:
    warned, said = run_host(tmp_path, WAITING, *IMPORT)
    assert warned.startswith(
        "'ingest' queues in memory, and this process runs no worker: what waits is lost at its end"
    )
    assert said == "'ingest' stopped; lost with the memory: 4 batches still queued"


def test_nothing_is_said_where_nothing_is_lost(tmp_path: Path) -> None:
    kept = WAITING.replace("INTERVAL=3600", f"STORE='sqlite:///{tmp_path}/queue.db'")
    assert run_host(tmp_path, kept, *IMPORT) == []
    tested = WAITING.replace("INGEST_INTERVAL=3600", "TESTING=True")
    assert run_host(tmp_path, tested, "host.py") == []


@pytest.mark.parametrize(
    ("several", "chosen", "warned"),
    [
        (True, {}, 1),
        (False, {}, 0),
        (True, {"INGEST_STORE": "sqlite:///{folder}/queue.db"}, 0),
        (True, {"TESTING": True}, 0),
    ],
    ids=["several in memory", "one", "several on a database", "a test"],
)
def test_several_processes_that_share_no_queue_say_so_once(
    several: bool, chosen: dict[str, Any], warned: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask("host")
    app.config["INGEST_AUTOSTART"] = False
    app.config.update({key: str(value).format(folder=tmp_path) for key, value in chosen.items()})
    IngestionAPI(app)
    for path in ("/elsewhere", "/queue", "/queue"):  # the host's own pages count, too
        app.test_client().get(path, environ_overrides={"wsgi.multiprocess": several})
    said = [one.message for one in caplog.records if "several processes" in one.message]
    assert len(said) == warned
    assert all("INGEST_STORE can name a database that they share" in one for one in said)
    assert all("its server says that several processes may answer" in one for one in said), "some always say so"


def test_an_app_that_is_dropped_before_its_first_request_leaves_no_receiver() -> None:
    before = set(request_started.receivers)
    app = Flask("host")
    app.config["INGEST_AUTOSTART"] = False
    IngestionAPI(app)
    assert set(request_started.receivers) != before
    del app
    gc.collect()
    assert set(request_started.receivers) <= before, "those of other tests may be gone as well"


@pytest.mark.parametrize("handled", ["", HANDLED], ids=["by Python", "by a server"])
def test_a_process_that_ends_says_what_it_waits_for_and_an_interrupt_ends_the_wait(handled: str) -> None:
    with Command("-c", f"{handled}\n{EXIT}", "3600") as command:
        command.wait_for("working")
        command.wait_for("stopping; 1 batch in process, with 3600 s to end; an interrupt ends the wait")
        for _ in range(4):  # Python may lose an interrupt that comes just before a wait
            command.signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                command.process.wait(8)
                break
        assert command.end() == 0
    assert "lost with the memory: 1 batch still queued" in command.output
    assert "did not end in time and is put back" in command.output
    assert "Traceback" not in command.output


CUT_OFF = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from flask import Flask
from app import IngestionAPI

app = Flask("host")
app.config.update(INGEST_STORE="sqlite:///queue.db", INGEST_MAX_ATTEMPTS=1, INGEST_AUTOSTART=sys.argv[1] == "work")
ingestion, started = IngestionAPI(app), threading.Event()

@ingestion.processor
def fetch(ids):
    started.set()
    threading.main_thread().join()
    with ThreadPoolExecutor() as pool:
        return list(pool.map(str, ids))

accepted = ingestion.submit([1, 2], "LOW", key="once")
if sys.argv[1] == "work":
    assert started.wait(60)
else:
    print(accepted.status.value)
"""


def test_what_cannot_go_on_because_python_ends_is_put_back_and_has_not_failed(tmp_path: Path) -> None:
    said = "\n".join(run_host(tmp_path, CUT_OFF, "host.py", "work"))
    assert "is put back: cannot schedule new futures after" in said
    assert "failed" not in said
    assert run_host(tmp_path, CUT_OFF, "host.py", "look") == ["triggered"]


RELOADED = """
import sys
from flask import Flask
from app import IngestionAPI
from tests.support.gate import gated

app = Flask("host")
app.config.update(INGEST_SHUTDOWN_GRACE=3600)
ingestion = IngestionAPI(app, url_prefix="/ingestion")
ingestion.processor(gated)
ingestion.submit([1], "HIGH")
"""


@pytest.mark.realtime
def test_the_reloader_waits_for_no_batch(tmp_path: Path) -> None:
    host = tmp_path / "host.py"
    host.write_text(RELOADED)
    environ = {"PYTHONPATH": str(ROOT)}
    arguments = ["-m", "flask", "--app", "host", "run", "--debug", "--port", "0"]
    with Gate() as gate, Command(*arguments, environ={**environ, **gate.environ}, cwd=tmp_path) as server:
        first = gate.wait()
        server.wait_for("Debugger PIN")
        for later in range(1, 20):  # it may not have looked at the file before it was first saved
            os.utime(host, times=(later, later))
            if select.select([gate], [], [], 2.0)[0]:
                break
        assert gate.wait().pid != first.pid
        server.signal(signal.SIGKILL, group=True)
        server.end()
    assert "did not end in time and is put back" in server.output


def test_what_the_first_look_up_of_a_host_imports_is_there_before_a_fork() -> None:
    program = "import app, sys; print('encodings.idna' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout == "True\n"
