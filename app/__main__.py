"""`flask-ingestion`, also run as `python -m flask_ingestion`."""

from __future__ import annotations

from flask.cli import ScriptInfo

from . import create_app
from .cli import ingestion


def main() -> None:
    """Run the command line; `serve` and `worker` run the standalone service."""
    ingestion.main(prog_name="flask-ingestion", obj=ScriptInfo(create_app=create_app))


if __name__ == "__main__":
    main()
