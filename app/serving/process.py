"""Which process dispatches: the one that serves, not each one that imports the app."""

from __future__ import annotations

import click
from flask.cli import FlaskGroup, ScriptInfo
from flask.helpers import get_debug_flag
from werkzeug.serving import is_running_from_reloader


def will_serve() -> bool:
    """Returns whether this process will answer requests, as far as can be told while the app is being made.

    Under Flask's command line only `flask run` does, and of the reloader's two processes the child. Everything else
    (waitress, gunicorn, a script, a test) is taken to serve.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.find_object(ScriptInfo) is None:
        return True
    if context.info_name != "run" or context.parent is None or not isinstance(context.parent.command, FlaskGroup):
        return False
    reload = context.params.get("reload")
    return is_running_from_reloader() or not (get_debug_flag() if reload is None else reload)
