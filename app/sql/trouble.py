"""What the errors of a database mean, and how often the log says so."""

from __future__ import annotations

import logging
import threading

logger = logging.getLogger("flask_ingestion")

REPEATED_AFTER = 10.0
"""Seconds after which the log repeats what is wrong. Every request fails meanwhile, each with the same words."""

_TABLES = "The store's tables are gone, or another release's: restore them, or restart to have them made or upgraded."

_SIGNS = {
    "disk is full": "The disk that holds the store is full.",
    "No space left": "The disk that holds the store is full.",
    "readonly": "The store cannot be written: its file is read-only.",
    "read-only": "The store cannot be written: it is read-only.",
    "is locked": "The store is busy: another transaction kept it locked for too long.",
    "lock timeout": "The store is busy: another transaction kept it locked for too long.",
    "deadlock": "The store is busy: another transaction kept it locked for too long.",
    "statement timeout": "The store is too slow to answer in time.",
    "answers nothing": "The store does not answer.",
    "Too many open files": "This process has no file to spare for the store.",
    "QueuePool limit": "All connections of this process to the store are in use.",
    "too many": "The store's database has no connection to spare.",
    "connection slots": "The store's database has no connection to spare.",
    "authentication failed": "The store's database refuses this service's user or password.",
    'database "': "The store's database does not exist.",
    "permission denied": "The store's database does not let this service's user do what it must.",
    "no schema": "The store's database has no schema for its tables.",
    "no such table": _TABLES,
    "no such column": _TABLES,
    'relation "': _TABLES,
    'column "': _TABLES,
    "constraint matching": _TABLES,
    "disk I/O error": "The disk that holds the store cannot be read or written.",
    "malformed": "The store's file is damaged.",
    "not a database": "The store's file is not a database.",
    "unable to open": "The store's file cannot be opened.",
}

_OURS = {"DataError", "IntegrityError", "ProgrammingError"}
"""Errors of statements that are wrong themselves."""

_NOT_OURS = {
    "UndefinedTable",
    "UndefinedColumn",
    "InvalidColumnReference",
    "InvalidSchemaName",
    "InsufficientPrivilege",
}
"""Those among them that the database is to blame for, which may end, as when a backup is restored under the service.

A reference is invalid where a unique constraint is not there yet.
"""


def explained(said: str) -> str:
    """Returns in a sentence what keeps the database from being used, by what its error says."""
    fault, *_ = said.split(" CONTEXT: ")  # what PostgreSQL was doing, which names tables that are well
    return next((words for sign, words in _SIGNS.items() if sign in fault), "The store cannot be reached.")


def is_ours(error: BaseException) -> bool:
    """Returns whether a statement is wrong itself, so that waiting would not help."""
    kinds = _kinds(error)
    return bool(kinds & _OURS) and not kinds & _NOT_OURS


def is_read_only(error: BaseException) -> bool:
    """Returns whether this PostgreSQL takes no changes, as a replica."""
    return "ReadOnlySqlTransaction" in _kinds(error)


def _kinds(error: BaseException) -> set[str]:
    """Returns the names of an error's classes, which say the same for every driver."""
    return {kind.__name__ for kind in type(error).__mro__}


class Complaints:
    """Logs what is wrong with a database: a warning, if it did not say the same a moment ago. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._warned: dict[str, float] = {}

    def log(self, detail: str, said: str, now: float) -> None:
        """Log `detail` and what the database `said`; `now` is on the monotonic clock."""
        with self._lock:
            is_new = now - self._warned.get(detail, -REPEATED_AFTER) >= REPEATED_AFTER
            if is_new:
                self._warned[detail] = now
        logger.log(logging.WARNING if is_new else logging.DEBUG, "%s %s", detail, said[:300])
