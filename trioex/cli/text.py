"""Messages and events as one line for people. ASCII only: not every terminal speaks UTF-8."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ..events import (
    BookStateChanged,
    Connected,
    ConnectionEvent,
    Disconnected,
    Reconnected,
    SlowConsumer,
    SubscriptionRefused,
    VenueNotice,
)
from ..messages import (
    BookDelta,
    BookSnapshot,
    BookTicker,
    Kline,
    Level,
    MarketMessage,
    Number,
    Ticker,
    Trade,
)
from ..orderbook import OrderBook

__all__ = ["clock", "event_line", "message_line", "number", "value"]


def number(given: Number) -> str:
    """A number in full, never with an exponent: `0.000001`."""
    text = f"{Decimal(str(given)):f}"
    return text.removesuffix(".0")


def clock(time: int) -> str:
    """The UTC time of day of ns since the epoch, to the millisecond."""
    seconds, rest = divmod(time, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}.{rest // 1_000_000:03d}"


# Messages


def message_line(message: MarketMessage | OrderBook) -> str:
    """When the exchange says it happened, where, and what."""
    if isinstance(message, OrderBook):
        kind = "book"
    else:
        kind = str(message.__struct_config__.tag).replace("_", " ")
    return (
        f"{clock(message.exchange_time)}  {message.exchange:<6}  {message.symbol:<10}  "
        f"{kind:<13}  {value(message)}"
    )


def value(message: MarketMessage | OrderBook) -> str:
    """What a message says, the most telling first."""
    if isinstance(message, OrderBook):
        return _order_book(message)
    return _VALUES[type(message)](message)


def _trade(trade: Trade) -> str:
    return f"{number(trade.price)} {trade.side} {number(trade.quantity)}"


def _book_ticker(ticker: BookTicker) -> str:
    return (
        f"{number(ticker.bid_price)} / {number(ticker.ask_price)}"
        f"  ({number(ticker.bid_quantity)} / {number(ticker.ask_quantity)})"
    )


def _book_delta(delta: BookDelta) -> str:
    return (
        f"{len(delta.bids)} bids, {len(delta.asks)} asks changed"
        f"  (version {delta.first_version} to {delta.last_version})"
    )


def _book_snapshot(book: BookSnapshot) -> str:
    return (
        f"{_best(book.bids)} / {_best(book.asks)}"
        f"  ({len(book.bids)} bids, {len(book.asks)} asks, version {book.version})"
    )


def _order_book(book: OrderBook) -> str:
    if not book.is_live:
        return f"{book.state}: {book.reason}"
    best = f"{_best(book.bids(1))} / {_best(book.asks(1))}"
    return f"{best}  ({len(book)} levels, version {book.version})"


def _best(levels: Sequence[Level]) -> str:
    return number(levels[0][0]) if levels else "-"


def _ticker(ticker: Ticker) -> str:
    return (
        f"{number(ticker.last)}  {ticker.change_percent:+.2f} %"
        f"  (high {number(ticker.high)}, low {number(ticker.low)})"
    )


def _kline(kline: Kline) -> str:
    prices = ", ".join(
        f"{name} {number(getattr(kline, name))}" for name in ("open", "high", "low", "close")
    )
    return f"{kline.interval} from {clock(kline.open_time)[:8]}: {prices}"


_VALUES: dict[type[MarketMessage], Callable[[Any], str]] = {
    Trade: _trade,
    BookTicker: _book_ticker,
    BookDelta: _book_delta,
    BookSnapshot: _book_snapshot,
    Ticker: _ticker,
    Kline: _kline,
}


# Events


def event_line(event: ConnectionEvent) -> str:
    """When, on which connection, and what happened."""
    line = "" if event.line < 0 else f" connection {event.line}"
    return f"{clock(event.time)}  {event.exchange}{line}: {_what(event)}"


def _what(event: ConnectionEvent) -> str:
    match event:
        case Connected():
            return "connected"
        case BookStateChanged(channel=channel, state=state, reason=reason):
            return f"{channel} is {state}{f': {reason}' if reason else ''}"
        case Disconnected(reason=reason, retry_in=None):
            return f"lost, for good: {reason}"
        case Disconnected(reason=reason, retry_in=delay):
            return f"lost, trying again {f'in {delay:.1f} s' if delay else 'at once'}: {reason}"
        case Reconnected(outage_ns=outage):
            return f"reconnected and subscribed again after {outage / 1e6:.1f} ms"
        case SlowConsumer(channel=channel, waiting_bytes=waiting):
            return f"{waiting} bytes wait for {channel or 'the router'}"
        case SubscriptionRefused(channel=channel, reason=reason, is_final=is_final):
            refused = "refused" if is_final else "refused for now"
            return f"{channel} {refused}: {' '.join(reason.split())}"
        case VenueNotice(kind=kind, text=text):
            return f"the exchange says {kind!r}: {' '.join(text.split())}"
        case _:
            return type(event).__name__
