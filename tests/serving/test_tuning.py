"""The settings of a process that is the service's own, and that others are left alone."""

from __future__ import annotations

import gc
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.serving.tuning import return_large_blocks
from tests.support.standalone import Service

MEBIBYTE = 1024
ROOT = Path(__file__).parents[2]


def resident(pid: int) -> int:
    """The memory of a process, in KiB."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_it_can_be_had_where_the_library_is_glibc() -> None:
    assert return_large_blocks()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_of_large_submits_only_the_ids_stay() -> None:
    many = 500_000
    with Service(INGEST_MAX_IDS=str(many), INGEST_MAX_PENDING="0", INGEST_INTERVAL="1000") as service:
        service.submit([1])
        before = resident(service.process.pid)
        for _ in range(6):
            service.submit(list(range(10**7, 10**7 + many)), "LOW")
        ids = 6 * many * 8 // 1024
        assert resident(service.process.pid) - before < ids + 15 * MEBIBYTE


@pytest.mark.parametrize(
    ("made", "own"), [("import wsgi", True), ("import app.wsgi", True), ("import app; app.create_app()", False)]
)
def test_only_a_process_of_its_own_takes_turns_more_often_and_collects_less_often(made: str, own: bool) -> None:
    # Python 3.12 itself freezes what is immortal, which is little.
    frozen = "gc.get_freeze_count() > len(gc.get_objects())"
    look = f"print(f'{{sys.getswitchinterval():g}}', *gc.get_threshold()[:1], {frozen})"
    program = f"import gc, sys; {made}; {look}"
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    mine = f"{sys.getswitchinterval():g} {gc.get_threshold()[0]} False"
    assert told.stdout.strip() == ("0.0005 2000 True" if own else mine)
