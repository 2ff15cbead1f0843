"""The file of a SQLite database: its owner's alone, and the same one from start to end."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from ..errors import StoreUnavailable

logger = logging.getLogger("flask_ingestion")

_REPLACED = "The store's file was replaced or removed under the running service; stop every process on it, then start."


class StoreFile:
    """Where the database is. Not thread-safe, and need not be: every thread sees the same file."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._opened: tuple[int, int] | None = None

    def create(self) -> None:
        """Create the file for its owner alone, as its log will be; warn where others may use an existing one."""
        try:
            os.close(os.open(self._path.resolve(), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            if os.name == "posix" and (mode := stat.S_IMODE(self._path.stat().st_mode)) & 0o077:
                logger.warning(
                    "%s holds results and is open to other users (mode %03o): chmod 600 it", self._path, mode
                )
        except OSError as error:
            logger.debug("%s cannot be created yet: %s", self._path, error)

    def check(self) -> None:
        """Raises StoreUnavailable once the path leads to another file than at first: writes to the old one are lost."""
        try:
            found = self._path.stat()
        except OSError:
            now = None
        else:
            now = found.st_dev, found.st_ino
        if self._opened is None:
            self._opened = now
        elif now != self._opened:
            raise StoreUnavailable(_REPLACED)
