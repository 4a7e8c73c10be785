"""The pushes of Gate.io spot v4, one class a channel, in the compact form of the live wire.

All are text JSON. Every push but those of `spot.obu` begins with `time` and `time_ms`; the
order of the keys is the venue's. `lastUpdateId`, `U`, `u` and the id of the REST book are one
counter a pair.
"""

from __future__ import annotations

import abc
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .board import MILLISECOND, SECOND, Frame, Stream, changed_levels, top_of
from .candles import Candle, window
from .market import Step, SymbolMarket, Trade

__all__ = [
    "BookTickers",
    "Candlesticks",
    "OrderBook",
    "OrderBookUpdate",
    "OrderBookV2",
    "Tickers",
    "Trades",
    "dump",
    "levels",
    "pair_of",
    "push",
    "symbol_of",
]


def dump(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Write JSON without a needless space, as the venue does."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def pair_of(market: SymbolMarket) -> str:
    """`BTC_USDT`, the venue's spelling."""
    return f"{market.listing.base}_{market.listing.quote}"


def symbol_of(pair: str) -> str | None:
    """`BTCUSDT` for `BTC_USDT`, or None for what has another form."""
    base, underscore, quote = pair.partition("_")
    return base + quote if underscore and base and quote and "_" not in quote else None


def levels(market: SymbolMarket, pairs: Iterable[tuple[int, int]]) -> list[list[str]]:
    """(ticks, lots) as the venue's `[price, amount]` strings."""
    listing = market.listing
    return [[listing.price(price), listing.quantity(quantity)] for price, quantity in pairs]


def push(channel: str, result: Mapping[str, Any], now: int) -> str:
    """The envelope of an update."""
    envelope = {"time": now // SECOND, "time_ms": now // MILLISECOND}
    return dump(envelope | {"channel": channel, "event": "update", "result": result})


class _PairStream(Stream):
    def __init__(self, market: SymbolMarket, period: int, now: int) -> None:
        super().__init__(market.listing.symbol, period, now)
        self.market = market


class Tickers(_PairStream):
    """`spot.tickers`, each second."""

    periodic = True

    def write(self, now: int) -> list[Frame]:
        """24 hour figures of the pair."""
        listing, day = self.market.listing, self.market.day(now)
        bid, _, ask, _ = self.market.top()
        result = {
            "currency_pair": pair_of(self.market),
            "last": listing.price(day.last),
            "lowest_ask": listing.price(ask),
            "highest_bid": listing.price(bid),
            "change_percentage": f"{(day.last - day.open) / day.open * 100:.4f}",
            "base_volume": listing.quantity(day.base),
            "quote_volume": listing.turnover(day.quote),
            "high_24h": listing.price(day.high),
            "low_24h": listing.price(day.low),
        }
        return [push("spot.tickers", result, now)]


class Trades(_PairStream):
    """`spot.trades`, each trade at once."""

    def __init__(self, market: SymbolMarket, period: int, now: int) -> None:
        super().__init__(market, period, now)
        self._trades: list[Trade] = []

    def hears(self, step: Step) -> bool:
        """Collect the trades."""
        self._trades += step.trades
        return bool(step.trades)

    def write(self, now: int) -> list[Frame]:
        """One frame a trade."""
        trades, self._trades = self._trades, []
        return [push("spot.trades", self._result(trade), now) for trade in trades]

    def _result(self, trade: Trade) -> Mapping[str, Any]:
        listing = self.market.listing
        return {
            "id": trade.id,
            "id_market": trade.market_id,
            "create_time": trade.time // SECOND,
            # A string with a fraction of the millisecond, unlike every other time here.
            "create_time_ms": f"{trade.time // MILLISECOND}.{trade.time // 100 % 10_000:04d}",
            "side": str(trade.side),
            "currency_pair": pair_of(self.market),
            "amount": listing.quantity(trade.quantity),
            "price": listing.price(trade.price),
            "range": f"{trade.market_id}-{trade.market_id}",
        }


class Candlesticks(Stream):
    """`spot.candlesticks`, every two seconds; the last push of a window has `w: true`."""

    periodic = True

    def __init__(self, market: SymbolMarket, name: str, interval: int, now: int) -> None:
        super().__init__(market.listing.symbol, 2 * SECOND, now)
        self.market = market
        self._name = name
        self._series = market.candles[interval]
        self._pushed, _ = window(interval, self.begun // SECOND)

    def write(self, now: int) -> list[Frame]:
        """The windows that closed since the last push, then the current one."""
        *closed, current = self._series.since(self._pushed, now // SECOND)
        self._pushed = current.start
        return [
            *(self._push(candle, closed=True, now=now) for candle in closed),
            self._push(current, closed=False, now=now),
        ]

    def _push(self, candle: Candle, *, closed: bool, now: int) -> str:
        listing = self.market.listing
        result = {
            "t": str(candle.start),
            "v": listing.turnover(candle.quote),
            "c": listing.price(candle.close),
            "h": listing.price(candle.high),
            "l": listing.price(candle.low),
            "o": listing.price(candle.open),
            "n": f"{self._name}_{pair_of(self.market)}",
            "a": listing.quantity(candle.base),
            "w": closed,
        }
        return push("spot.candlesticks", result, now)


class BookTickers(_PairStream):
    """`spot.book_ticker`: the best bid and ask, when they change, at most every 10 ms."""

    def __init__(self, market: SymbolMarket, period: int, now: int) -> None:
        super().__init__(market, period, now)
        self._top = market.past(self.begun).best()

    def write(self, now: int) -> list[Frame]:
        """The best prices, unless they are back where they were."""
        if self.market.top() == self._top:
            return []
        listing = self.market.listing
        self._top = bid, bids, ask, asks = self.market.top()
        result = {
            "t": self.market.updated // MILLISECOND,
            "u": self.market.version,
            "s": pair_of(self.market),
            "b": listing.price(bid),
            "B": listing.quantity(bids),
            "a": listing.price(ask),
            "A": listing.quantity(asks),
        }
        return [push("spot.book_ticker", result, now)]


class OrderBook(_PairStream):
    """`spot.order_book`: the whole top of the book whenever it changed, first at once."""

    def __init__(self, market: SymbolMarket, level: str, period: int, now: int) -> None:
        super().__init__(market, period, now)
        self._level = level
        self._top = market.past(self.begun).top(int(level))

    def write(self, now: int) -> list[Frame]:
        """The top of the book, unless it is as it was a period ago."""
        before, self._top = self._top, top_of(self.market, int(self._level))
        return [] if self._top == before else self.first(now)

    def first(self, now: int) -> list[Frame]:
        """The top of the book as it is."""
        bids, asks = top_of(self.market, int(self._level))
        result = {
            "t": self.market.updated // MILLISECOND,
            "lastUpdateId": self.market.version,
            "s": pair_of(self.market),
            "l": self._level,
            "bids": levels(self.market, bids.items()),
            "asks": levels(self.market, asks.items()),
        }
        return [push("spot.order_book", result, now)]


class TopUpdates(_PairStream, abc.ABC):
    """The changes of the best `count` levels, with the versions `U` to `u` they span.

    A level that falls out of the top is deleted like one that ends, so that a client that
    applies every change holds just the top. A period in which only deeper levels changed
    gives a push without levels: the chain of versions has no hole.
    """

    is_chain = True

    def __init__(self, market: SymbolMarket, count: int, period: int, now: int) -> None:
        super().__init__(market, period, now)
        self._count = count
        book = market.past(self.begun)
        self._version, self._updated, self._top = book.version, book.updated, book.top(count)

    def write(self, now: int) -> list[Frame]:
        """The changes since the last push."""
        first, self._version = self._version + 1, self.market.version
        before, self._top = self._top, top_of(self.market, self._count)
        self._updated = self.market.updated
        bids, asks = (
            levels(self.market, changed_levels(old, new))
            for old, new in zip(before, self._top, strict=True)
        )
        return [self.change(first, bids, asks, now)]

    @abc.abstractmethod
    def change(self, first: int, bids: list[list[str]], asks: list[list[str]], now: int) -> Frame:
        """One push: versions `first` to the one now reached."""


class OrderBookUpdate(TopUpdates):
    """`spot.order_book_update`: 20 levels every 20 ms or 100 levels every 100 ms."""

    def change(self, first: int, bids: list[list[str]], asks: list[list[str]], now: int) -> Frame:
        """One push."""
        result = {
            "t": self._updated // MILLISECOND,
            "l": str(self._count),
            "e": "depthUpdate",
            "E": self._updated // SECOND,
            "s": pair_of(self.market),
            "U": first,
            "u": self._version,
            "b": bids,
            "a": asks,
        }
        return push("spot.order_book_update", result, now)


class OrderBookV2(TopUpdates):
    """`spot.obu`: the whole book first, then its changes; `time` is missing, as on the wire."""

    def __init__(self, market: SymbolMarket, name: str, count: int, period: int, now: int) -> None:
        super().__init__(market, count, period, now)
        self._name = name

    def whole(self, now: int) -> Frame:
        """The whole book as of the last push, so that the next one continues it."""
        bids, asks = (levels(self.market, side.items()) for side in self._top)
        return self._push(
            {"full": True, "s": self._name, "u": self._version, "b": bids, "a": asks}, now
        )

    def change(self, first: int, bids: list[list[str]], asks: list[list[str]], now: int) -> Frame:
        """One push; a side without a change has no key."""
        body: dict[str, Any] = {"s": self._name, "u": self._version, "U": first}
        body |= {key: side for key, side in (("b", bids), ("a", asks)) if side}
        return self._push(body, now)

    def _push(self, body: Mapping[str, Any], now: int) -> Frame:
        result = {"t": self._updated // MILLISECOND} | dict(body)
        return dump(
            {
                "channel": "spot.obu",
                "result": result,
                "time_ms": now // MILLISECOND,
                "event": "update",
            }
        )
