"""What the tests of connections that come back share: a manager on an exchange, and its events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio
from support import Collector

from trioex import Environment, WebSocketManager
from trioex.events import Connected, ConnectionEvent, Disconnected, Reconnected
from trioex.simulator import Simulator, open_simulator

E = TypeVar("E", bound=ConnectionEvent)

VENUES = ("mexc", "gateio")
QUIET = 1e-6
"""A pace at which the market does not move while a test runs."""


@asynccontextmanager
async def managed(
    exchange: str,
    environment: Environment,
    *,
    symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT"),
    pace: float = 1.0,
    latency: float = 0.0,
    bind_channels: Any = None,
    connection_handlers: Any = None,
    **config: Any,
) -> AsyncGenerator[tuple[Simulator, WebSocketManager]]:
    """An exchange, and a manager that is ready."""
    async with open_simulator(
        exchange, symbols=symbols, environment=environment, pace=pace, latency=latency
    ) as simulator:
        manager = WebSocketManager(
            simulator.config(**config),
            bind_channels=bind_channels,
            connection_handlers=connection_handlers,
        )
        async with manager:
            yield simulator, manager


@asynccontextmanager
async def running(
    exchange: str, environment: Environment, **how: Any
) -> AsyncGenerator[tuple[Simulator, WebSocketManager, Collector]]:
    """The same, see `managed`, and all it tells of its connections."""
    events = Collector()
    async with managed(exchange, environment, connection_handlers=events, **how) as (simulator, ws):
        yield simulator, ws, events


def ignore(message: object) -> None:
    """A handler that does nothing."""


def of(kind: type[E], events: Iterable[object]) -> list[E]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def told(kind: type[ConnectionEvent], count: int = 1) -> Callable[[list[Any]], bool]:
    """A condition for `Collector.wait`: so many events of a kind have come."""
    return lambda events: len(of(kind, events)) >= count


def owed(events: Iterable[object]) -> int:
    """Lines with a loss that was told and not yet mended.

    A leg that could not be opened for the first time lost nothing.
    """
    opened: set[int] = set()
    lost: set[int] = set()
    for event in events:
        if isinstance(event, Connected):
            opened.add(event.leg)
        elif isinstance(event, Disconnected) and event.leg in opened:
            lost.add(event.line)
        elif isinstance(event, Reconnected):
            lost.discard(event.line)
    return len(lost)


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a minute at most until something holds that has no event of its own."""
    with trio.fail_after(60):
        while not condition():  # noqa: ASYNC110  what is waited for is the simulator's
            await trio.sleep(0.005)
