"""Completion in the shells themselves, each on a terminal or asked as it allows."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.gate import PATIENCE

HOW = 'eval "$(_FLASK_INGESTION_COMPLETE={shell}_source flask-ingestion)"'
CASES = [
    ("flask-ingestion redrive-c", "redrive-callback"),
    ("flask-ingestion queue --js", "--json"),
    ("flask-ingestion list --status fa", "failed"),
    ("flask-ingestion --profile pro", "production"),
]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "flask-ingestion.toml").write_text("[production]\n[other]\n")
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    return {"PATH": path, "XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path), "PS1": "ready> ", "TERM": "xterm"}


def needed(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"there is no {shell}: apt-get install {shell}")
    return found


class Terminal:
    """A shell on a terminal."""

    def __init__(self, screen: int) -> None:
        self._screen = screen
        self._shown = b""

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def read_until(self, text: str) -> None:
        """Read what it writes, up to this text."""
        end = time.monotonic() + PATIENCE
        while text.encode() not in self._shown:
            ready, _, _ = select.select([self._screen], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"it does not write {text!r}: {self._shown!r}"
            self._shown += os.read(self._screen, 65_536)
        self._shown = self._shown.partition(text.encode())[2]


@contextmanager
def terminal(*command: str, environ: dict[str, str]) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    shell = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True)
    os.close(theirs)
    try:
        yield Terminal(ours)
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)


@pytest.mark.parametrize(("typed", "word"), CASES)
@pytest.mark.parametrize(
    ("shell", "options", "begin"),
    [("bash", ("--norc", "-i"), ""), ("zsh", ("-f", "-i"), "autoload -Uz compinit && compinit -u; ")],
)
def test_tab_completes(
    environ: dict[str, str], shell: str, options: tuple[str, ...], begin: str, typed: str, word: str
) -> None:
    with terminal(needed(shell), *options, environ=environ) as screen:
        screen.read_until("ready> ")
        screen.type(f"{begin}{HOW.format(shell=shell)}; echo done-$((1 + 1))\r")
        screen.read_until("done-2")
        screen.read_until("ready> ")
        # The line is printed rather than run once it is complete.
        screen.type(f"{typed}\t\x01printf '<%s>' \r")
        screen.read_until(f"<{word}>")


@pytest.mark.parametrize(("typed", "word"), CASES)
def test_fish_completes(environ: dict[str, str], typed: str, word: str) -> None:
    script = f"_FLASK_INGESTION_COMPLETE=fish_source flask-ingestion | source; complete --do-complete '{typed}'"
    done = subprocess.run(
        [needed("fish"), "--no-config", "-c", script], env=environ, capture_output=True, text=True, timeout=PATIENCE
    )
    assert word in [line.split("\t")[0] for line in done.stdout.splitlines()], done
