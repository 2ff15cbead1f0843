"""Routes of an app and of an instance that would answer the same requests."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Set

from flask import Blueprint, Flask
from werkzeug.routing import Rule

logger = logging.getLogger("flask_ingestion")

_VARIABLE = re.compile(r"<(?:(path)(?:\([^<>]*\))?:)?[^<>]*>")

_NEEDED = ("/ingest", "/status", "/results")
"""What the routes begin with without which nobody can use a queue."""


class _Listed(Rule):
    def compile(self) -> None:
        """Compile nothing, which is what a rule costs: it is only looked at."""


class _List(Flask):
    url_rule_class = _Listed


def refuse_collisions(app: Flask, blueprint: Blueprint, url_prefix: str | None) -> None:
    """Raises RuntimeError where a route of the app would answer submissions or what is asked of them; names both.

    Where it is another of the blueprint's, such as `/metrics`, that of the app stays, and the log says so. Routes
    collide that have the same path, whatever their variables are called, and a method in common. One that takes whole
    paths, such as `/<path:page>`, collides with none that is more precise.
    """
    if app.url_map.host_matching:
        return
    alone = _List(__name__, static_folder=None)
    alone.register_blueprint(blueprint, url_prefix=url_prefix)
    needed = tuple(f"{(url_prefix or '').rstrip('/')}{start}" for start in _NEEDED)
    there: dict[str, list[Rule]] = defaultdict(list)
    for rule in app.url_map.iter_rules():
        if not rule.build_only and not rule.host and rule.subdomain == app.url_map.default_subdomain:
            there[_pattern(rule)].append(rule)
    both = [
        (ours, theirs)
        for ours in alone.url_map.iter_rules()
        for theirs in there.get(_pattern(ours), ())
        if _methods(theirs) & _methods(ours)
    ]
    for ours, theirs in sorted(both, key=lambda pair: not pair[0].rule.startswith(needed)):
        name = blueprint.name
        those = f"{ours.rule} of {name!r} and {theirs.rule} of this app (endpoint {theirs.endpoint!r})"
        if ours.rule.startswith(needed):
            raise RuntimeError(f"{those} would answer the same requests; give {name!r} a url_prefix of its own.")
        logger.warning("%s would answer the same requests: the app's does; a url_prefix of %r keeps both", those, name)


def _pattern(rule: Rule) -> str:
    return _VARIABLE.sub(r"<\1>", rule.rule)


def _methods(rule: Rule) -> Set[str]:
    """Returns the methods that a rule was made for."""
    return (rule.methods or {"GET", "POST"}) - {"HEAD", "OPTIONS"}
