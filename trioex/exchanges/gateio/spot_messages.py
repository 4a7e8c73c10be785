"""Messages from the parsed pushes of Gate.io spot, channel by channel.

One function a channel; the table at the end says which, and which structs it takes. A function
refuses a push of another stream than its own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import attrs
import msgspec

from ...channels import ExchangeEnum
from ...errors import DecodeError
from ...messages import (
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
from . import endpoints as at
from .spot_wire import (
    BestResult,
    BookResult,
    CandleResult,
    Push,
    TickerResult,
    TimedPush,
    TradeResult,
    UpdateResult,
)
from .wire import NS_A_MS, NS_A_SECOND, exact_ns, number_form, parser, require_finite

__all__ = ["CHANNELS", "GATEIO", "SPOT", "Build", "Messages", "Stream"]

GATEIO = ExchangeEnum.GATEIO
SPOT = "spot"


@attrs.frozen
class Stream:
    """What is known before a push comes: the venue's name of the stream, our words for it."""

    name: str
    symbol: str
    interval: str
    depth: int | None
    number_type: type[Number]
    topic: str = ""


Messages: TypeAlias = Sequence[MarketMessage]
Build: TypeAlias = Callable[[Stream, Any, bytes, int], Messages]
"""(stream, push, its frame, receive time) -> messages."""


def _of_another(name: str) -> DecodeError:
    return DecodeError(f"it is about {name!r}")


_parse_time = parser(TimedPush[Any]).decode


def _moment(push: Push[Any], frame: bytes, millis: int | None = None) -> int:
    """The exchange's time in ns: the result's own, else the envelope's."""
    if millis is not None:
        return millis * NS_A_MS
    timed = push if isinstance(push, TimedPush) else _parse_time(frame)
    if timed.time_ms is not None:
        return timed.time_ms * NS_A_MS
    if timed.time is not None:
        return timed.time * NS_A_SECOND
    raise DecodeError("it has neither `time_ms` nor `time`")


# Channel by channel. Arguments are given by place where pushes come by the thousand.


def _trades(stream: Stream, push: Push[Any], frame: bytes, received: int) -> Messages:
    result: TradeResult[Number] | list[TradeResult[Number]] = push.result
    if isinstance(result, list):
        return [_trade(stream, push, trade, frame, received) for trade in result]
    return (_trade(stream, push, result, frame, received),)


def _trade(
    stream: Stream, push: Push[Any], trade: TradeResult[Number], frame: bytes, received: int
) -> MarketMessage:
    if trade.stream != stream.name:
        raise _of_another(trade.stream)
    return Trade(
        GATEIO,
        SPOT,
        stream.symbol,
        _trade_moment(push, trade, frame),
        received,
        trade.price,
        trade.amount,
        trade.side,
        str(trade.id),
        trade.id_market,
    )


def _trade_moment(push: Push[Any], trade: TradeResult[Number], frame: bytes) -> int:
    millis = trade.create_time_ms
    if millis is None:
        seconds = trade.create_time
        return _moment(push, frame) if seconds is None else seconds * NS_A_SECOND
    moment = exact_ns(str(millis))
    if moment is None:
        raise DecodeError(f"`create_time_ms` {millis!r} is no time")
    return moment


def _ticker(stream: Stream, push: Push[Any], frame: bytes, received: int) -> Messages:
    ticker: TickerResult[Number] = push.result
    if ticker.stream != stream.name:
        raise _of_another(ticker.stream)
    message = Ticker(
        exchange=GATEIO,
        market=SPOT,
        symbol=stream.symbol,
        exchange_time=_moment(push, frame),
        receive_time=received,
        last=ticker.last,
        high=ticker.high_24h,
        low=ticker.low_24h,
        base_volume=ticker.base_volume,
        quote_volume=ticker.quote_volume,
        change_percent=ticker.change_percentage,
        bid_price=_price_or_none(stream, ticker.highest_bid),
        ask_price=_price_or_none(stream, ticker.lowest_ask),
    )
    return (message,)


def _price_or_none(stream: Stream, price: str | float | None) -> Number | None:
    if price is None or price == "":
        return None
    number: Number = msgspec.convert(price, number_form(stream.number_type), strict=False)
    if isinstance(number, Decimal):
        require_finite((number,))
    return number


