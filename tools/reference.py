"""Writes the reference from the code: the settings, the command line, the HTTP API; and what was measured.

    python -m tools.reference

What it writes is in the repository, so that a clone and a forge show it; a test says when it has to be run again.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any

import click

from app.cli import ingestion
from app.config import Settings
from app.keys import Role, new_key
from app.naming import release
from app.web import resolved
from app.web.openapi import describe

ROOT = Path(__file__).parents[1]

DRAINED = {
    "Flask-Ingestion, in memory": ("drain.memory", "ours"),
    "Flask-Ingestion, SQLite": ("drain.sqlite", "ours"),
    "Flask-Ingestion, PostgreSQL": ("drain.postgres", "ours"),
    "Celery, Redis": ("drain.memory-celery", "theirs"),
    "RQ, Redis": ("drain.memory-rq", "theirs"),
    "Dramatiq, Redis": ("drain.memory-dramatiq", "theirs"),
    "Huey, Redis": ("drain.memory-huey", "theirs"),
    "Huey, SQLite": ("drain.sqlite", "theirs"),
    "Procrastinate, PostgreSQL": ("drain.postgres", "theirs"),
}
"""What the comparison says of batches per second: each queue, with its row of the results and the column."""

LIMITED = {
    "Celery, two workers": "celery-two",
    "Celery, one worker": "celery-one",
    "Dramatiq": "dramatiq",
    "Huey with `limits`": "huey",
    "BullMQ": "bullmq",
}
"""The queues of which it says what becomes of an upstream's limit, as their rows are named."""

FROM, TO = "<!-- rows: tools/reference.py takes them from benchmarks/RESULTS.md -->", "<!-- end of rows -->"

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

SETTINGS = """# Settings

Each is a key in `app.config` under the instance's prefix, such as `INGEST_INTERVAL`; an instance named `partner` reads
`PARTNER_INTERVAL`. The standalone service takes them from the environment too. With an invalid value, or a letter of a
key wrong, the service does not start, and the error names the key. A key with the prefix that is like no setting may be
for something else: it is named in the log at the start. [Running it](../operations.md#settings-that-matter) says which
settings to decide on first.
"""

COMMANDS = """# Command line

`flask-ingestion`, or `flask ingestion` beside an app of your own. Data goes to stdout, messages go to stderr. The exit
code is 0 where all is fine, 1 where the ingestion failed or was cancelled (or a proof did not hold), 2 for wrong usage,
3 when time ran out, and 4 where the service cannot be reached or refuses.
"""

HTTP = """# HTTP API

What a service with keys answers, under its default settings. Yours describes itself, with its own settings, at
`/openapi.json` (OpenAPI 3.1) and as a page at `/docs`. `/` of the standalone service leads a browser to the dashboard,
and gives a program a short index.
"""


def cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(*rows: tuple[object, ...]) -> list[str]:
    """Returns the lines of a table, of which the first row is the head."""
    head, *body = [f"| {' | '.join(map(cell, row))} |" for row in rows]
    return [head, "|" + " --- |" * len(rows[0]), *body]


def settings() -> str:
    groups: dict[str, list[tuple[object, ...]]] = {}
    for field in dataclasses.fields(Settings):
        if field.name in GROUPS:
            rows = groups[GROUPS[field.name]] = []
        default = "" if field.default in ("", ()) else f"`{field.default}`"
        rows.append((f"`{field.name.upper()}`", default, field.metadata["about"], field.metadata["parse"].__doc__))
    head = ("key", "default", "meaning", "takes")
    return "\n".join(
        [SETTINGS, *(line for name in groups for line in (f"## {name}", "", *table(head, *groups[name]), ""))]
    )


def commands() -> str:
    return "\n".join([COMMANDS, *_command("flask-ingestion", ingestion)]).rstrip() + "\n"


def _command(name: str, command: click.Command) -> Iterator[str]:
    """Yields what there is to say of a command and of those below it."""
    if isinstance(command, click.Group):
        for below in sorted(command.commands):
            yield from _command(f"{name} {below}", command.commands[below])
        return
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    usage = " ".join([name, "[OPTIONS]", *(_argument(one) for one in arguments)])
    yield from (f"## {name}", "", *_code("text", usage), "", cleandoc(command.help or ""), "")
    options = [one for one in command.params if isinstance(one, click.Option)]
    if options:
        yield from (*table(("option", "takes", "default", "meaning"), *map(_option, options)), "")


def _argument(argument: click.Argument) -> str:
    name = (argument.name or "").upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _option(option: click.Option) -> tuple[str, str, str, str]:
    """Returns an option's names, type, default and meaning; of what click itself says only the parts."""
    if isinstance(option.type, click.Choice):
        takes = ", ".join(f"`{choice}`" for choice in option.type.choices)
    else:
        takes = "" if option.is_flag else option.type.name.removesuffix(" range")
    default = f"`{option.default}`" if option.show_default and option.default is not None else ""
    read_from = f"Read from `{option.envvar}` too." if option.show_envvar and option.envvar else ""
    about = " ".join(filter(None, [option.help, read_from]))
    return ", ".join(f"`{one}`" for one in option.opts), takes, default, about


