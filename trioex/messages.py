"""What handlers get: frozen structs, one type a kind of news.

Every message says which exchange, market and symbol it is about, the exchange's time and the
time its frame was read, both in integer nanoseconds since the epoch. Prices and quantities
are `float`, or `Decimal` where the manager was configured so; quantities are in the base
coin. A level is a `(price, quantity)` pair.

Messages are shared by all bindings of a channel: they cannot be changed.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

import msgspec

from .channels import ExchangeEnum

__all__ = [
    "BookDelta",
    "BookSnapshot",
    "BookState",
    "BookTicker",
    "Kline",
    "Level",
    "MarketMessage",
    "Number",
    "Side",
    "Ticker",
    "Trade",
]

Number: TypeAlias = float | Decimal
Level: TypeAlias = tuple[Number, Number]


class Side(StrEnum):
    """The side of the taker."""

    BUY = "buy"
    SELL = "sell"


class BookState(StrEnum):
    """Where an order book is. Only a LIVE one can be read."""

    SYNCING = "syncing"
    """It waits for a snapshot to begin with."""
    LIVE = "live"
    """It is the exchange's book at its version."""
    STALE = "stale"
    """It was LIVE, and no connection brings its changes any more."""
    GAP = "gap"
    """Something is missing or cannot be right: it is being built anew."""


class MarketMessage(msgspec.Struct, frozen=True, gc=False):
    """What all market data has in common.

    Attributes:
        exchange: where it happened.
        market: `spot` or `futures`.
        symbol: `BTCUSDT`, in the one spelling for every venue.
        exchange_time: when the exchange says it happened, ns since the epoch.
        receive_time: when its frame was read from the socket, ns since the epoch.
    """

    exchange: ExchangeEnum
    market: str
    symbol: str
    exchange_time: int
    receive_time: int


class Trade(MarketMessage, frozen=True, gc=False, tag="trade"):
    """One public trade.

    Attributes:
        price: quote coin for one base coin.
        quantity: base coin.
        side: the side of the taker.
        trade_id: the venue's id, or None where it gives none.
        sequence: the venue's per-market running number, or None where it gives none.
    """

    price: Number
    quantity: Number
    side: Side
    trade_id: str | None = None
    sequence: int | None = None


class BookTicker(MarketMessage, frozen=True, gc=False, tag="book_ticker"):
    """Best bid and best ask.

    Attributes:
        version: the book version it was taken at, or None where the venue gives none.
    """

    bid_price: Number
    bid_quantity: Number
    ask_price: Number
    ask_quantity: Number
    version: int | None = None


class BookDelta(MarketMessage, frozen=True, gc=False, tag="book_delta"):
    """Levels of the order book that changed, in no particular order.

    Attributes:
        bids, asks: levels with their new quantity; quantity zero deletes the level.
        first_version, last_version: the first and the last book version contained. The next
            delta's first version is this one's last plus one, or something was lost.
    """

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    first_version: int
    last_version: int


class BookSnapshot(MarketMessage, frozen=True, gc=False, tag="book_snapshot"):
    """A whole order book, or the whole top of one: it replaces what was known.

    Attributes:
        bids: highest price first.
        asks: lowest price first.
        version: the book version it was taken at.
        depth: levels a side the stream carries, or None where that is not said.
    """

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    version: int
    depth: int | None = None


class Ticker(MarketMessage, frozen=True, gc=False, tag="ticker"):
    """Statistics of 24 hours, or of the day that was asked for.

    Attributes:
        last: price of the last trade.
        high, low: of the period.
        base_volume, quote_volume: traded in the period, in base and in quote coin.
        change_percent: change of the price over the period, in percent.
        bid_price, ask_price: best prices, or None where the venue sends none.
    """

    last: Number
    high: Number
    low: Number
    base_volume: Number
    quote_volume: Number
    change_percent: Number
    bid_price: Number | None = None
    ask_price: Number | None = None


class Kline(MarketMessage, frozen=True, gc=False, tag="kline"):
    """One candle as it stands.

    Attributes:
        interval: `1m`, `15m`, `1h`, `1d`, …
        open_time, close_time: the window, ns since the epoch; the close is exclusive.
        base_volume, quote_volume: in base and in quote coin; base is None where an old
            stream does not send it.
        closed: whether the window is over; None where the venue does not say.
    """

    interval: str
    open_time: int
    close_time: int
    open: Number
    high: Number
    low: Number
    close: Number
    base_volume: Number | None
    quote_volume: Number
    closed: bool | None = None
