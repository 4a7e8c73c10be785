"""The pushes of Gate.io spot as they stand on the wire, for msgspec to parse into.

One struct a channel names the fields we use, under the venue's names; whatever else is sent is
ignored. `stream` is always the field that names the stream, `moment` the time in milliseconds,
and `numbers` all that must be finite. Source: Gate's WebSocket v4 documents, 2025-07 and 2026-07.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Generic, TypeAlias, TypeVar

import msgspec
from msgspec import field

from ...messages import Side
from .wire import Millis, Seconds, Version

__all__ = [
    "BestResult",
    "BookResult",
    "CandleResult",
    "Push",
    "TickerResult",
    "TimedPush",
    "TradeResult",
    "UpdateResult",
]

N = TypeVar("N")
R = TypeVar("R")
Levels: TypeAlias = tuple[tuple[N, N], ...]


class Push(msgspec.Struct, Generic[R], gc=False):
    """A push whose result says its own time, nearly always: the envelope's is not looked at."""

    result: R


class TimedPush(Push[R], Generic[R], gc=False):
    """A push whose result says no time."""

    time_ms: Millis | None = None
    time: Seconds | None = None


class TradeResult(msgspec.Struct, Generic[N], gc=False):
    stream: str = field(name="currency_pair")
    id: int | str
    side: Side
    amount: N
    price: N
    create_time: Seconds | None = None
    # Text, because a Decimal takes longer to make than all the rest of a trade.
    create_time_ms: str | int | float | None = None
    id_market: Version | None = None

    def numbers(self) -> Iterable[N]:
        return self.amount, self.price


class TickerResult(msgspec.Struct, Generic[N], gc=False):
    stream: str = field(name="currency_pair")
    last: N
    change_percentage: N
    base_volume: N
    quote_volume: N
    high_24h: N
    low_24h: N
    # Text, because it is empty where that side of the book is.
    lowest_ask: str | float | None = None
    highest_bid: str | float | None = None

    def numbers(self) -> Iterable[N]:
        return (
            self.last,
            self.change_percentage,
            self.base_volume,
            self.quote_volume,
            self.high_24h,
            self.low_24h,
        )


class CandleResult(msgspec.Struct, Generic[N], gc=False):
    start: Seconds = field(name="t")
    quote_volume: N = field(name="v")
    close: N = field(name="c")
    high: N = field(name="h")
    low: N = field(name="l")
    open: N = field(name="o")
    stream: str = field(name="n")
    base_volume: N | None = field(name="a", default=None)
    closed: bool | None = field(name="w", default=None)

    def numbers(self) -> Iterable[N]:
        always = (self.quote_volume, self.close, self.high, self.low, self.open)
        return always if self.base_volume is None else (*always, self.base_volume)


class BestResult(msgspec.Struct, Generic[N], gc=False):
    stream: str = field(name="s")
    bid_price: N = field(name="b")
    bid_quantity: N = field(name="B")
    ask_price: N = field(name="a")
    ask_quantity: N = field(name="A")
    version: Version = field(name="u")
    moment: Millis | None = field(name="t", default=None)

    def numbers(self) -> Iterable[N]:
        return self.bid_price, self.bid_quantity, self.ask_price, self.ask_quantity


class BookResult(msgspec.Struct, Generic[N], gc=False):
    stream: str = field(name="s")
    version: Version = field(name="lastUpdateId")
    bids: Levels[N]
    asks: Levels[N]
    moment: Millis | None = field(name="t", default=None)

    def numbers(self) -> Iterable[N]:
        return chain(*self.bids, *self.asks)


class UpdateResult(msgspec.Struct, Generic[N], gc=False):
    stream: str = field(name="s")
    last: Version = field(name="u")
    first: Version | None = field(name="U", default=None)
    bids: Levels[N] = field(name="b", default=())
    asks: Levels[N] = field(name="a", default=())
    moment: Millis | None = field(name="t", default=None)
    full: bool = False
    depth: int | None = field(name="l", default=None)

    def numbers(self) -> Iterable[N]:
        return chain(*self.bids, *self.asks)
