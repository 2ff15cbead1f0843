"""A fork in the middle of a transaction."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
from app import create_app
app = create_app({"INGEST_STORE": sys.argv[1], "INGEST_INTERVAL": 0, "INGEST_STORE_TIMEOUT": 30})
# As a server does that makes the app first: the parent's worker is just opening the store.
service = app.extensions["ingest"]
children = []
for _ in range(12):
    child = os.fork()
    if not child:
        service.submit([1], "HIGH")
        os._exit(0)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
service.submit([1], "HIGH")
os._exit(1 if any(codes) else 0)
"""


@pytest.mark.realtime
def test_every_forked_child_can_write_however_busy_its_parent_was(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/queue.db"
    done = subprocess.run([sys.executable, "-c", SCRIPT, store], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-3000:]
