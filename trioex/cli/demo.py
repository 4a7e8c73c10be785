"""`trioex demo`: both exchanges, simulated on loopback, every kind of channel bound.

In the middle every connection is dropped, as by a cut line. Beside them a hot line, two
connections that carry the same, loses one of the two at that moment and nothing else. The demo
is over when its time is and every channel has spoken and every connection has come back, or
when it has waited long enough for that.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Literal

import attrs
import trio

from ..channels import ExchangeEnum, PublicChannelType
from ..config import Environment, Redundancy
from ..events import BookStateChanged, Connected, ConnectionEvent
from ..manager import ManagerStatistics, WebSocketManager
from .board import Board
from .hot import HotLine
from .logs import library_warnings
from .outcomes import FAILED, INTERRUPTED, OK, report
from .screen import Screen, open_screen
from .text import event_line

__all__ = ["Demo", "demo"]

_SYMBOL = "BTCUSDT"
_PATIENCE = 8.0
"""Seconds beyond its time; the slowest channel, MEXC's ticker, speaks every 3 s."""
_PACE = 5.0
"""How much faster than usual the simulated markets move."""


def demo(*, seconds: float, seed: int) -> int:
    """Run the demo and return its exit code."""
    with library_warnings(), open_screen() as screen:
        return trio.run(Demo(screen, seconds=seconds, seed=seed).run)


@attrs.define(eq=False)
class Demo:
    """One run of the demo.

    Attributes:
        seconds: how long at least.
        patience: how much longer it waits for what is missing.
        exchanges: which ones.
        transport: real sockets, or memory, which tests can run on a virtual clock.
        environment: wall time and randomness.
    """

    screen: Screen
    seconds: float = attrs.field(kw_only=True)
    seed: int = attrs.field(kw_only=True, default=0)
    patience: float = attrs.field(kw_only=True, default=_PATIENCE)
    exchanges: tuple[ExchangeEnum, ...] = attrs.field(kw_only=True, default=tuple(ExchangeEnum))
    transport: Literal["memory", "tcp"] = attrs.field(kw_only=True, default="tcp")
    environment: Environment = attrs.field(kw_only=True, factory=Environment)
    board: Board = attrs.field(init=False, factory=Board)
    statistics: dict[ExchangeEnum, ManagerStatistics] = attrs.field(
        init=False, factory=dict[ExchangeEnum, ManagerStatistics]
    )
    _hot: HotLine = attrs.field(init=False, factory=HotLine)
    _over: trio.Event = attrs.field(init=False, factory=trio.Event)
    _interrupted: bool = attrs.field(init=False, default=False)

    async def run(self) -> int:
        """Show everything and return the exit code. Cancelling it ends everything at once."""
        async with trio.open_nursery() as outer:
            outer.start_soon(self._listen_for_interrupts)
            async with trio.open_nursery() as exchanges:
                for exchange in self.exchanges:
                    await exchanges.start(self._run_exchange, exchange)
                if self._hot.exchange in self.exchanges:
                    await exchanges.start(self._run_hot_line)
                await self._show()
                self._over.set()
            outer.cancel_scope.cancel()
        missing = self.board.missing(self.exchanges)
        undecodable = sum(each.undecodable for each in self.statistics.values())
        self.screen.summary(self.board, list(self._facts()))
        if self._interrupted:
            return INTERRUPTED
        if undecodable:
            missing.append(f"{undecodable} frames could not be decoded")
        missing += self._hot.faults()
        for each in missing:
            report(f"{each}, within {self.seconds + self.patience:g} s")
        return FAILED if missing else OK

    async def _listen_for_interrupts(self) -> None:
        with trio.open_signal_receiver(signal.SIGINT) as signals:
            async for _ in signals:
                self._interrupted = True
                self._over.set()

    async def _show(self) -> None:
        """Show the board at each interval until the demo is over."""
        start = trio.current_time()
        latest = start + self.seconds + self.patience
        while not self._over.is_set():
            elapsed = trio.current_time() - start
            self.board.tick(elapsed)
            self.screen.show(self.board, elapsed)
            if elapsed >= self.seconds and not self.board.missing(self.exchanges):
                break
            if trio.current_time() >= latest:
                break
            with trio.move_on_after(self.screen.interval):
                await self._over.wait()
        self.board.finish(trio.current_time() - start)

    # One exchange

    async def _run_exchange(
        self, exchange: ExchangeEnum, *, task_status: trio.TaskStatus[None]
    ) -> None:
        from ..simulator import open_simulator

        async with open_simulator(
            exchange,
            symbols=(_SYMBOL, "ETHUSDT"),
            transport=self.transport,
            seed=self.seed,
            pace=_PACE,
            environment=self.environment,
        ) as simulator:
            manager = WebSocketManager(simulator.config(), connection_handlers=self._on_event)
            self._bind(manager, exchange)
            async with manager:
                task_status.started()
                with trio.move_on_after(self.seconds / 2) as first_half:
                    await self._over.wait()
                if first_half.cancelled_caught:
                    simulator.disconnect("drop")
                await self._over.wait()
                self.statistics[exchange] = manager.statistics()

    async def _run_hot_line(self, *, task_status: trio.TaskStatus[None]) -> None:
        from ..simulator import open_simulator

        hot = self._hot
        row = self.board.add(hot.exchange, "spot.trades, hot line")
        async with open_simulator(
            hot.exchange,
            symbols=(_SYMBOL,),
            transport=self.transport,
            seed=self.seed + 1,
            pace=_PACE,
            environment=self.environment,
        ) as simulator:
            async with WebSocketManager(
                simulator.config(redundancy=Redundancy.HOT),
                bind_channels={f"spot.trades.{_SYMBOL}": [row, hot]},
                connection_handlers=hot.on_event,
            ):
                task_status.started()
                with trio.move_on_after(self.seconds / 2) as first_half:
                    await self._over.wait()
                if first_half.cancelled_caught:
                    simulator.disconnect("drop", simulator.connections[0])
                await self._over.wait()

    def _bind(self, manager: WebSocketManager, exchange: ExchangeEnum) -> None:
        """Bind every kind the venue offers, and the forms of its own that MEXC has."""
        for kind in manager.venue.channels:
            if kind == PublicChannelType.ORDERBOOK_DELTA:
                continue  # seen already: the book is kept from it
            manager.bind(f"{kind}.{_SYMBOL}", self.board.add(exchange, kind))
        if exchange is ExchangeEnum.MEXC:
            batch = self.board.add(exchange, "spot.book_ticker batch")
            manager.bind(f"spot.book_ticker.{_SYMBOL}", batch, batch=True)
            every = self.board.add(exchange, "spot.ticker all symbols")
            manager.bind("spot.ticker", every, symbols="all")

    def _on_event(self, event: ConnectionEvent) -> None:
        self.board.on_event(event)
        if isinstance(event, BookStateChanged):
            return  # its row shows it
        if not isinstance(event, Connected):
            self.screen.event(event_line(event))

    # The end

    def _facts(self) -> Iterator[str]:
        for exchange, outage in self.board.reconnects.items():
            yield f"{exchange}: reconnected {outage / 1e6:.1f} ms after the forced disconnect"
        if self._hot.exchange in self.exchanges:
            yield self._hot.fact()
        for exchange, said in self.statistics.items():
            yield (
                f"{exchange}: {said.frames} frames, {said.undecodable} undecodable, "
                f"{said.unrouted} unrouted"
            )
