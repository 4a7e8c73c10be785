"""`trioex book`: order books as they change, and how they fare.

The books are looked at a few times a second, and counted at each change; with JSON every change
is printed, or where the output is slow the book as it is when its turn comes.
"""

from __future__ import annotations

import contextlib
import math
import signal
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import trio
from rich.console import Console

from ..binding import Binding, BindingState
from ..channels import ExchangeEnum
from ..config import Environment, WebSocketConfig
from ..errors import BindingError, TrioexError
from ..events import BookStateChanged, ConnectionEvent, Disconnected, SubscriptionRefused
from ..manager import WebSocketManager
from ..messages import BookState, Number
from ..orderbook import MutableBook, OrderBook
from .book_screen import FEW, BookScreen, LineScreen, NoScreen, TerminalScreen
from .ladder import Drawing, row, summary
from .logs import EventLog, library_warnings
from .outcomes import FAILED, INTERRUPTED, OK, report
from .output import WAITING, write_lines
from .tally import Tally

__all__ = ["Books"]

_FLUSH_S = 1.0
"""How long the end waits for an output that takes nothing."""
_FULL_PACE = 100
"""So many symbols are simulated at full pace."""
_NAMED = 10
"""Books that are named in the end for never having been LIVE."""


def _each_once(symbols: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(symbols))


