"""`trioex watch`: bind channels and print what comes.

Messages wait in their bindings' queues while the output is slow, and the output is written in
a thread: a terminal that was stopped holds up neither pings nor anything else. Messages of one
channel are printed in the order of the wire, and nothing is dropped.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import msgspec
import trio

from ..binding import Binding, BindingState
from ..channels import Channel, ExchangeEnum, Parameters
from ..config import WebSocketConfig
from ..errors import ConnectFailed
from ..manager import WebSocketManager
from ..messages import MarketMessage
from ..orderbook import OrderBook
from .logs import EventLog, library_warnings
from .output import WAITING, write_lines
from .text import message_line

__all__ = ["Watch", "watch"]

_BOOK_LEVELS = 20
"""Of a book, a side; the whole of one is hundreds of lines."""
_LONGEST = 3600.0
"""A recording ends when all of it is printed, however long the output takes."""


@attrs.frozen(kw_only=True)
class Watch:
    """What to watch and how to print it.

    Attributes:
        parameters: keywords of `bind`, for every channel.
        simulate: on the built-in simulator, with the symbols of the channels.
        recording: from a recorded session; it ends when that is over.
        seconds, count: when to stop, or None.
        as_json: JSON lines instead of readable ones.
    """

    exchange: ExchangeEnum
    channels: tuple[Channel, ...]
    parameters: Parameters = attrs.field(factory=Parameters)
    simulate: bool = False
    recording: Path | None = None
    seconds: float | None = None
    count: int | None = None
    as_json: bool = False

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of the channels, each once."""
        return tuple(dict.fromkeys(each.symbol for each in self.channels if each.symbol))


async def watch(what: Watch) -> None:
    """Print messages until one of the limits is reached or the recording is over.

    Cancelling it stops at once; a line may be cut.

    Raises:
        BindingError: a channel that cannot be bound.
        SubscriptionRefused: the exchange refused one of them.
        ConnectFailed: there is no connection.
        RecordingError: the recording cannot be read.
        OSError: the output cannot be written.
    """
    send, receive = trio.open_memory_channel[str](WAITING)
    events = EventLog()
    form = _json_line if what.as_json else message_line

    async def show(message: MarketMessage | OrderBook) -> None:
        await send.send(form(message))

    with library_warnings():
        async with _open_source(what) as config, trio.open_nursery() as nursery:
            manager = WebSocketManager(config, connection_handlers=events)
            bindings = [_bind(manager, channel, what, show) for channel in what.channels]
            nursery.start_soon(write_lines, receive, what.count, nursery.cancel_scope)
            async with send:
                await _run(manager, bindings, what, events)


def _json_line(message: MarketMessage | OrderBook) -> str:
    if isinstance(message, OrderBook):
        message = message.snapshot(_BOOK_LEVELS)
    return msgspec.json.encode(message).decode()


@asynccontextmanager
async def _open_source(what: Watch) -> AsyncGenerator[WebSocketConfig]:
    from ..simulator import open_simulator

    if what.recording is not None:
        async with open_simulator(what.exchange, recording=what.recording, pace=None) as simulator:
            yield simulator.config(reconnect=False, close_timeout=_LONGEST)
    elif what.simulate:
        symbols = what.symbols or ("BTCUSDT", "ETHUSDT")
        async with open_simulator(what.exchange, symbols=symbols) as simulator:
            yield simulator.config()
    else:
        yield WebSocketConfig(exchange=what.exchange)


def _bind(
    manager: WebSocketManager, channel: Channel, what: Watch, show: Callable[..., object]
) -> Binding[Any]:
    # Without a symbol there is nothing to hear but an all-symbols stream; a recording has
    # whatever was subscribed when it was made.
    every = channel.symbol is None and what.recording is None
    keywords = what.parameters.given()
    return manager.bind(channel, show, symbols="all" if every else None, **keywords)


async def _run(
    manager: WebSocketManager, bindings: list[Binding[Any]], what: Watch, events: EventLog
) -> None:
    deadline = math.inf if what.seconds is None else trio.current_time() + what.seconds
    # One scope, lifted when everything is subscribed: then there is time to end in peace.
    with trio.CancelScope(deadline=deadline) as opening:
        async with manager:
            for binding in bindings:
                # A recording confirms only what was asked for when it was made.
                if what.recording is None or binding.state is BindingState.REFUSED:
                    await binding
            opening.deadline = math.inf
            with trio.CancelScope(deadline=deadline):
                await manager.wait_closed()
    if opening.cancelled_caught:
        raise ConnectFailed(f"not subscribed within {what.seconds:g} s: {events.failure}")
