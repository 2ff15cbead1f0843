"""The documentation's examples, and a folder in which its commands run as in a clone."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

from .command import ROOT, Command


class Block(NamedTuple):
    """A fenced block: its file, its language and its lines."""

    file: str
    language: str
    text: str

    @property
    def first(self) -> str:
        return self.text.partition("\n")[0]


def blocks(*languages: str) -> list[Block]:
    """The blocks in these languages, or in any, of the README and then of each page of docs."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [
        Block(str(file.relative_to(ROOT)), language, text)
        for file in files
        for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", file.read_text(), re.MULTILINE | re.DOTALL)
        if language in languages or not languages
    ]


class Clone:
    """A folder with links to the checkout, and a virtual environment that is this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("app", "wsgi.py"):
            (folder / name).symlink_to(ROOT / name)
        scripts = folder / ".venv" / "bin"
        scripts.mkdir(parents=True)
        (scripts / "flask-ingestion").symlink_to(Path(sys.executable).parent / "flask-ingestion")
        self._script(scripts / "python", f'exec "{sys.executable}" -u "$@"')
        # What they install is installed already; tests/test_packaging.py installs the wheel.
        (folder / "bin").mkdir()
        for name in (scripts / "pip", folder / "bin" / "python3"):
            self._script(name, "exit 0")

    @staticmethod
    def _script(path: Path, line: str) -> None:
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def run(self, text: str, **environ: str) -> Command:
        """Runs commands in a shell that ends with the first that fails."""
        path = f"{self.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        program = ("bash", "-euo", "pipefail", "-c")
        return Command(text, environ={"PATH": path, **environ}, cwd=self.folder, program=program)
