"""Where books are shown: a picture on a terminal, a line a second anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self

import attrs
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from .ladder import OVERHEAD, Drawing, book_line, ladder, progress, table, worst
from .tally import Tally, Totals

__all__ = ["FEW", "BookScreen", "LineScreen", "NoScreen", "TerminalScreen"]

FEW = 20
"""So many books are shown and told of one by one, however they fare."""
_WORST = 3
"""So many of more than that, where there is no terminal."""


class BookScreen(Protocol):
    """Where books are shown."""

    interval: float
    """Seconds between two calls of `show`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def show(self, tallies: Sequence[Tally], elapsed: float) -> None:
        """Show the books as they are."""

    def clear(self) -> None:
        """Something else was written over it."""


class NoScreen:
    """Shows nothing: every change is printed instead."""

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

    def show(self, tallies: Sequence[Tally], elapsed: float) -> None:
        """Nothing."""

    def clear(self) -> None:
        """Nothing."""


class LineScreen(NoScreen):
    """Lines: one a second for each book, or for many books how many are where, and the worst."""

    def __init__(self, write: Callable[[str], object], drawing: Drawing) -> None:
        self._write = write
        self._drawing = drawing

    def show(self, tallies: Sequence[Tally], elapsed: float) -> None:
        """Write the lines."""
        time = f"{elapsed:6.1f} s"
        shown = tallies
        if len(tallies) > FEW:
            self._write(f"{time}  {progress(Totals.of(tallies))}")
            shown = worst(tallies, _WORST)
        for each in shown:
            self._write(f"{time}  {book_line(each, self._drawing)}")


class TerminalScreen:
    """One book as a ladder, several as a table, redrawn in place. The last picture stays."""

    interval = 0.25

    def __init__(self, console: Console, drawing: Drawing) -> None:
        self._console = console
        self._size = console.size
        self.draws_blocks = not console.options.ascii_only
        self._drawing = attrs.evolve(drawing, blocks=self.draws_blocks)
        # No thread of rich's: it is redrawn from the command's own task. Reports scroll by above
        # the picture, unless stderr goes elsewhere.
        self._live = Live(
            console=console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=sys.stderr.isatty(),
        )

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

    def show(self, tallies: Sequence[Tally], elapsed: float) -> None:  # noqa: ARG002
        """Redraw the picture, which shows no time."""
        self.interval = 1.0 if len(tallies) > FEW else 0.25
        if self._size != self._console.size:
            self._size = self._console.size
            self.clear()
        lines = [
            Text(line, style=_style(line), no_wrap=True, overflow="ellipsis")
            for line in self._lines(tallies)
        ]
        self._live.update(Group(*lines), refresh=True)

    def clear(self) -> None:
        """Begin with an empty terminal: of a picture that moved or wrapped, parts would stay."""
        self._console.clear()

    def _lines(self, tallies: Sequence[Tally]) -> Iterator[str]:
        width, height = self._console.size
        if len(tallies) == 1:
            levels = min(self._drawing.levels, max((height - OVERHEAD) // 2, 1))
            yield from ladder(tallies[0], attrs.evolve(self._drawing, width=width, levels=levels))
        else:
            yield progress(Totals.of(tallies))
            yield ""
            yield from table(tallies, max(height - 5, 1))


def _style(line: str) -> str:
    for sign, style in _STYLES.items():
        if line.startswith(sign) or f"  {sign}  " in line:
            return style
    return ""


_STYLES = {
    "ask": "red",
    "bid": "green",
    "---": "bold",
    "no prices": "yellow",
    "REFUSED": "yellow",
    "GAP": "yellow",
    "STALE": "yellow",
    "SYNCING": "yellow",
}
