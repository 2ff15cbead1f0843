"""Shows a document again and again."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from shutil import get_terminal_size
from typing import Any

import click

from .remote import Remote
from .times import Times

_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
"""Moves to the first place, and erases from there (ECMA-48): what is only drawn over does not flicker."""


def keep_showing(to: Remote, ask: Callable[[], Any], text: Callable[[Any, Times], str], every: float) -> None:
    """Ask and show until Ctrl-C, with `every` seconds in between.

    On a terminal each answer takes the place of the one before, cut to what fits. Elsewhere one follows the other.
    """
    on_screen = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not to.as_json
    pause = threading.Event()
    try:
        if on_screen:
            click.clear()
        while True:
            document = ask()
            if on_screen:
                _draw(to.words(document, text))
            else:
                to.show(document, lambda document, times: f"{text(document, times)}\n")
            pause.wait(every)
    except KeyboardInterrupt:
        return


def _draw(text: str) -> None:
    if click.get_current_context().color is False:
        text = click.unstyle(text)
    lines = [f"{line}{_REST_OF_LINE}\n" for line in fitting(text, *get_terminal_size())]
    # Past click, which would strip these movements of the cursor together with the colours.
    sys.stdout.write("".join([_HOME, *lines, _REST_OF_SCREEN]))
    sys.stdout.flush()


def fitting(text: str, columns: int, rows: int) -> list[str]:
    """Returns the lines that a terminal has room for, each cut to its width; a line that is cut loses its colours."""
    lines = text.splitlines()
    return [
        line if len(plain := click.unstyle(line)) <= columns else f"{plain[: columns - 1]}…"
        for line in lines[: rows - 1]
    ]
