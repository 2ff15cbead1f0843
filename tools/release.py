"""Checks a release and builds what is uploaded: `python tools/release.py 0.2.0`, once v0.2.0 is tagged.

Everything is read from the tag, so what else lies in the checkout makes no difference. Whatever is wrong is said on
stderr; otherwise `dist/` holds the wheel and the source distribution. Needs the extra `release`.
"""

from __future__ import annotations

import configparser
import datetime
import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
"""What the changes of a release are filed under, in this order."""


class Refused(Exception):
    """What is wrong with the release, for people."""


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0 if `dist/` holds the release, 1 if something is wrong with it, 2 for wrong usage."""
    if len(arguments) != 1 or not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", arguments[0]):
        print("usage: python tools/release.py VERSION, such as 0.2.0 or 0.2.0rc1", file=sys.stderr)
        return 2
    os.umask(0o022)  # it is in the modes that a wheel keeps
    try:
        with tempfile.TemporaryDirectory() as folder:
            release(arguments[0], Path(folder))
    except Refused as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


def release(version: str, folder: Path) -> None:
    """Fill `dist/` with the release. Raises Refused if anything is wrong with it, and then leaves `dist/` alone."""
    tag = f"v{version}"
    if run("git", "cat-file", "-t", tag, wrong=f"there is no tag {tag}").strip() != "tag":
        raise Refused(f"the tag {tag} has no date or author of its own; make it with git tag -a")
    trees = [unpack(tag, folder / name) for name in ("first", "second")]
    faults = [*version_faults((trees[0] / "setup.cfg").read_text(), version)]
    faults += changelog_faults((trees[0] / "CHANGELOG.md").read_text(), version)
    if faults:
        raise Refused("\n".join(faults))
    epoch = int(run("git", "log", "-1", "--format=%ct", tag))
    first, second = (build(tree, epoch) for tree in trees)
    for one, other in zip(first, second, strict=True):
        if one.read_bytes() != other.read_bytes():
            raise Refused(f"{one.name} is not the same when it is built a second time")
    run(sys.executable, "-m", "twine", "check", "--strict", *first, wrong="what was built cannot be uploaded")
    (ROOT / "dist").mkdir(exist_ok=True)
    for file in first:
        (ROOT / "dist" / file.name).write_bytes(file.read_bytes())
        print(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  dist/{file.name}")


def version_faults(setup: str, version: str) -> Iterator[str]:
    """What is wrong with the version in the text of setup.cfg."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(setup)
    if (found := parser["metadata"]["version"]) != version:
        yield f"setup.cfg says version {found}, not {version}"


def changelog_faults(text: str, version: str) -> Iterator[str]:
    """What is wrong with the text of CHANGELOG.md (https://keepachangelog.com/en/1.1.0/) for a release of `version`."""
    yield from form_faults(text)
    sections = dict(re.findall(r"^## (\S+)[^\n]*$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    if "- " in sections.get("Unreleased", ""):
        yield f"CHANGELOG.md has changes under Unreleased; move them to {version}"
    if "- " not in sections.get(version, ""):
        yield f"CHANGELOG.md has no changes under {version}"


def form_faults(text: str) -> Iterator[str]:
    """What is wrong with the form of CHANGELOG.md, whichever release comes next."""
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        if title != "Unreleased" and not is_dated(title):
            yield f"CHANGELOG.md has a section {title!r}; it should be Unreleased, or like 0.2.0 - 2026-12-31"
        kinds = re.findall(r"^### (.*)$", body, re.MULTILINE)
        if kinds != [kind for kind in KINDS if kind in kinds]:
            yield f"CHANGELOG.md files {title} under {', '.join(kinds)}; there are {', '.join(KINDS)}, in this order"
        if re.search(r"^- ", body.partition("### ")[0], re.MULTILINE):
            yield f"CHANGELOG.md has a change of {title} that is filed under none of {', '.join(KINDS)}"


def is_dated(title: str) -> bool:
    """Whether this is a version and a day."""
    if not (parts := re.fullmatch(r"\d+\.\d+\.\d+\w* - (\d{4}-\d{2}-\d{2})", title)):
        return False
    try:
        datetime.date.fromisoformat(parts[1])
    except ValueError:
        return False
    return True


def unpack(tag: str, folder: Path) -> Path:
    """Returns a new folder with the files of a tag."""
    archive = subprocess.run(("git", "archive", tag), cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def build(tree: Path, epoch: int) -> list[Path]:
    """Returns the source distribution of a tree, and the wheel built from it; `epoch` is the time of every file."""
    environ = os.environ | {"SOURCE_DATE_EPOCH": str(epoch)}
    out = tree.with_name(f"{tree.name}-dist")
    python_build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", out)
    run(*python_build, "--sdist", tree, wrong="the source distribution cannot be built", environ=environ)
    (sdist,) = out.glob("*.tar.gz")
    settle(sdist, epoch)
    with tarfile.open(sdist) as files:
        files.extractall(out, filter="data")
    inside = out / sdist.name.removesuffix(".tar.gz")
    run(*python_build, "--wheel", inside, wrong="the wheel cannot be built", environ=environ)
    return [sdist, *out.glob("*.whl")]


def settle(sdist: Path, epoch: int) -> None:
    """Rewrite a source distribution without what setuptools takes from the moment and the machine."""
    content = io.BytesIO()
    with tarfile.open(sdist) as before, tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as after:
        for member in sorted(before, key=lambda member: member.name):
            settled = tarfile.TarInfo(member.name)
            settled.type, settled.size, settled.mtime = member.type, member.size, epoch
            settled.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            after.addfile(settled, before.extractfile(member) if member.isfile() else None)
    sdist.write_bytes(gzip.compress(content.getvalue(), mtime=epoch))


def run(*command: str | Path, wrong: str = "git failed", environ: dict[str, str] | None = None) -> str:
    """Returns what a command says in the checkout. Raises Refused, with its last words, if it fails."""
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"{wrong}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
