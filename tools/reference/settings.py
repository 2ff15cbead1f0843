"""The page of the settings."""

from __future__ import annotations

import dataclasses

from app.config import Settings

from .markdown import table

GROUPS = {
    "interval": "The rate",
    "batch_size": "Batches and their order",
    "fresh": "Answers that serve again",
    "store": "The store",
    "processor": "The upstream",
    "webhook_url": "Callbacks",
    "process_timeout": "Attempts",
    "max_ids": "What is accepted",
    "retention": "What is kept",
    "shutdown_grace": "Processes",
    "queues": "The standalone service",
    "api_keys": "Who may call",
}
"""The headings over the settings, by the first setting under each."""

HEAD = """# Settings

Each is a key in `app.config` under the instance's prefix, such as `INGEST_INTERVAL`; an instance named `partner` reads
`PARTNER_INTERVAL`. The standalone service takes them from the environment too. With an invalid value, or a letter of a
key wrong, the service does not start, and the error names the key. A key with the prefix that is like no setting may be
for something else: it is named in the log at the start. [Running it](../operations.md#settings-that-matter) says which
settings to decide on first.
"""


def settings() -> str:
    groups: dict[str, list[tuple[object, ...]]] = {}
    for field in dataclasses.fields(Settings):
        if field.name in GROUPS:
            rows = groups[GROUPS[field.name]] = []
        default = "" if field.default in ("", ()) else f"`{field.default}`"
        rows.append((f"`{field.name.upper()}`", default, field.metadata["about"], field.metadata["parse"].__doc__))
    head = ("key", "default", "meaning", "takes")
    return "\n".join([HEAD, *(line for name in groups for line in (f"## {name}", "", *table(head, *groups[name]), ""))])
