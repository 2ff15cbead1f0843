"""The command line, and a service on a real socket for it to talk to."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from click.testing import CliRunner, Result
from flask import Response
from werkzeug.serving import make_server

from app.cli.commands import ingestion
from app.client import Depth, Queue
from tests.support.host import Host


def older(host: Host) -> Host:
    """Have a host say of its queue no more than one of version 0.1.0 does."""

    @host.app.after_request
    def forget(response: Response) -> Response:
        document = response.get_json(silent=True)
        if isinstance(document, dict) and "priorities" in document:
            kept = _required(document, Queue)
            depths = {name: _required(depth, Depth) for name, depth in document["priorities"].items()}
            response.set_data(json.dumps({**kept, "priorities": depths}))
        return response

    return host


def _required(document: dict[str, Any], kind: type[Queue | Depth]) -> dict[str, Any]:
    return {one.name: document[one.name] for one in fields(kind) if one.default is MISSING}


class Service:
    """A host app behind a socket, and the command line that talks to it."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._server = make_server("127.0.0.1", 0, host.app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __call__(self, *words: str, **more: Any) -> Result:
        return run(*words, url=self.url, **more)

    def submitted(self, *words: str) -> str:
        """The id of an ingestion that was submitted and has ended."""
        ingestion_id = self("submit", *words).stdout.strip()
        self.host.heard.until_finished(ingestion_id)
        return ingestion_id


def run(
    *words: str,
    url: str,
    stdin: str | None = None,
    obj: Any = None,
    environ: Mapping[str, str] | None = None,
    color: bool = False,
) -> Result:
    """Run a command; `obj` is Flask's ScriptInfo, for those that load an app. `color`: terminal escapes get through."""
    return CliRunner(env={"INGEST_URL": url, **(environ or {})}).invoke(
        ingestion, words, input=stdin, obj=obj, color=color, prog_name="flask-ingestion"
    )


def lines(result: Result) -> list[Any]:
    """Its output, each line as JSON."""
    return [json.loads(line) for line in result.stdout.splitlines()]
