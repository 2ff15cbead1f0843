"""What cannot be undone is asked for on a terminal, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from tests.support.cli import Service, run
from tests.support.command import ROOT


def answered(service: Service, answer: str, *words: str) -> tuple[int, str]:
    """Exit code and stderr of a command on a terminal at which somebody writes a line."""
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    command = [sys.executable, "-m", "app", *words, "--url", service.url]
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, cwd=ROOT, check=False)
    os.close(ours)
    os.close(theirs)
    return done.returncode, done.stderr


@pytest.fixture
def waiting(service: Service) -> str:
    """The id of an ingestion of two batches that waits."""
    service("pause")
    return service.host.submit([1, 2, 3, 4]).id


def status(service: Service, ingestion_id: str) -> str:
    return str(service.host.store.get(ingestion_id).status)


def test_a_cancel_says_what_of_and_that_it_is_for_good(service: Service, waiting: str) -> None:
    code, said = answered(service, "n", "cancel", waiting[:8])
    assert said.startswith(f"Cancel {waiting}: 2 yet_to_start? It cannot be undone. [y/N]: ")
    assert (code, status(service, waiting)) == (1, "yet_to_start")
    code, _ = answered(service, "y", "cancel", waiting[:8])
    assert (code, status(service, waiting)) == (0, "cancelled")


def test_so_does_a_cancel_of_all_that_match(service: Service, waiting: str) -> None:
    code, said = answered(service, "n", "cancel", "--status", "yet_to_start")
    assert said.startswith("Cancel 1 ingestion, 2 batches? It cannot be undone. [y/N]: ")
    assert (code, status(service, waiting)) == (1, "yet_to_start")


def test_a_redrive_does_not_say_that(service: Service) -> None:
    service.submitted("13")
    assert answered(service, "n", "redrive", "--status", "failed")[1].startswith(
        "Redrive 1 ingestion, 1 batch? [y/N]: "
    )


def test_with_yes_nobody_is_asked(service: Service, waiting: str) -> None:
    assert answered(service, "n", "cancel", waiting, "--yes") == (0, "")
    assert status(service, waiting) == "cancelled"


def test_where_there_is_no_terminal_nobody_is_asked(service: Service, waiting: str) -> None:
    assert service("cancel", waiting).stderr == ""
    assert status(service, waiting) == "cancelled"


def test_the_help_says_so(service: Service) -> None:
    assert "It cannot be undone" in run("cancel", "--help", url=service.url).stdout
