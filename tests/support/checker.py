"""What a type checker says of a program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def errors_in(folder: Path, program: str) -> dict[int, str]:
    """The first error in each line of a program, by mypy as the project sets it."""
    (folder / "program.py").write_text(program)
    words = [sys.executable, "-m", "mypy", folder / "program.py"]
    environ = {**os.environ, "MYPYPATH": str(ROOT)}
    # The root's settings count, and its cache spares it most of the time.
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, cwd=ROOT, env=environ, check=False)
    assert "program.py" in done.stdout or done.returncode == 0, done.stdout + done.stderr
    found: dict[int, str] = {}
    for line in done.stdout.splitlines():
        place, is_error, sentence = line.partition(": error: ")
        if is_error and "program.py:" in place:
            found.setdefault(int(place.rpartition(":")[2]), sentence)
    return found
