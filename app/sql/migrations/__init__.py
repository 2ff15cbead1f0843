"""The steps from the tables of any release to those of this one, run by Alembic.

Forward only, all missing steps in one transaction. A step that is additive lets older processes continue beside newer
ones; any other raises the number in `ingest_version`, which each process compares with its own when it starts.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, TextIO

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from ..schema import FIRST, REVISION, revisions

logger = logging.getLogger("flask_ingestion")


def upgrade(connection: Connection, found: str | None) -> None:
    """Upgrade the tables from revision `found` (None: no tables) to this release's, in the caller's transaction."""
    if connection.dialect.name == "postgresql":
        # A long table takes its time; callers that wait meanwhile have their own timeout.
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    script = _script()
    context = MigrationContext.configure(connection, opts=_options(script))
    if found == FIRST and not context.get_current_heads():
        context.stamp(script, FIRST)  # 0.1.0 kept no revision
    with Operations.context(context):
        context.run_migrations()
    if found is not None:
        logger.warning("the store's tables are upgraded from revision %s to %s", found, REVISION)


def write_sql(dialect: str, since: str | None, output: TextIO) -> None:
    """Write the SQL of the steps after revision `since` (None: all), for `postgresql` or `sqlite`.

    Raises alembic.util.CommandError for an unknown revision.
    """
    script = _script()
    script.get_revision(since or FIRST)
    offline = {"as_sql": True, "output_buffer": output, "starting_rev": since, "literal_binds": True}
    context = MigrationContext.configure(dialect_name=dialect, opts=_options(script) | offline)
    output.write("BEGIN;\n\n")
    if since == FIRST:
        output.write(f"CREATE TABLE IF NOT EXISTS {revisions.name} (version_num VARCHAR(32) NOT NULL PRIMARY KEY);\n\n")
        output.write(f"INSERT INTO {revisions.name} (version_num) SELECT '{FIRST}' WHERE NOT EXISTS ")
        output.write(f"(SELECT 1 FROM {revisions.name});\n\n")
    with Operations.context(context):
        context.run_migrations()
    output.write("COMMIT;\n")


def _script() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent))


def _options(script: ScriptDirectory) -> dict[str, Any]:
    def missing(heads: Any, _: MigrationContext) -> list[MigrationStep]:
        since = heads[0] if isinstance(heads, tuple) and heads else heads or None
        steps = reversed(list(script.iterate_revisions("head", since or "base")))
        return [MigrationStep.upgrade_from_script(script.revision_map, step) for step in steps]

    return {"version_table": revisions.name, "fn": missing}
