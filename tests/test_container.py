"""The Dockerfile and compose.yaml, as far as they can be tried without a container engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.config import Settings
from tests.support.checkout import ROOT, kept
from tests.support.command import Command

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())


def instructions(name: str) -> list[str]:
    """What follows each instruction of this name, in one line."""
    whole = DOCKERFILE.replace("\\\n", " ")
    return [" ".join(rest.split()) for rest in re.findall(rf"^{name} (.*)$", whole, re.MULTILINE)]


def image_environ() -> dict[str, str]:
    """The settings that the image comes with."""
    return dict(word.split("=", 1) for word in instructions("ENV")[0].split() if word.startswith("INGEST_"))


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_hadolint_finds_nothing() -> None:
    hadolint = shutil.which("hadolint", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if not hadolint:
        assert not os.environ.get("CI"), "CI needs hadolint"
        pytest.skip("hadolint is not installed")
    done = subprocess.run((hadolint, ROOT / "Dockerfile"), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_runs_without_root_and_keeps_its_queue_in_a_volume() -> None:
    (directory,) = instructions("VOLUME")
    assert instructions("USER") == ["10001"]
    assert image_environ()["INGEST_STORE"] == f"sqlite:///{directory}/queue.db"
    assert DOCKERFILE.index("useradd") < DOCKERFILE.index("\nUSER ") < DOCKERFILE.index("\nVOLUME ")


def test_it_is_open_to_nobody_by_default(tmp_path: Path) -> None:
    environ = image_environ() | {"INGEST_PORT": "0", "INGEST_STORE": f"sqlite:///{tmp_path}/queue.db"}
    (arguments,) = map(json.loads, instructions("CMD"))
    assert arguments[0] == "flask-ingestion"
    with Command("-m", "app", *arguments[1:], environ=environ) as command:
        assert command.end() == 2
    assert "INGEST_API_KEYS" in command.output


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("command", [("serve",), ("worker", "--listen")], ids=" ".join)
@pytest.mark.parametrize("host", [image_environ()["INGEST_HOST"], "127.0.0.1", "::"])
def test_it_is_healthy_while_it_is_ready_wherever_it_listens(
    host: str, command: tuple[str, ...], tmp_path: Path
) -> None:
    if host == "::" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    check = json.loads(instructions("HEALTHCHECK")[0].partition(" CMD ")[2])
    store = f"sqlite:///{tmp_path}/queue.db"
    environ = {"INGEST_HOST": host, "INGEST_PORT": "0", "INGEST_ALLOW_OPEN": "1", "INGEST_STORE": store}
    with Command("-m", "app", *command, environ=environ) as running:
        environ["INGEST_PORT"] = running.wait_for("serving on").rpartition(":")[2]
        with Command(*check[1:], environ=environ) as healthy:
            assert healthy.end() == 0, healthy.output
    with Command(*check[1:], environ=environ) as unhealthy:
        assert unhealthy.end() == 1


def test_what_the_image_is_built_from_holds_the_package_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    named = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert named == {"app", "LICENSE", "README.md", "pyproject.toml", "setup.cfg"}
    assert all(any(fnmatch(file, pattern) for file in kept() for pattern in (name, f"{name}/*")) for name in named)


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = COMPOSE["services"][name]
    return found


def test_the_service_waits_for_its_database_and_has_time_to_stop() -> None:
    assert service("ingestion")["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert "pg_isready" in service("database")["healthcheck"]["test"]
    assert seconds(service("ingestion")["stop_grace_period"]) > Settings().shutdown_grace + 10
    (volume,) = service("database")["volumes"]
    assert volume.partition(":")[0] in COMPOSE["volumes"]


def test_its_settings_are_settings_and_hold_no_secret() -> None:
    environ = service("ingestion")["environment"]
    store = Settings.read(image_environ() | environ).store
    assert store == "postgresql+psycopg://ingestion@database/ingestion"
    assert environ["PGPASSWORD"] == service("database")["environment"]["POSTGRES_PASSWORD"]
    assert environ["PGPASSWORD"].startswith("${POSTGRES_PASSWORD:?")


def test_bodies_and_answers_have_room_in_memory_that_has_an_end() -> None:
    path, _, size = service("ingestion")["tmpfs"].partition(":size=")
    assert path == "/tmp"
    assert int(size.removesuffix("m")) * 2**20 > 2 * 8 * Settings().max_body


def test_only_this_machine_reaches_it() -> None:
    port = image_environ()["INGEST_PORT"]
    assert service("ingestion")["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert instructions("EXPOSE") == [port]
    assert "ports" not in service("database")
