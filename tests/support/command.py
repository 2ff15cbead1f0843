"""A command of the project in a separate process, as a user runs it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from .gate import PATIENCE

ROOT = Path(__file__).parents[2]
_OWN = ("INGEST_", "FLASK_", "WERKZEUG_", "PYTEST_")


class Command:
    """`python *arguments` in the checkout; `lines` is its output so far, stdout and stderr together."""

    def __init__(
        self,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        program: Sequence[str] = (sys.executable, "-u"),
    ) -> None:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(_OWN)}
        self.process = subprocess.Popen(
            [*program, *arguments],
            env={**inherited, **(environ or {})},
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout
        self.lines: list[str] = []
        self._said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,))
        self._reader.start()

    def _read(self, output: IO[str]) -> None:
        for line in output:
            self._said.put(line.rstrip())
        self._said.put(None)

    def wait_for(self, text: str) -> str:
        """Waits for the next line that contains `text`, and returns it."""
        try:
            while (line := self._said.get(timeout=PATIENCE)) is not None:
                self.lines.append(line)
                if text in line:
                    return line
        except queue.Empty:
            raise AssertionError(f"it does not say {text!r}:\n{self.output}") from None
        raise AssertionError(f"it ended without saying {text!r}:\n{self.output}")

    def end(self, within: float = PATIENCE) -> int:
        """Waits for its end, `within` seconds at most, and returns the exit code."""
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()
        code = self.process.wait(within)
        self._reader.join(PATIENCE)
        with contextlib.suppress(queue.Empty):
            while True:
                line = self._said.get_nowait()
                if line is not None:
                    self.lines.append(line)
        # The end was taken from whoever waits for a line in another thread.
        self._said.put(None)
        return code

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send it a signal, or with `group` to all its processes, as a terminal does."""
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with contextlib.suppress(ProcessLookupError):  # all of its processes may have ended
            os.killpg(self.process.pid, signal.SIGKILL)
        self.end()
        if self.process.stdout:
            self.process.stdout.close()
