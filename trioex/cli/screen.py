"""How the demo looks: a live table on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .board import Board, Row
from .text import value

__all__ = ["LiveScreen", "PlainScreen", "Screen", "open_screen"]

_EVENTS = 6
"""The latest events stay in view."""
_HEADINGS = ("venue", "channel", "last value", "count", "per s", "p50 ms", "p99 ms")


class Screen(Protocol):
    """Where the demo is shown."""

    interval: float
    """Seconds between two calls of `show`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def event(self, line: str) -> None:
        """Something happened."""

    def show(self, board: Board, elapsed: float) -> None:
        """Show the board as it stands."""

    def summary(self, board: Board, facts: Sequence[str]) -> None:
        """Show the board as it ended, and what is to be said about it."""


def open_screen() -> Screen:
    """The screen that fits stdout."""
    console = Console()
    return LiveScreen(console) if console.is_terminal else PlainScreen()


def _cells(row: Row) -> Iterator[str]:
    yield str(row.exchange)
    yield row.channel
    yield value(row.last) if row.last is not None else "-"
    yield f"{row.messages}"
    yield f"{row.rate:.1f}"
    for share in (0.5, 0.99):
        latency = row.latency(share)
        yield "-" if latency is None else f"{latency:.1f}"


class LiveScreen:
    """A table that is redrawn in place."""

    interval = 0.25

    def __init__(self, console: Console) -> None:
        self._console = console
        self._events: deque[str] = deque(maxlen=_EVENTS)
        # No thread of rich's: the demo redraws from its own task.
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def event(self, line: str) -> None:
        """Show it below the table."""
        self._events.append(line)

    def show(self, board: Board, elapsed: float) -> None:
        """Redraw the table."""
        title = Text.assemble(
            (" trioex demo ", "bold reverse"),
            f"  {elapsed:4.1f} s   {board.messages} messages   Ctrl-C ends it",
        )
        lines = [Text(line, style=_style(line), no_wrap=True) for line in self._events]
        self._live.update(Group(title, _table(board), *lines), refresh=True)

    def summary(self, board: Board, facts: Sequence[str]) -> None:
        """Leave the table, the events and the facts on the terminal."""
        self._live.stop()
        self._console.print(_table(board))
        for line in self._events:
            self._console.print(Text(line, style=_style(line)))
        for fact in facts:
            self._console.print(Text(fact, style="bold"))


def _style(line: str) -> str:
    return "yellow" if " lost, " in line else "green"


def _table(board: Board) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in _HEADINGS[:3]:
        wide = heading == "last value"
        table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1 if wide else None)
    for heading in _HEADINGS[3:]:
        table.add_column(heading, justify="right", no_wrap=True)
    before = None
    for row in board.rows:
        if before not in (None, row.exchange):
            table.add_section()
        before = row.exchange
        table.add_row(*_cells(row), style=None if row.messages else "dim")
    return table


class PlainScreen:
    """Lines: one a second, one an event, and the table at the end. No escape codes."""

    interval = 1.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def event(self, line: str) -> None:
        """Write it."""
        self._write(line)

    def show(self, board: Board, elapsed: float) -> None:
        """Write one line of progress."""
        silent = sum(not row.messages for row in board.rows)
        waiting = f", {silent} of {len(board.rows)} channels still silent" if silent else ""
        self._write(f"{elapsed:5.1f} s  {board.messages} messages{waiting}")

    def summary(self, board: Board, facts: Sequence[str]) -> None:
        """Write the table and the facts."""
        lines = [_HEADINGS, *(tuple(_cells(row)) for row in board.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for cells in lines:
            aligned = (
                f"{cell:>{width}}" if index > 2 else f"{cell:<{width}}"
                for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
            )
            self._write("  ".join(aligned))
        for fact in facts:
            self._write(fact)

    def _write(self, line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
