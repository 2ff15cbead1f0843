"""`flask-ingestion`, which is `python -m flask_ingestion`, too."""

from __future__ import annotations

from flask.cli import ScriptInfo

from . import create_app
from .cli import ingestion


def main() -> None:
    """Run the command line, with the service by itself for the app of `serve` and `worker`."""
    ingestion.main(prog_name="flask-ingestion", obj=ScriptInfo(create_app=create_app))


if __name__ == "__main__":
    main()
