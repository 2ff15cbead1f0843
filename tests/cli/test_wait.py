"""`wait` and `submit --wait`: how it ends, and what is shown until then."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.commands import ingestion
from tests.support.cli import Service, lines
from tests.support.documents import status
from tests.support.scripted import answer, reset, scripted


def test_submit_and_wait(service: Service) -> None:
    result = service("submit", "1", "2", "3", "4", "--wait")
    assert result.exit_code == 0
    ingestion_id = result.stdout.strip()
    assert result.stderr == f"2 batches of {ingestion_id}\ncompleted: 2 completed\n"


def test_submit_and_wait_for_machines(service: Service) -> None:
    result = service("submit", "1", "2", "3", "13", "--wait", "--json")
    assert result.exit_code == 1
    (document,) = lines(result)
    assert (document["status"], document["counts"]["failed"]) == ("failed", 1)
    assert "failed: 1 completed, 1 failed" in result.stderr


def test_a_wait_that_ends_badly_says_why(service: Service) -> None:
    ingestion_id = service.submitted("1", "2", "3", "13")
    result = service("wait", ingestion_id)
    assert result.exit_code == 1
    assert re.search(r"\nfailed: 1 completed, 1 failed\n  [-0-9a-f]{36}  \w+: .+\n$", result.stderr)


def test_where_that_cannot_be_asked_the_end_is_told_all_the_same(service: Service) -> None:
    counts = {"yet_to_start": 0, "triggered": 0, "completed": 0, "failed": 1, "cancelled": 0}
    with scripted(answer(200, status("failed", batch_count=1, counts=counts)), reset) as server:
        result = service("wait", "abc", "--url", server.url, "--patience=0")
    assert (result.exit_code, result.stderr) == (1, "1 batch of abc\nfailed: 1 failed\n")


def test_waiting_for_what_was_cancelled_is_1(service: Service) -> None:
    service("pause")
    ingestion_id = service("submit", "1").stdout.strip()
    assert service("cancel", ingestion_id).exit_code == 0
    result = service("wait", ingestion_id)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cancelled: 1 cancelled" in result.stderr


def test_waiting_in_vain_is_3(service: Service) -> None:
    service("pause")
    for words in (["submit", "1", "--wait"], ["wait", service("submit", "1").stdout.strip()]):
        result = service(*words, "--timeout", "30", "--json")
        assert result.exit_code == 3
        assert "yet_to_start after 30 s, and continues" in result.stderr
        assert lines(result)[0]["status"] == "yet_to_start"


def test_the_progress_off_a_terminal_is_one_line(service: Service) -> None:
    counts = {"yet_to_start": 0, "triggered": 0, "completed": 0, "failed": 0, "cancelled": 0}
    steps = [
        status(word, batch_count=4, counts={**counts, "completed": done})
        for word, done in [("triggered", 0), ("triggered", 2), ("triggered", 3), ("completed", 4)]
    ]
    with scripted(*(answer(200, step) for step in steps)) as server:
        result = service("wait", "abc", "--url", server.url)
    assert result.stderr == "4 batches of abc\ncompleted: 4 completed\n"
    assert result.stdout == ""


@pytest.mark.parametrize(("option", "again"), [("--patience=0", 0), ("--patience=0.3", 1), ("--retries=2", 2)])
def test_it_is_as_patient_as_told(service: Service, option: str, again: int) -> None:
    running = answer(200, status("triggered", batch_count=1), Retry_After="0")
    with scripted(running, *[reset] * 3) as server:
        result = service("wait", "abc", "--url", server.url, option)
    assert result.exit_code == 4
    # The first pause is 0.25 seconds at most, the first two are more than 0.3.
    assert result.stderr.count("Trying again in") == again
    assert len(server.requests) == 2 + again


@pytest.mark.parametrize(
    ("verb", "patience"), [("wait", 60), ("submit", 60), ("results", 60), ("queue", 10), ("top", 5)]
)
def test_a_restart_is_outlasted_unless_somebody_looks_on(verb: str, patience: float) -> None:
    context = ingestion.commands[verb].make_context(verb, [], resilient_parsing=True)
    assert (context.params["patience"], context.params["retries"]) == (patience, None)


@pytest.mark.parametrize(
    ("columns", "option", "end"), [(80, "--utc", "2030-01-01T00:00:00.000Z"), (150, "--retries=5", r"in \d+ d \d+ h")]
)
def test_the_progress_on_a_terminal_says_when_and_fits_it(tmp_path: Path, columns: int, option: str, end: str) -> None:
    counts = {"yet_to_start": 0, "triggered": 2, "completed": 2, "failed": 0, "cancelled": 0}
    running = status("triggered", batch_count=4, counts=counts, estimated_completion="2030-01-01T00:00:00.000Z")
    ended = {**running, "status": "completed", "counts": {**counts, "triggered": 0, "completed": 4}}
    del ended["estimated_completion"]
    ours, theirs = pty.openpty()
    with (
        scripted(answer(200, running, Retry_After="0"), answer(200, ended)) as server,
        os.fdopen(ours, "rb", 0) as screen,
        open(tmp_path / "out", "w+") as out,
    ):
        words = [sys.executable, "-m", "app", "wait", "abc", option, "--url", server.url]
        done = subprocess.run(
            words, stdout=out, stderr=theirs, env={**os.environ, "COLUMNS": str(columns)}, check=False
        )
        os.close(theirs)
        shown = screen.read(100_000).decode()
        out.seek(0)
        assert out.read() == ""
    assert done.returncode == 0
    assert "abc  [##" in shown
    assert re.search(f"50%  should end {end}", shown)
    assert "100%  completed" in shown
    drawn = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert max(len(line.rstrip()) for line in re.split(r"[\r\n]", drawn)) < columns
