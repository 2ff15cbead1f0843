"""The project's files, as git keeps them or as an unpacked source distribution lists them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
LISTED = ROOT / "Flask_Ingestion.egg-info" / "SOURCES.txt"


def kept() -> list[str]:
    """Every file of the repository by its path, in order; none that a build adds."""
    if (ROOT / ".git").exists():
        command = ("git", "ls-files", "-z")
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        return sorted(filter(None, said.split("\0")))
    return sorted(file for file in LISTED.read_text().splitlines() if not file.startswith(LISTED.parent.name))


def copy(folder: Path) -> Path:
    """Returns a folder with a copy of them all, so that what is done there leaves the real ones alone."""
    for file in kept():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    return folder
