"""What `tools/release.py` lets through, tried on a copy of the project with a history of its own."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.checkout import copy
from tools.release import form_faults

CHANGES = "# Changelog\n\n## Unreleased\n\n## 7.0.0 - 2026-12-24\n\n### Added\n\n- Much.\n"


class Repository:
    """A copy of the project, in which 7.0.0 is about to be released."""

    def __init__(self, folder: Path) -> None:
        self.folder = copy(folder)
        self.write("CHANGELOG.md", CHANGES)
        setup = (folder / "setup.cfg").read_text()
        self.write("setup.cfg", re.sub("^version = .*$", "version = 7.0.0", setup, flags=re.MULTILINE))
        self.git("init", "--quiet")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(("git", *who, *arguments), cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout

    def tag(self, *how: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Release 7.0.0")
        self.git("tag", *(how or ("-a", "-m", "7.0.0")), "v7.0.0")

    def release(self, *arguments: str, umask: int = 0o002) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "tools/release.py", *(arguments or ("7.0.0",)))
        return subprocess.run(command, cwd=self.folder, umask=umask, capture_output=True, text=True, timeout=100)

    def refusal(self) -> str:
        """What it says where it refuses to release."""
        done = self.release()
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert not (self.folder / "dist").exists()
        return done.stderr.removeprefix("release: ")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_what_it_builds_is_the_tags_and_the_same_every_time(repository: Repository) -> None:
    repository.tag()
    repository.write("README.md", "what is not committed is not released")
    first = repository.release()
    assert first.returncode == 0, first.stderr
    files = {file.name: file for file in (repository.folder / "dist").iterdir()}
    assert sorted(files) == ["flask_ingestion-7.0.0-py3-none-any.whl", "flask_ingestion-7.0.0.tar.gz"]
    sums = dict(reversed(line.split("  dist/")) for line in first.stdout.splitlines())
    assert sums == {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
    with tarfile.open(files["flask_ingestion-7.0.0.tar.gz"]) as sdist:
        moment = int(repository.git("log", "-1", "--format=%ct"))
        assert {(member.mtime, member.uid, member.uname) for member in sdist} == {(moment, 0, "")}
        readme = sdist.extractfile("flask_ingestion-7.0.0/README.md")
        assert readme
        assert readme.read().decode() == repository.git("show", "HEAD:README.md")
    assert repository.release(umask=0o077).stdout == first.stdout


def test_without_a_tag_there_is_nothing_to_release(repository: Repository) -> None:
    assert repository.refusal().startswith("there is no tag v7.0.0:\n")


def test_a_tag_says_who_made_it_and_when(repository: Repository) -> None:
    repository.tag("--no-sign")
    assert repository.refusal() == "the tag v7.0.0 has no date or author of its own; make it with git tag -a\n"


def test_the_version_and_the_changes_are_those_of_the_tag(repository: Repository) -> None:
    repository.write("setup.cfg", (repository.folder / "setup.cfg").read_text().replace("7.0.0", "6.9.9"))
    repository.write("CHANGELOG.md", CHANGES.replace("7.0.0", "6.9.9").replace("Unreleased\n", "Unreleased\n\n- More."))
    repository.tag()
    assert repository.refusal().splitlines() == [
        "setup.cfg says version 6.9.9, not 7.0.0",
        "CHANGELOG.md has a change of Unreleased that is filed under none of "
        "Added, Changed, Deprecated, Removed, Fixed, Security",
        "CHANGELOG.md has changes under Unreleased; move them to 7.0.0",
        "CHANGELOG.md has no changes under 7.0.0",
    ]


@pytest.mark.parametrize("arguments", [("v7.0.0",), ("7.0",), ("7.0.0", "--force")])
def test_what_is_no_version_is_wrong_usage(repository: Repository, arguments: tuple[str, ...]) -> None:
    done = repository.release(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")


def spoilt(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (spoilt(" - 2026-12-24", ""), "has a section '7.0.0'; it should be Unreleased, or like 0.2.0 - 2026-12-31"),
        (spoilt("12-24", "02-30"), "has a section '7.0.0 - 2026-02-30'; it should be Unreleased, or like"),
        (spoilt("### Added", "### News"), "files 7.0.0 - 2026-12-24 under News; there are Added, Changed"),
        (spoilt("### Added", "### Fixed\n\n- It.\n\n### Added"), "files 7.0.0 - 2026-12-24 under Fixed, Added; there"),
        (spoilt("### Added", "- Little.\n\n### Added"), "has a change of 7.0.0 - 2026-12-24 that is filed under none"),
    ],
)
def test_the_form_of_the_changelog_is_kept(spoil: Callable[[str], str], fault: str) -> None:
    assert list(form_faults(CHANGES)) == []
    (found,) = form_faults(spoil(CHANGES))
    assert fault in found