def _candle(stream: Stream, push: Push[Any], frame: bytes, received: int) -> Messages:
    candle: CandleResult[Number] = push.result
    if candle.stream != stream.name:
        raise _of_another(candle.stream)
    message = Kline(
        exchange=GATEIO,
        market=SPOT,
        symbol=stream.symbol,
        exchange_time=_moment(push, frame),
        receive_time=received,
        interval=stream.interval,
        open_time=candle.start * NS_A_SECOND,
        close_time=_candle_end(candle.start, stream.interval) * NS_A_SECOND,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        base_volume=candle.base_volume,
        quote_volume=candle.quote_volume,
        closed=candle.closed,
    )
    return (message,)


def _candle_end(start: int, interval: str) -> int:
    """When the candle that begins at `start` ends; both in seconds.

    Gate's documents of the candles call `30d` "a natural month, not 30 days".
    """
    first = dt.datetime.fromtimestamp(start, dt.UTC)
    if interval == "30d" and first.day == 1:
        return int((first + dt.timedelta(days=31)).replace(day=1).timestamp())
    return start + at.INTERVALS[interval]


def _best(stream: Stream, push: Push[Any], frame: bytes, received: int) -> Messages:
    best: BestResult[Number] = push.result
    if best.stream != stream.name:
        raise _of_another(best.stream)
    message = BookTicker(
        GATEIO,
        SPOT,
        stream.symbol,
        _moment(push, frame, best.moment),
        received,
        best.bid_price,
        best.bid_quantity,
        best.ask_price,
        best.ask_quantity,
        best.version,
    )
    return (message,)


def _book(stream: Stream, push: Push[Any], frame: bytes, received: int) -> Messages:
    book: BookResult[Number] = push.result
    if book.stream != stream.name:
        raise _of_another(book.stream)
    message = BookSnapshot(
        GATEIO,
        SPOT,
        stream.symbol,
        _moment(push, frame, book.moment),
        received,
        book.bids,
        book.asks,
        book.version,
        stream.depth,
    )
    return (message,)


def _update(stream: Stream, push: Push[Any], frame: bytes, received: int) -> Messages:
    update: UpdateResult[Number] = push.result
    if update.stream != stream.name:
        raise _of_another(update.stream)
    moment = _moment(push, frame, update.moment)
    if update.full:
        return (_whole_book(stream, update, moment, received),)
    if update.first is None:
        raise DecodeError("Object missing required field `U` - at `$.result`")
    if update.last < update.first:
        raise DecodeError(f"an update goes from version {update.first} to {update.last}")
    message = BookDelta(
        GATEIO,
        SPOT,
        stream.symbol,
        moment,
        received,
        update.bids,
        update.asks,
        update.first,
        update.last,
    )
    return (message,)


def _whole_book(
    stream: Stream, update: UpdateResult[Number], moment: int, received: int
) -> MarketMessage:
    return BookSnapshot(
        exchange=GATEIO,
        market=SPOT,
        symbol=stream.symbol,
        exchange_time=moment,
        receive_time=received,
        bids=_side(update.bids, descending=True),
        asks=_side(update.asks, descending=False),
        version=update.last,
        depth=update.depth or stream.depth,
    )


def _side(levels: Iterable[Level], *, descending: bool) -> tuple[Level, ...]:
    # Levels of an update come in no order, and the documented whole one deletes a level too.
    return tuple(sorted((level for level in levels if level[1]), reverse=descending))


CHANNELS: dict[str, tuple[Any, Any, Build]] = {
    at.TRADES: (Push, TradeResult, _trades),
    at.TICKERS: (TimedPush, TickerResult, _ticker),
    at.CANDLESTICKS: (TimedPush, CandleResult, _candle),
    at.BOOK_TICKER: (Push, BestResult, _best),
    at.ORDER_BOOK: (Push, BookResult, _book),
    at.ORDER_BOOK_UPDATE: (Push, UpdateResult, _update),
    at.OBU: (Push, UpdateResult, _update),
}
"""How a push of each channel is parsed, and what makes its messages."""