@attrs.define(eq=False, kw_only=True)
class Books:
    """One run of `trioex book`.

    Attributes:
        parameters: keywords of `bind`.
        seconds: how long, or None: until Ctrl-C.
        simulate: on the built-in simulator, which then lists these symbols.
        as_json: a line a change.
        decimal: exact numbers.
        environment: wall time and randomness, of the simulator too.
        console: where a picture is drawn if it is a terminal.
    """

    exchange: ExchangeEnum
    symbols: tuple[str, ...] = attrs.field(converter=_each_once)
    market: str = "spot"
    parameters: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    drawing: Drawing = attrs.field(factory=Drawing)
    seconds: float | None = None
    simulate: bool = False
    as_json: bool = False
    decimal: bool = False
    environment: Environment = attrs.field(factory=Environment)
    console: Console = attrs.field(factory=Console)
    tallies: dict[str, Tally] = attrs.field(init=False, factory=dict[str, Tally])
    _bindings: dict[str, Binding[Any]] = attrs.field(init=False, factory=dict[str, Binding[Any]])
    _log: EventLog = attrs.field(init=False, factory=lambda: EventLog(tells_failures=True))
    _over: trio.Event = attrs.field(init=False, factory=trio.Event)
    _interrupted: bool = attrs.field(init=False, default=False)
    _elapsed: float = attrs.field(init=False, default=0.0)

    async def run(self) -> int:
        """Show the books and return the exit code. Cancelling it ends everything at once.

        Raises:
            BindingError: a name or a keyword that cannot be bound.
            UnknownSymbol, SubscriptionRefused: nothing could be subscribed; of the first.
            OSError: the output cannot be written.
        """
        send, receive = trio.open_memory_channel[str](WAITING)
        with library_warnings(), self._open_screen(send) as screen:
            async with self._open_source() as config:
                manager = WebSocketManager(config, connection_handlers=self._on_event)
                self._bind(manager, send)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._listen_for_signals, screen)
                    written = trio.Event()
                    nursery.start_soon(self._write, receive, written)
                    await self._run(manager, screen)
                    await send.aclose()
                    with trio.move_on_after(_FLUSH_S):
                        await written.wait()
                    nursery.cancel_scope.cancel()
        return self._outcome()

    # What is shown, and where

    def _open_screen(self, send: trio.MemorySendChannel[str]) -> BookScreen:
        if self.as_json:
            return NoScreen()
        if self.console.is_terminal:
            return TerminalScreen(self.console, self.drawing)

        def write(line: str) -> None:
            # A second later there is another one: what nobody reads is left out.
            with suppress(trio.WouldBlock):
                send.send_nowait(line)

        return LineScreen(write, self.drawing)

    async def _run(self, manager: WebSocketManager, screen: BookScreen) -> None:
        async with trio.open_nursery() as nursery:
            await trio.lowlevel.checkpoint()
            nursery.start_soon(manager.run)
            await self._show(manager, screen)
            await manager.aclose()

    async def _show(self, manager: WebSocketManager, screen: BookScreen) -> None:
        """Look at the books at each interval until it is over."""
        start = trio.current_time()
        latest = math.inf if self.seconds is None else start + self.seconds
        while True:
            self._elapsed = trio.current_time() - start
            await self._look(manager)
            screen.show(list(self.tallies.values()), self._elapsed)
            refused = all(each.refusal is not None for each in self.tallies.values())
            if self._over.is_set() or trio.current_time() >= latest or refused:
                return
            with trio.move_on_at(min(trio.current_time() + screen.interval, latest)):
                await self._over.wait()

    async def _look(self, manager: WebSocketManager) -> None:
        for book in manager.books:
            self.tallies[book.symbol].book = book
        for symbol, binding in list(self._bindings.items()):
            if binding.state is BindingState.REFUSED:
                try:
                    await binding  # at once: it is settled
                except TrioexError as error:
                    self.tallies[symbol].refusal = error
                    del self._bindings[symbol]
        for tally in self.tallies.values():
            tally.outage = self._log.outage
            tally.tick(self._elapsed)

    # The exchange

    @asynccontextmanager
    async def _open_source(self) -> AsyncGenerator[WebSocketConfig]:
        from ..simulator import open_simulator

        if self.simulate:
            # A machine draws some hundred markets at full pace, and more of slower ones.
            pace = min(1.0, _FULL_PACE / len(self.symbols))
            async with open_simulator(
                self.exchange, symbols=self.symbols, pace=pace, environment=self.environment
            ) as simulator:
                yield simulator.config(market=self.market, number_type=self._number_type)
        else:
            yield WebSocketConfig(
                exchange=self.exchange,
                market=self.market,
                number_type=self._number_type,
                environment=self.environment,
            )

    @property
    def _number_type(self) -> type[Number]:
        return Decimal if self.decimal else float

    def _bind(self, manager: WebSocketManager, send: trio.MemorySendChannel[str]) -> None:
        async def print_book(book: OrderBook, reason: str = "") -> None:
            line = row(book, self.drawing.levels, reason)
            await send.send(msgspec.json.encode(line).decode())

        outage = ""

        async def print_loss(event: ConnectionEvent) -> None:
            # Books are handed out while they are LIVE only.
            nonlocal outage
            if isinstance(event, BookStateChanged) and event.state is not BookState.LIVE:
                # By now it may be refused: that is told in the end.
                with contextlib.suppress(BindingError):
                    book = manager.book(event.channel)
                    if not book.is_live:
                        await print_book(book)
            if isinstance(event, Disconnected) and outage != self._log.outage:
                outage = self._log.outage
                for tally in self.tallies.values() if outage else ():
                    if tally.book is not None:
                        await print_book(tally.book, outage)

        for symbol in self.symbols:
            channel = f"{self.market}.orderbook.{symbol}"
            tally = self.tallies[symbol] = Tally(symbol, self._blank(symbol))
            self._bindings[symbol] = manager.bind(channel, tally, **self.parameters)
            if self.as_json:
                manager.bind(channel, print_book, **self.parameters)
        if self.as_json:
            manager.bind_events(print_loss)

    def _blank(self, symbol: str) -> OrderBook:
        """What is shown of a book before the manager keeps it."""
        data = MutableBook(self._number_type)
        data.mark(BookState.SYNCING, "it is not subscribed yet")
        return OrderBook(self.exchange, self.market, symbol, data)

    def _on_event(self, event: ConnectionEvent) -> None:
        if isinstance(event, SubscriptionRefused) and event.is_final:
            return  # it is told in the end
        if isinstance(event, BookStateChanged) and len(self.tallies) > FEW:
            return
        self._log(event)

    # Ending

    async def _listen_for_signals(self, screen: BookScreen) -> None:
        wanted = [getattr(signal, name, signal.SIGINT) for name in ("SIGINT", "SIGCONT")]
        with trio.open_signal_receiver(*wanted) as signals:
            async for number in signals:
                if number == signal.SIGINT:
                    self._interrupted = True
                    self._over.set()
                else:  # the shell has written over the picture
                    screen.clear()

    async def _write(self, receive: trio.MemoryReceiveChannel[str], written: trio.Event) -> None:
        await write_lines(receive)
        written.set()

    def _outcome(self) -> int:
        tallies = list(self.tallies.values())
        refusals = [each.refusal for each in tallies if each.refusal is not None]
        if len(refusals) == len(tallies):
            raise refusals[0]
        report(summary(tallies, self._elapsed))
        if self._interrupted:
            if self._log.outage:
                report(self._log.outage)
            return INTERRUPTED
        dark = [each for each in tallies if not each.was_live]
        for line in self._complaints(dark):
            report(line)
        return FAILED if dark else OK

    def _complaints(self, dark: list[Tally]) -> Iterator[str]:
        if dark and not self._log.has_begun:
            yield f"there was no connection: {self._log.failure}"
        for each in dark[:_NAMED]:
            yield f"{each.symbol} was never live: {each.reason}"
        if len(dark) > _NAMED:
            yield f"nor were {len(dark) - _NAMED} more"
