"""A screen that keeps asking the service, and says how old its answer is. Needs Textual, the extra `tui`."""

from __future__ import annotations

import threading
import time
from typing import Any

from rich.text import Text
from textual import on
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static

from ..client import Client, ClientError
from .times import about


class Live(Screen[None]):
    """A screen that asks the service, shows the answer, and asks again some time after it came.

    It asks one question at a time, and none while another screen is above it. The thread that asks is a daemon, so that
    a service that hangs does not keep the program from ending.
    """

    class Answered(Message):
        """What the service said."""

        def __init__(self, answer: Any) -> None:
            super().__init__()
            self.answer = answer

    class Lost(Message):
        """Why it said nothing."""

        def __init__(self, error: ClientError) -> None:
            super().__init__()
            self.error = error

    def __init__(self, client: Client, every: float) -> None:
        super().__init__()
        self.client = client
        self._every = every
        self._answered_at = time.monotonic()
        self._problem = ""
        self._asks = False
        self._timer: Timer | None = None

    def on_mount(self) -> None:
        """Begin to say how old the answer is."""
        self.set_interval(1.0, self._say_age)

    def on_screen_resume(self) -> None:
        """Ask at once, at the start and when it comes to the top again."""
        self._look()

    def _look(self) -> None:
        if self._timer:
            self._timer.stop()
        if self.is_current and not self._asks:
            self._asks = True
            threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        try:
            self.post_message(self.Answered(self.ask()))
        except ClientError as error:
            self.post_message(self.Lost(error))

    def ask(self) -> Any:
        """Returns what the service says; in a thread."""
        raise NotImplementedError

    def show(self, answer: Any) -> None:
        """Show what it said."""
        raise NotImplementedError

    @on(Answered)
    def _found(self, message: Answered) -> None:
        self._answered_at = time.monotonic()
        self.show(message.answer)
        self._go_on()

    @on(Lost)
    def _nothing(self, message: Lost) -> None:
        self._go_on(str(message.error))

    def _go_on(self, problem: str = "") -> None:
        self._problem, self._asks = problem, False
        self._say_age()
        self._timer = self.set_timer(self._every, self._look)

    def _say_age(self) -> None:
        age = time.monotonic() - self._answered_at
        stale = bool(self._problem) or age > 3 * self._every + 5
        line = self.query_one("#stale", Static)
        line.display = stale
        if stale:
            line.update(Text(f"This is {about(age)} old. {self._problem}".strip()))
