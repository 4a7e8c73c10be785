"""From a frame to its handler, without a socket: thirty symbols bound, a handler that returns.

`raw` has a decoder that returns a constant, so what remains is the venue's key, the look-up of
the route and the call. A turn takes several passes and counts the fastest, in CPU time.

`message_handler` is the deprecated way: `create_websocket_client(message_handler=…)`, whose one
handler gets everything and looks up by symbol what to call. As it subscribes nothing, the symbols
are bound besides, to a handler that returns. `bind` is a manager with the thirty handlers bound.
Both are raw, and of trades.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import attrs

from trioex import (
    Channel,
    ExchangeEnum,
    WebSocketManager,
    create_exchange_component,
    create_websocket_client,
)
from trioex.channels import Parameters
from trioex.config import ErrorPolicy
from trioex.exchanges import Venue
from trioex.exchanges.base import Control
from trioex.exchanges.gateio.spot import GateioSpot
from trioex.exchanges.mexc.spot import MexcSpot
from trioex.messages import MarketMessage
from trioex.router import Outlet, Router

from .cli import main
from .harness import Bench, Row, Target, compare
from .samples import GATE_SYMBOLS, gate_trades, gate_updates, mexc_depths

__all__ = ["Source", "make_router", "measure"]

_BIND, _OLD = "trioex, bind", "trioex, message_handler"
_FRAMES, _PASSES = 3000, 4
_CONSTANT: Sequence[MarketMessage] = (MarketMessage(*("", "", "", 0, 0)),)  # type: ignore[arg-type]


def _constant(_frame: bytes, _received: int) -> Sequence[MarketMessage]:
    return _CONSTANT


def _raw(venue: Venue) -> Venue:
    """The venue, with a decoder that decodes nothing."""
    setattr(venue, "decoder", lambda _topic, _number_type: _constant)  # noqa: B010
    return venue


@attrs.define
class Source:
    """Who read the frames: a leg, or nobody, whose book deltas no merger looks at."""

    leg: int | None
    heard: int = 0

    def on_control(self, control: Control) -> None:
        raise AssertionError(f"all frames are pushes, and this is none: {control}")


def _nothing(*_: object) -> None:
    """What is called."""


def measure(bench: Bench) -> list[Row]:
    """Nanoseconds a frame."""
    gate = [
        frame
        for symbol in GATE_SYMBOLS
        for frame in gate_updates(_FRAMES // len(GATE_SYMBOLS), f"{symbol[:-4]}_USDT")
    ]
    mexc = mexc_depths(_FRAMES)
    nobody, source = Source(None), Source(0)
    runs = {
        "trioex, gateio raw": partial(_run, _raw(GateioSpot()), GATE_SYMBOLS, gate, True, nobody),
        "trioex, mexc raw": partial(_run, _raw(MexcSpot()), ("BTCUSDT",), mexc, False, nobody),
        "trioex, gateio decoded": partial(_run, GateioSpot(), GATE_SYMBOLS, gate, True, source),
        "trioex, mexc decoded": partial(_run, MexcSpot(), ("BTCUSDT",), mexc, False, source),
    }
    target = Target(280, 150, "value")
    targets = {"trioex, gateio raw": target, "trioex, mexc raw": target}
    turns = bench.turns(runs, 15)
    trades = [frame for symbol in GATE_SYMBOLS for frame in _trades(symbol)]
    ways = bench.turns({_BIND: partial(_ways, trades, False), _OLD: partial(_ways, trades, True)})
    return [
        *compare("route and call", turns, "ns", "ns", targets=targets),
        *compare("route and call, trades of a manager", ways, "ns", "ns", peer=_BIND),
    ]


def _trades(symbol: str) -> list[bytes]:
    native = f"{symbol[:-4]}_USDT".encode()
    trades = gate_trades(_FRAMES // len(GATE_SYMBOLS))
    return [frame.replace(b"BTC_USDT", native) for frame in trades]


def _ways(frames: list[bytes], is_old: bool) -> dict[str, float]:
    """What a manager made by one of the two functions takes, a frame."""
    manager = _manager(is_old)
    router, source, passes = manager._router, Source(None), []  # there is no way in but by sockets
    for _ in range(_PASSES):
        begin = time.thread_time_ns()
        router.feed(router.begin(frames), True, 0, source)
        passes.append(time.thread_time_ns() - begin)
    assert not router.unrouted
    return {"ns": min(passes) / len(frames)}


def _manager(is_old: bool) -> WebSocketManager:
    handlers = dict.fromkeys(("", *GATE_SYMBOLS), _nothing)

    def on_message(message: MarketMessage) -> None:
        handlers[message.symbol](message)

    if is_old:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            manager = create_websocket_client(ExchangeEnum.GATEIO, message_handler=on_message)
    else:
        manager = create_exchange_component(ExchangeEnum.GATEIO)
    _raw(manager.venue)
    for symbol in GATE_SYMBOLS:
        manager.bind(f"spot.trades.{symbol}", _nothing)
    return manager


def _run(
    venue: Venue, symbols: Sequence[str], frames: list[bytes], text: bool, source: Source
) -> dict[str, float]:
    passes = []
    for _ in range(_PASSES):
        router = make_router(venue, symbols)  # a new one, to which all versions are new
        begin = time.thread_time_ns()
        router.feed(router.begin(frames), text, 0, source)
        passes.append(time.thread_time_ns() - begin)
        assert not router.unrouted
        assert not router.undecodable
        assert not router.duplicates
    return {"ns": min(passes) / len(frames)}


def make_router(
    venue: Venue, symbols: Sequence[str], handler: Callable[[Any], object] = _nothing
) -> Router:
    """A router with the order book deltas of some symbols bound."""
    router = Router(venue, float, _nothing)
    for number, symbol in enumerate(symbols):
        topic = venue.topic(Channel.parse(f"spot.orderbook_delta.{symbol}"), Parameters())
        router.bind(topic, _outlet(number, handler))
    return router


def _outlet(number: int, handler: Callable[[Any], object]) -> Outlet:
    return Outlet(
        number,
        handler,
        label="benchmark",
        on_error=ErrorPolicy.RAISE,
    )


if __name__ == "__main__":
    main("routing")
