"""The documentation's examples, and a folder in which its commands run as in a clone."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
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


FENCE = re.compile(r"^```(\{?[\w-]*\}?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

WHOLE = [ROOT / "docs" / "tutorial.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]
"""The pages whose examples are one session, from the first to the last."""

CITIES = ROOT / "examples" / "cities" / "README.md"
"""Another session, in three terminals."""

_FOLDERS = [ROOT / name for name in ("benchmarks", "docs", "examples")]
_OTHERS = {*ROOT.glob("*.md"), *(file for folder in _FOLDERS for file in folder.rglob("*.md"))}

PAGES = [ROOT / "README.md", *sorted(_OTHERS - {ROOT / "README.md", CITIES, *WHOLE})]
"""The others, whose examples each stand alone."""


def blocks(*languages: str, files: Iterable[Path] = PAGES) -> list[Block]:
    """The blocks in these languages, or in any, of the README and then of each other page."""
    return [
        Block(str(file.relative_to(ROOT)), language, text)
        for file in files
        for language, text in FENCE.findall(file.read_text())
        if language in languages or not languages
    ]


class Session(NamedTuple):
    """A page's commands in one script, which prints MARK after each block, and what each block shows (or None).

    A Python block is saved as the file that the text before it names last, and a text block is what the commands before
    it show; `…` stands for anything.
    """

    script: str
    shown: list[str | None]

    @classmethod
    def of(cls, page: str) -> Session:
        script: list[str] = []
        shown: list[str | None] = []
        for found in FENCE.finditer(page):
            language, text = found.groups()
            if language == "sh":
                script.append(f"{text}echo; echo '{MARK}'\n")
                shown.append(None)
            elif language == "python":
                name = re.findall(r"`(\w+\.py)`", page[: found.start()])[-1]
                script.append(f"cat > {name} <<'{MARK}'\n{text}{MARK}\n")
            elif language == "text":
                shown[-1] = text.strip()
        return cls("".join(script), shown)


MARK = "-- next --"


class Clone:
    """A folder with links to the checkout, and a virtual environment that is this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("app", "wsgi.py"):
            (folder / name).symlink_to(ROOT / name)
        scripts = folder / ".venv" / "bin"
        scripts.mkdir(parents=True)
        for name in ("flask", "flask-ingestion"):
            (scripts / name).symlink_to(Path(sys.executable).parent / name)
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