def http() -> str:
    _, key = new_key("importer", Role.SUBMIT)
    document = describe(Settings.read({"INGEST_API_KEYS": str(key), "INGEST_KEY_QUOTA": 1000}), "ingest", "/")
    operations = [
        (f"`{method.upper()} {path}`", f"[{one['summary']}](#{_anchor(one['summary'])})")
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    ]
    lines = [HTTP, *table(("route", "what it does"), *operations), "", document["info"]["description"], ""]
    for tag in document["tags"]:
        lines += [f"## {tag['name']}", "", tag["description"], ""]
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    lines += _operation(document, f"{method.upper()} {path}", operation)
    lines += ["## Schemas", "", "Objects in answers may get more members; none is ever removed.", ""]
    for name, schema in document["components"]["schemas"].items():
        lines += [f"### {name}", ""]
        lines += [schema["description"], ""] if "description" in schema else []
        lines += [*table(("member", "type", "meaning"), *_members(schema)), ""]
    # The version is that of whatever runs, and no reason to write the page anew.
    return "\n".join(lines).rstrip().replace(f'"{release()}"', '"…"') + "\n"


def _anchor(heading: str) -> str:
    """Returns what a forge calls a heading in a link."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _operation(document: Any, route: str, operation: Any) -> Iterator[str]:
    yield from (f"### {operation['summary']}", "", f"`{route}`", "", operation["description"], "")
    parameters = [resolved(document, one) for one in operation.get("parameters", ())]
    if parameters:
        rows = [(f"`{one['name']}`", f"{one['in']}: {_kind(one['schema'])}", one["description"]) for one in parameters]
        yield from (*table(("parameter", "in", "meaning"), *rows), "")
    if body := operation.get("requestBody"):
        (media,) = body["content"].values()
        yield from (f"The body is {_kind(media['schema'])}, for example:", "", *_json(media["example"]), "")
    rows = []
    for status, part in operation["responses"].items():
        answer = resolved(document, part)
        contents = {
            _kind(one["schema"]) if "$ref" in one["schema"] else f"`{media}`": None
            for media, one in answer.get("content", {}).items()
        }
        what = " or ".join(contents) if status == "200" else answer["description"]
        rows.append((status, what, ", ".join(f"`{header}`" for header in answer.get("headers", ()))))
    yield from (*table(("status", "answer", "headers"), *rows), "")
    queue = document["paths"]["/queue"]["get"]
    schemas = [media["schema"] for media in queue["responses"]["200"]["content"].values()]
    for media in operation["responses"].get("200", {}).get("content", {}).values():
        if operation is not queue and media["schema"] in schemas:
            yield from (f"The answer is that of [`GET /queue`](#{_anchor(queue['summary'])}).", "")
        elif "example" in media:
            yield from ("For example:", "", *_json(media["example"]), "")


def _members(schema: Any, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yields each member of an object, and of the objects in it: its name, type and meaning."""
    for name, member in schema.get("properties", {}).items():
        optional = "" if name in schema.get("required", ()) else ", optional"
        yield f"`{prefix}{name}`", _kind(member) + optional, member.get("description", "")
        inner = member.get("items", member)
        if isinstance(inner, dict):
            yield from _members(inner, f"{prefix}{name}{'[]' if 'items' in member else ''}.")


_BOUNDS = (("minimum", "maximum", ""), ("minItems", "maxItems", " of them"), ("minLength", "maxLength", " characters"))
_INT64_MAX = 2**63 - 1
"""As good as no bound."""


def _bounds(schema: Any) -> Iterator[str]:
    for least, most, of in _BOUNDS:
        if schema.get(most, _INT64_MAX) < _INT64_MAX:
            yield f"{schema.get(least, 0)} to {schema[most]}{of}"
        elif least in schema:
            yield f"at least {schema[least]}{of}"
    if "exclusiveMinimum" in schema:
        yield f"above {schema['exclusiveMinimum']} and below {schema['exclusiveMaximum']:.0f}"
    if "default" in schema:
        yield f"{schema['default']} by default"


def _kind(schema: Any) -> str:
    """Returns a schema in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join("null" if one is None else f"`{one}`" for one in schema["enum"])
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if types == ["array"]:
        types = [f"array of {_kind(schema['items'])}"]
    elif "format" in schema:
        types = [schema["format"], *(one for one in types if one == "null")]
    return ", ".join([" or ".join(types), *_bounds(schema)])


def _code(language: str, text: str) -> list[str]:
    return [f"```{language}", *text.split("\n"), "```"]


def _json(example: Any) -> list[str]:
    if isinstance(example, str):
        return _code("text", example.rstrip("\n"))
    text = json.dumps(example, indent=2)
    # Short lists on one line.
    return _code("json", re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text))


def comparison() -> str:
    """Returns the comparison, with the figures as the benchmarks last wrote them."""
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text()
    found = re.findall(r"^\| ([a-z]+\.\S+) \| [^|]* \| ([^|]*) \| ([^|]*) \|", results, re.MULTILINE)
    figures = {name: {"ours": ours, "theirs": theirs} for name, ours, theirs in found}
    drained = [(label, figures[row][side]) for label, (row, side) in DRAINED.items()]

    def limited(label: str, rows: str, side: str) -> tuple[str, ...]:
        return label, *(figures[f"allowance.{rows}-{what}"][side] for what in ("violations", "used", "high"))

    head = ("20 calls a second", "calls too many", "% of the allowance used", "ms until a HIGH goes")
    peers = [limited(label, rows, "theirs") for label, rows in LIMITED.items()]
    tables = [
        *table(("no limit", "batches/s"), *drained),
        "",
        *table(head, limited("Flask-Ingestion, four processes on PostgreSQL", "four", "ours"), *peers),
    ]
    before, _, rest = (ROOT / "docs" / "comparison.md").read_text().partition(FROM)
    _, _, after = rest.partition(TO)
    return "\n".join([f"{before}{FROM}", "", *tables, "", f"{TO}{after}"])


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/settings.md": settings,
    "docs/reference/cli.md": commands,
    "docs/reference/http.md": http,
    "docs/comparison.md": comparison,
}
"""Each page, and what it should hold."""


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (ROOT / name).write_text(page())


if __name__ == "__main__":
    main()
