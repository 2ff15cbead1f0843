"""Processes that a benchmark needs: started, awaited and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .series import Unavailable

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0


def free_port() -> int:
    """A free port on the loopback address."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def listens(port: int) -> bool:
    """Whether something accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def running(
    command: Sequence[str], *, ready: Callable[[], bool], environment: Mapping[str, str] | None = None, **options: Any
) -> Iterator[None]:
    """Runs the command in the background, from the moment it is `ready` until the block ends, then ends its whole
    process group.

    Raises Unavailable, with the end of its output, if it does not get ready.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            env=environment_of_child(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **{"cwd": ROOT, **options},
        )
        try:
            await_it(ready, f"{command[0]} to get ready", process=process, log=log)
            yield
        finally:
            _end(process)


def environment_of_child(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment without any setting of the service, with the clone importable, plus `more`."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("INGEST_")}
    return {**ours, "PYTHONPATH": str(ROOT), **(more or {})}


def await_it(
    done: Callable[[], bool],
    what: str,
    *,
    seconds: float = START_SECONDS,
    process: subprocess.Popen[bytes] | None = None,
    log: Any = None,
) -> None:
    """Poll every few milliseconds until it is `done`. Raises Unavailable if that takes too long."""
    until = time.monotonic() + seconds
    while not done():
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > until:
            reason = f"gave up waiting for {what} after {seconds:g} s" if not ended else f"{what}: the process ended"
            raise Unavailable(f"{reason}{_tail(log)}")
        time.sleep(0.005)


def _tail(log: Any) -> str:
    if log is None:
        return ""
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return f": {' / '.join(lines[-3:])}" if lines else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    for how, seconds in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


def program(name: str) -> str:
    """A program installed next to the running Python, in the virtual environment."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else name


class Child:
    """A command in a separate process, which answers every line it receives with a figure."""

    def __init__(self, *command: str, environment: Mapping[str, str] | None = None) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - `end` closes it
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment_of_child(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def ask(self) -> float:
        """The next figure. Raises Unavailable, with the process' last output, if that is no figure."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        try:
            return float(answer)
        except ValueError:
            raise Unavailable(answer or f"the process ended without a figure{_tail(self._log)}") from None

    def end(self) -> None:
        self._process.communicate()
        self._log.close()


def answer(measure: Callable[[], float]) -> None:
    """The Child's side: a figure for every line, until there are no more."""
    for _ in sys.stdin:
        print(measure(), flush=True)
