"""The file of profiles: what it gives, what goes before it, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import Result

from app.cli.profiles import profile_file, read_profile
from tests.support.cli import run
from tests.support.clone import blocks
from tests.support.scripted import problem, scripted

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file of profiles is to be."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "flask-ingestion.toml"
    file.touch(mode=0o600)
    return file


def ask(*words: str, environ: Mapping[str, str] | None = None) -> Result:
    return run(*words, "--retries", "0", url="", environ={"INGEST_KEY": "", "INGEST_PROFILE": "", **(environ or {})})


@pytest.mark.parametrize(
    ("words", "environ", "key"),
    [
        ([], {"INGEST_PROFILE": "there"}, "of-there"),
        (["--profile", "there"], {}, "of-there"),
        (["--profile", "there"], {"INGEST_PROFILE": "absent"}, "of-there"),
        (["--profile", "there"], {"INGEST_KEY": "environment"}, "environment"),
        (["--profile", "there", "--key", "option"], {"INGEST_KEY": "environment"}, "option"),
        (["--profile", "astray"], {"INGEST_URL": "{url}", "INGEST_KEY": "environment"}, "environment"),
        (
            ["--profile", "astray", "--url", "{url}"],
            {"INGEST_URL": NOWHERE, "INGEST_KEY": "environment"},
            "environment",
        ),
        (["--profile", "keyed", "--url", "{url}"], {}, "of-keyed"),
    ],
)
def test_an_option_goes_before_the_environment_and_that_before_the_profile(
    file: Path, words: list[str], environ: dict[str, str], key: str
) -> None:
    with scripted(problem(403, "No.")) as server:
        file.write_text(
            f'[there]\nurl = "{server.url}"\nkey = "of-there"\n[keyed]\nkey = "of-keyed"\n'
            f'[astray]\nurl = "{NOWHERE}"\nkey = "of-astray"\n'
        )
        given = {name: value.format(url=server.url) for name, value in environ.items()}
        before, behind = [word.format(url=server.url) for word in words], ["queue"]
        assert ask(*before, *behind, environ=given).stderr == "Error: No.\n"
    (request,) = server.requests
    assert request.headers["authorization"] == f"Bearer {key}"


def test_the_example_of_the_documentation_is_one(file: Path) -> None:
    (block,) = blocks("toml")
    file.write_text(block.text)
    profile = read_profile("production")
    assert (profile.url, profile.key) == ("https://jobs.example.org", "<key>")


def test_behind_the_verb_it_counts_too(file: Path) -> None:
    file.write_text(f'[there]\nurl = "{NOWHERE}"\n')
    assert ask("queue", "--profile", "there").stderr == f"Error: {NOWHERE}: Connection refused.\n"
    assert ask("--profile", "absent", "queue", "--profile", "there").exit_code == 4


def test_the_key_of_a_profile_goes_to_no_other_address(file: Path) -> None:
    file.write_text(f'[there]\nurl = "{NOWHERE}/"\nkey = "secret"\n')
    with scripted(problem(401, "No.")) as server:
        result = ask("--profile", "there", "queue", "--url", server.url)
    assert f"The key of profile 'there' is for {NOWHERE}/, and is not sent to {server.url}." in result.stderr
    (request,) = server.requests
    assert "authorization" not in request.headers
    assert "secret" not in result.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "There is no profile 'there' in {file}; it has none."),
        ("[one]\n[two]\n", "There is no profile 'there' in {file}; it has 'one', 'two'."),
        ("there = 1\n", "{file}: there must be a table, [there], with url and key."),
        ("[there]\nulr = 1\n", "{file}: there.ulr means nothing; a profile has url and key."),
        ("[there]\nurl = 1\n", "{file}: there.url must be text, and not empty."),
        ("[there]\nkey = ''\n", "{file}: there.key must be text, and not empty."),
        ("[there]\nurl = 'ftp://x'\n", "{file}: there.url is wrong: The URL of a service looks like http"),
        ("[there]\nkey = 's3crét'\n", "{file}: there.key is wrong: The key holds a character"),
        ("[there]\nurl\n", "{file} is not TOML: Expected '=' after a key in a key/value pair (at line 2, column 4)."),
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_the_key(file: Path, text: str, message: str) -> None:
    file.write_text(text, encoding="utf-8")
    result = ask("queue", "--profile", "there")
    assert result.exit_code == 2
    assert message.format(file=file) in result.stderr
    assert "s3cr" not in result.stderr


def test_a_file_that_is_absent_or_no_text_is_named(file: Path) -> None:
    file.write_bytes(b"\xff")
    assert f"{file} is not UTF-8 text." in ask("queue", "--profile", "there").stderr
    file.unlink()
    assert f"There is no {file}; make it" in ask("queue", "--profile", "there").stderr
    file.mkdir()
    assert f"{file} cannot be read: Is a directory." in ask("queue", "--profile", "there").stderr


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, True), (0o604, True)])
def test_a_key_that_others_can_read_is_warned_of(file: Path, mode: int, warned: bool) -> None:
    file.write_text(f'[there]\nurl = "{NOWHERE}"\n[other]\nkey = "secret"\n')
    file.chmod(mode)
    said = ask("queue", "--profile", "there").stderr
    assert (f"Warning: {file} holds a key, and others on this machine can read it: chmod 600 {file}" in said) == warned
    file.write_text(f'[there]\nurl = "{NOWHERE}"\n')
    assert "Warning" not in ask("queue", "--profile", "there").stderr


def test_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    for folder, found in {
        "": "/home/somebody/.config",
        "there": "/home/somebody/.config",
        "/etc/xdg": "/etc/xdg",
    }.items():
        monkeypatch.setenv("XDG_CONFIG_HOME", folder)
        assert profile_file() == Path(found, "flask-ingestion.toml")
