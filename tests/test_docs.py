"""Documentation that cannot go stale."""

from __future__ import annotations

import ast
import configparser
import dataclasses
import re
import time
from pathlib import Path
from typing import Any

import pytest

from app.callbacks import Callback
from app.callbacks.message import headers_of
from app.config import Settings
from app.receivers import parse_secrets
from tests.support.sink import SECRET
from tools.reference import PAGES
from tools.release import form_faults

ROOT = Path(__file__).parents[1]


def test_the_receiver_in_the_documentation_takes_what_is_signed_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "callbacks.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    receiver: dict[str, Any] = {"__name__": "receiver"}
    exec(program, receiver)
    client = receiver["app"].test_client()
    body = '{"type":"ingestion.completed","data":{"ingestion_id":"abc"}}'
    callback = Callback("msg_1", "abc", None, body, 0.0, 0.0, 0.0)

    def answer(age: float, secret: str, body: str) -> int:
        headers = headers_of(callback, parse_secrets(secret), time.time() - age)
        return int(client.post("/ingestion", data=body, headers=headers).status_code)

    other = f"whsec_{'B' * 32}"
    assert answer(0, f"{other},{SECRET}", body) == 204
    assert answer(0, SECRET, body) == 204
    assert (answer(0, other, body), answer(0, SECRET, f"{body} "), answer(301, SECRET, body)) == (401, 401, 401)
    assert capsys.readouterr().out == "ingestion.completed abc\n"


def test_behind_every_proxy_of_the_documentation_results_that_break_off_are_seen_to() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    proxied = [text for page in pages for text in re.findall(r"^```nginx\n(.*?)^```$", page.read_text(), re.M | re.S)]
    assert proxied
    # Under HTTP/1.0 the end of a connection is the end of an answer, whatever was to follow.
    assert all(text.count("proxy_pass ") == text.count("proxy_http_version 1.1;") for text in proxied)


def test_no_file_holds_two_versions_of_its_text() -> None:
    folders = ("app", "benchmarks", "docs", "examples", "tests", "tools")
    files = [*ROOT.glob("*.*"), *(one for folder in folders for one in (ROOT / folder).rglob("*.*"))]
    texts = [one for one in files if one.suffix in {".cfg", ".css", ".html", ".js", ".md", ".py", ".toml", ".yaml"}]
    assert [str(one) for one in texts if re.search(r"^(<{7}|>{7}) ", one.read_text(), re.MULTILINE)] == []


@pytest.mark.parametrize("name", PAGES)
def test_what_is_written_from_the_code_is_as_written(name: str) -> None:
    assert (ROOT / name).read_text() == PAGES[name](), f"run: python -m tools.reference, which writes {name}"


def test_every_setting_is_in_the_reference_with_its_default_and_meaning() -> None:
    text = (ROOT / "docs" / "reference" / "settings.md").read_text()
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`(.*?)`)? \| (.*) \| .+ \|$", text, re.MULTILINE)
    known = [
        (one.name.upper(), "" if one.default in ("", ()) else str(one.default), one.metadata["about"])
        for one in dataclasses.fields(Settings)
    ]
    assert rows == known


def test_every_extra_that_a_user_may_install_is_in_the_documentation() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg")
    whole = re.findall(r"%\((\w+)\)s", parser["options.extras_require"]["all"])
    listed = re.findall(r"^\| `(\w+)` \|.*\|$", (ROOT / "docs" / "embedding.md").read_text(), re.MULTILINE)
    assert set(listed) - {"sql"} == {*whole, "all"}


def test_the_readme_is_short_and_has_the_six_settings_that_matter() -> None:
    readme = (ROOT / "README.md").read_text()
    reference = (ROOT / "docs" / "reference" / "settings.md").read_text()
    rows = re.findall(r"^\| `[A-Z_]+` \|.*\|$", readme, re.MULTILINE)
    assert len(rows) == 6
    assert [row for row in rows if f"\n{row}" not in reference] == []
    assert len(readme.splitlines()) <= 120


def test_every_link_between_files_has_a_target() -> None:
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")):
        links = re.findall(r"\]\((?!\w+:)([^)#\s]+)", page.read_text())
        assert [link for link in links if not (page.parent / link).exists()] == [], page


def test_every_page_is_on_the_site() -> None:
    contents = (ROOT / "docs" / "index.md").read_text()
    pages = [page.relative_to(ROOT / "docs").with_suffix("") for page in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page.name != "index" and f"\n{page.as_posix()}\n" not in contents] == []


def test_the_comparison_names_a_source_for_each_claim() -> None:
    text = (ROOT / "docs" / "comparison.md").read_text()
    tables = re.findall(r"^\|.*\| source \|\n\|[- |]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert len(tables) == 5
    for row in "".join(tables).splitlines():
        *_, source, _ = row.split("|")
        own = "cron job" in row or "A thread" in row
        assert own or re.fullmatch(r" \[[^]]+\]\(https://\S+\)(, \[[^]]+\]\(https://\S+\))* ", source), row


def test_every_test_that_security_is_shown_by_is_there() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    sections = text.split("\n## ")[1:]
    assert [section[:5] for section in sections[:10]] == [f"API{number}:"[:5] for number in range(1, 11)]
    for section in sections[:10]:
        shown = re.findall(r"^- `(\S+\.py)::(test_\w+)`$", section, re.MULTILINE)
        assert shown, section.splitlines()[0]
        for path, name in shown:
            tree = ast.parse((ROOT / "tests" / path).read_text())
            assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (
                f"{path}::{name}"
            )


def test_where_to_change_what_names_files_that_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    (table,) = re.findall(r"## Where do I change \.\.\.\?\n\n((?:\|.*\n)+)", text)
    rows = table.splitlines()[2:]
    assert len(rows) >= 12
    for row in rows:
        paths = re.findall(r"`([^`]+)`", row)
        assert paths, row
        assert [path for path in paths if not (ROOT / path).is_file()] == [], row


def test_every_setting_that_is_mentioned_is_there() -> None:
    known = {Settings.key_of("ingest", field.name) for field in dataclasses.fields(Settings)}
    for file in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").glob("*.*")):
        mentioned = set(re.findall(r"\bINGEST_[A-Z_]+[A-Z]\b", file.read_text()))
        assert mentioned <= known | {"INGEST_URL", "INGEST_KEY", "INGEST_PROFILE"}, file


def test_the_changelog_has_the_form_that_a_release_needs() -> None:
    assert list(form_faults((ROOT / "CHANGELOG.md").read_text())) == []
