"""The queue and its ingestions on a terminal, live. Needs Textual, the extra `tui`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import DataTable, Footer, Input, Static

from ..client import Client, ClientError, Ingestion, Queue
from ..core import Priority
from . import display
from .live import Live
from .queue_text import queue_text
from .times import Times

_NEXT = 3
"""Batches that are about to start."""

_LATEST = 50
"""Ingestions in the table, and batches of the one that is open."""


class Which(ModalScreen[str]):
    """Asks which priority or caller; completes those that are known."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')", "Back")]

    def __init__(self, known: Iterable[str]) -> None:
        super().__init__()
        self._known = list(known)

    def compose(self) -> ComposeResult:
        """Yields the line to type into."""
        with Vertical():
            yield Input(
                placeholder="a priority, or a caller's name",
                suggester=SuggestFromList(self._known, case_sensitive=False),
            )
            yield Static("Enter pauses it, or resumes it if it is paused; → completes the name.")
        yield Footer()

    @on(Input.Submitted)
    def _chosen(self, message: Input.Submitted) -> None:
        self.dismiss(message.value.strip())


class Sure(ModalScreen[bool]):
    """Asks whether to do what concerns everybody, for a key is easily hit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "dismiss(True)", "Yes"),
        Binding("escape", "dismiss(False)", "Back"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """Yields the question."""
        with Vertical():
            yield Static(self._question)
        yield Footer()


class Overview(Live):
    """What waits, what it waits for, what goes next, and the latest ingestions."""

    class Done(Message):
        """An order was carried out; `said` says so."""

        def __init__(self, queue: Queue, said: str) -> None:
            super().__init__()
            self.queue = queue
            self.said = said

    class NotDone(Message):
        """An order was not carried out."""

        def __init__(self, error: ClientError) -> None:
            super().__init__()
            self.error = error

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause/resume"),
        Binding("o", "pause_one", "Pause/resume one"),
        Binding("e", "end_hold", "End the hold"),
        Binding("enter", "open", "Open", priority=True),
        Binding("q", "app.quit", "Quit"),
    ]

    def __init__(self, client: Client, every: float, *, in_full: bool) -> None:
        super().__init__(client, every)
        self._in_full = in_full
        self.queue: Queue | None = None

    def compose(self) -> ComposeResult:
        """Yields the figures above the table."""
        yield Static(id="stale")
        yield Static(id="figures")
        yield DataTable(cursor_type="row", zebra_stripes=True)
        yield Footer()

    def on_mount(self) -> None:
        """Head the table."""
        self._table.add_columns("INGESTION", "STATUS", "PRIORITY", "ENDED", "CREATED")
        super().on_mount()

    @property
    def _table(self) -> DataTable[Any]:
        return self.query_one(DataTable)

    def ask(self) -> tuple[Queue, list[Ingestion]]:
        """Returns the queue, and the latest ingestions."""
        return self.client.queue(), list(islice(self.client.list(page=_LATEST), _LATEST))

    def show(self, answer: tuple[Queue, list[Ingestion]]) -> None:
        """Show them; the cursor stays with its ingestion."""
        queue, ingestions = answer
        self.queue = queue
        times = Times(0.0, self._in_full).as_of(queue["now"])
        few = {**queue, "next": queue["next"][:_NEXT]}
        self.query_one("#figures", Static).update(Text.from_ansi(queue_text(few, times)))
        chosen, table = self._chosen(), self._table
        table.clear()
        for one in ingestions:
            done = f"{display.finished(one)}/{one['batch_count']}"
            status = Text.from_ansi(display.coloured(one["status"]))
            cells = one["ingestion_id"][:8], status, one["priority"], done, times.ago(one["created_at"])
            table.add_row(*cells, key=one["ingestion_id"])
        if chosen in table.rows:
            table.move_cursor(row=table.get_row_index(chosen), animate=False)
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Returns whether there is a hold to end, an ingestion to open."""
        if action == "end_hold":
            return self.queue is not None and self.queue.hold_until is not None
        return action != "open" or self._chosen() is not None

    def action_pause(self) -> None:
        """Pause, or resume where it is paused."""
        if self.queue and self.queue.paused:
            self._ask_first("Resume the queue?", self.client.resume)
        elif self.queue:
            self._ask_first("Pause the queue? Nothing starts until somebody resumes it.", self.client.pause)

    def action_pause_one(self) -> None:
        """Ask for a priority or a caller, and pause it, or resume it where it is paused."""
        if self.queue:
            callers = {one.name for one in self.queue.callers if one.name is not None}
            known = [*Priority.__members__, *sorted(callers.union(self.queue.paused_owners))]
            self.app.push_screen(Which(known), self._pause_one)

    def _pause_one(self, name: str | None) -> None:
        if name and self.queue:
            is_priority = name.upper() in Priority.__members__
            priority, owner = (name.upper(), None) if is_priority else (None, name)
            verb = self.client.resume if _is_paused(self.queue, priority, owner) else self.client.pause
            self._order(partial(verb, priority=priority, owner=owner), partial(_said_of_one, priority, owner))

    def action_end_hold(self) -> None:
        """End the hold."""
        self._ask_first("End the hold? The upstream asked for quiet.", self.client.end_hold)

    def action_open(self) -> None:
        """Open the ingestion under the cursor."""
        if chosen := self._chosen():
            self.app.push_screen(Opened(self.client, self._every, chosen, in_full=self._in_full))

    def _ask_first(self, question: str, verb: Callable[[], Queue]) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self._order(verb, _said_of_all)

        self.app.push_screen(Sure(question), answered)

    def _order(self, verb: Callable[[], Queue], said: Callable[[Queue], str]) -> None:
        threading.Thread(target=self._give, args=(verb, said), daemon=True).start()

    def _give(self, verb: Callable[[], Queue], said: Callable[[Queue], str]) -> None:
        try:
            queue = verb()
            self.post_message(self.Done(queue, said(queue)))
        except ClientError as error:
            self.post_message(self.NotDone(error))

    @on(Done)
    def _done(self, message: Done) -> None:
        self.queue = message.queue
        self.notify(message.said, markup=False)
        self.refresh_bindings()

    @on(NotDone)
    def _not_done(self, message: NotDone) -> None:
        self.notify(str(message.error), severity="error", markup=False)

    def _chosen(self) -> Any:
        table = self._table
        if not table.row_count:
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value


