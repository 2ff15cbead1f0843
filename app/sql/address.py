"""The address of a database."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..errors import ConfigError

_ALIKE = {"sqlite": "sqlite", "sqlite+pysqlite": "sqlite"} | dict.fromkeys(
    ("postgresql", "postgres", "postgresql+psycopg"), "postgresql+psycopg"
)


def parse_url(text: str, key: str) -> URL:
    """Returns the database's URL with the driver filled in. Raises ConfigError, naming `key`, for another kind."""
    if text == "memory://":
        raise ConfigError(f"{key} is memory://, which has no tables.")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigError(f"{key} is not a database address, such as sqlite:///ingest.db.") from None
    if (driver := _ALIKE.get(url.drivername)) is None:
        raise ConfigError(
            f"{key} names {url.drivername}://; what there is: memory://, sqlite:/// and postgresql+psycopg://."
        )
    if driver == "sqlite":
        if not url.database or url.database == ":memory:":
            raise ConfigError(f"{key} names no file, as in sqlite:///ingest.db; to keep nothing, use memory://.")
        if not (folder := Path(url.database).absolute().parent).is_dir():
            raise ConfigError(f"{key} names a file in {folder}, which is not a directory.")
        if url.query:
            raise ConfigError(f"{key} has {', '.join(url.query)} after a ?; a file takes no options.")
    else:
        _check_server(url, key)
    return url.set(drivername=driver)


def _check_server(url: URL, key: str) -> None:
    if "@" in f"{url.host}{url.database}":
        # Its error would tell the rest of the password.
        raise ConfigError(f"{key} has an @ too many: one in a name or password is written %40.")
    from psycopg import ProgrammingError
    from psycopg.conninfo import make_conninfo

    for option in url.query:
        try:
            make_conninfo(**{option: "1"})
        except ProgrammingError:
            raise ConfigError(f"{key} has {option} after a ?, which is no option of PostgreSQL's client.") from None
