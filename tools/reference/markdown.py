"""Tables and code in Markdown."""

from __future__ import annotations


def cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(*rows: tuple[object, ...]) -> list[str]:
    """Returns the lines of a table, of which the first row is the head."""
    head, *body = [f"| {' | '.join(map(cell, row))} |" for row in rows]
    return [head, "|" + " --- |" * len(rows[0]), *body]


def code(language: str, text: str) -> list[str]:
    return [f"```{language}", *text.split("\n"), "```"]