def _is_paused(queue: Queue, priority: str | None, owner: str | None) -> bool:
    return bool(getattr(queue.priorities, priority).paused) if priority else owner in queue.paused_owners


def _said_of_all(queue: Queue) -> str:
    state = "held" if queue.hold_until else "not held"
    return f"The queue is {'paused' if queue.paused else 'not paused'}, and {state}."


def _said_of_one(priority: str | None, owner: str | None, queue: Queue) -> str:
    state = "paused" if _is_paused(queue, priority, owner) else "not paused"
    return f"{priority or f'The caller {owner}'} is {state}."


class Opened(Live):
    """One ingestion with its first batches."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.pop_screen", "Back"),
        Binding("q", "app.quit", "Quit"),
    ]

    def __init__(self, client: Client, every: float, ingestion_id: str, *, in_full: bool) -> None:
        super().__init__(client, every)
        self._ingestion_id = ingestion_id
        self._in_full = in_full

    def compose(self) -> ComposeResult:
        """Yields its text, which may be longer than the screen."""
        yield Static(id="stale")
        with VerticalScroll():
            yield Static(id="status")
        yield Footer()

    def ask(self) -> Any:
        """Returns its status, and the queue."""
        return self.client.status(self._ingestion_id, limit=_LATEST), self.client.queue()

    def show(self, answer: Any) -> None:
        """Show it."""
        status, queue = answer
        text = display.status_text(status, Times.local(in_full=self._in_full), queue)
        self.query_one("#status", Static).update(Text.from_ansi(text))


class Top(App[None]):
    """The app: the overview, and above it the ingestion that is open."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #stale { color: $text-error; text-style: bold; }
    #figures { height: auto; margin-bottom: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    DataTable { height: 1fr; }
    Which, Sure { align: center bottom; }
    Which Vertical, Sure Vertical { height: auto; padding: 0 1; background: $panel; }
    """

    def __init__(self, client: Client, every: float, *, in_full: bool) -> None:
        super().__init__(ansi_color=True)
        self._overview = Overview(client, every, in_full=in_full)

    def on_mount(self) -> None:
        """Open the overview."""
        self.push_screen(self._overview)
