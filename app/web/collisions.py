"""Routes of an app and of an instance that would answer the same requests."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Set

from flask import Blueprint, Flask
from werkzeug.routing import Rule

_VARIABLE = re.compile(r"<(?:(path)\b|[^<>]*)[^<>]*>")


class _Listed(Rule):
    def compile(self) -> None:
        """Compile nothing, which is what a rule costs: it is only looked at."""


class _List(Flask):
    url_rule_class = _Listed


def refuse_collisions(app: Flask, blueprint: Blueprint, url_prefix: str | None) -> None:
    """Raises RuntimeError where a route of the app would answer requests for one of the blueprint's; names both.

    They have the same path, whatever their variables are called, and a method in common. A route that takes whole
    paths, such as `/<path:page>`, collides with none that is more precise.
    """
    alone = _List(__name__, static_folder=None)
    alone.register_blueprint(blueprint, url_prefix=url_prefix)
    there: dict[str, list[Rule]] = defaultdict(list)
    for rule in app.url_map.iter_rules():
        if not rule.build_only and not rule.host and rule.subdomain == app.url_map.default_subdomain:
            there[_pattern(rule)].append(rule)
    for ours in alone.url_map.iter_rules():
        for theirs in there.get(_pattern(ours), ()):
            if _methods(theirs) & _methods(ours):
                raise RuntimeError(
                    f"{ours.rule} of {blueprint.name!r} and {theirs.rule} of this app (endpoint {theirs.endpoint!r}) "
                    f"would answer the same requests; give {blueprint.name!r} a url_prefix of its own."
                )


def _pattern(rule: Rule) -> str:
    return _VARIABLE.sub(r"<\1>", rule.rule)


def _methods(rule: Rule) -> Set[str]:
    """Returns the methods that a rule was made for."""
    return (rule.methods or {"GET", "POST"}) - {"HEAD", "OPTIONS"}
