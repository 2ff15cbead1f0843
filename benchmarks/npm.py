"""Packages for Node.js, pinned, in a temporary folder."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

from .series import Unavailable

MOST_SECONDS = 60.0


@contextlib.contextmanager
def installed(*packages: str) -> Iterator[str]:
    """The value of NODE_PATH by which packages such as bullmq@6.7.0 are found; none of their scripts runs.

    Raises Unavailable if Node.js or npm is not there, or cannot install them.
    """
    if missing := [name for name in ("node", "npm") if shutil.which(name) is None]:
        raise Unavailable(f"no {missing[0]}")
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--ignore-scripts", *packages]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=MOST_SECONDS)
        except subprocess.CalledProcessError as error:
            raise Unavailable(f"npm cannot install {packages[0]}: {error.stderr.strip().splitlines()[:1]}") from error
        except subprocess.TimeoutExpired:
            raise Unavailable(f"npm did not install {packages[0]} in {MOST_SECONDS:g} s") from None
        yield f"{folder}/node_modules"
