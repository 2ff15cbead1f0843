"""Which process dispatches: the one that serves, not each one that imports the app."""

from __future__ import annotations

import os
import sys
from typing import Any

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


def refuse_blind_forks() -> None:
    """Refuse a process that uWSGI is going to fork without telling Python.

    A child that is forked while a thread holds the interpreter's lock waits for it for ever, and one that knows of no
    fork shares its parent's connections. Raises RuntimeError that names the options of which one helps.
    """
    uwsgi: Any = sys.modules.get("uwsgi")  # there in a process of uWSGI's alone
    if uwsgi is None or uwsgi.worker_id() or "py-call-uwsgi-fork-hooks" in uwsgi.opt:
        return
    master = uwsgi.masterpid()
    if master == os.getpid() or (not master and uwsgi.numproc > 1):
        raise RuntimeError(
            "uWSGI is about to fork this process without telling Python, so that its workers may hang. "
            "Set its option lazy-apps, or py-call-uwsgi-fork-hooks."
        )
