"""The pushes of MEXC spot v3, one class a channel: a protobuf wrapper with one body.

Field numbers are those of the definitions of 2026-06. The wrapper is written as it was seen
on the wire: channel, symbol, times, body. Prices and quantities are decimal strings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .board import MILLISECOND, SECOND, Frame, Stream, top_of
from .candles import Candle, window
from .engine import Side
from .market import Market, Step, SymbolMarket, Trade
from .protobuf import integer, message, text

__all__ = [
    "AggreBookTicker",
    "AggreDeals",
    "AggreDepth",
    "BookTickerBatch",
    "Kline",
    "LimitDepth",
    "MiniTicker",
    "MiniTickers",
    "ZONES",
    "symbol_id",
]

_LIMIT_DEPTHS, _KLINE, _MINI_TICKER, _MINI_TICKERS = 303, 308, 309, 310
_BOOK_TICKER_BATCH, _AGGRE_DEPTHS, _AGGRE_DEALS, _AGGRE_BOOK_TICKER = 311, 313, 314, 315


def symbol_id(symbol: str) -> str:
    """The 32 hexadecimal digits by which the venue also knows a symbol."""
    return symbol.encode().hex().ljust(32, "0")[:32]


def levels(market: SymbolMarket, field: int, pairs: Iterable[tuple[int, int]]) -> bytes:
    """(ticks, lots) as repeated {price, quantity}."""
    listing = market.listing
    return b"".join(
        message(field, text(1, listing.price(price)) + text(2, _quantity(market, price, lots)))
        for price, lots in pairs
    )


def _quantity(market: SymbolMarket, price: int, lots: int) -> str:
    # Zero is spelled in two ways on the wire; here the price decides, so both are met.
    return market.listing.quantity(lots) if lots or price % 2 else "0.00000000"


class _SymbolStream(Stream):
    """A stream of one symbol; `name` is the parameter it was subscribed with."""

    def __init__(self, market: SymbolMarket, name: str, period: int, now: int) -> None:
        super().__init__(market.listing.symbol, period, now)
        self.market = market
        self._name = name

    def wrap(self, number: int, body: bytes, now: int) -> bytes:
        """A push that carries `body` as field `number`."""
        return (
            text(1, self._name)
            + text(3, self.market.listing.symbol)
            + integer(6, now // MILLISECOND)
            + message(number, body)
        )

    def quotes(self) -> bytes:
        """bidPrice, bidQuantity, askPrice, askQuantity."""
        listing = self.market.listing
        bid, bids, ask, asks = self.market.top()
        return (
            text(1, listing.price(bid))
            + text(2, listing.quantity(bids))
            + text(3, listing.price(ask))
            + text(4, listing.quantity(asks))
        )

    def version(self, number: int) -> bytes:
        """The book's version, and behind it when the book last changed."""
        return text(number, str(self.market.version)) + self.ordered(number + 1)

    def ordered(self, number: int) -> bytes:
        """lastOrderCreateTime."""
        return integer(number, self.market.updated // MILLISECOND)


class AggreDepth(_SymbolStream):
    """`aggre.depth`: every changed level of the book, with the versions they span."""

    is_chain = True

    def __init__(self, market: SymbolMarket, name: str, period: int, now: int) -> None:
        super().__init__(market, name, period, now)
        self._version = market.past(self.begun).version
        self._changes: dict[tuple[Side, int], int] = {}

    def hears(self, step: Step) -> bool:
        """Keep the newest total of each level."""
        for change in step.changes:
            self._changes[change.side, change.price] = change.quantity
        return bool(step.changes)

    def write(self, now: int) -> list[Frame]:
        """One push."""
        first, self._version = self._version + 1, self.market.version
        changes, self._changes = self._changes, {}
        body = b"".join(
            levels(self.market, field,
                   [(price, lots) for (side, price), lots in changes.items() if side is which])
            for field, which in ((1, Side.SELL), (2, Side.BUY))
        )  # fmt: skip
        body += text(3, self._name.rpartition("@")[0])
        body += text(4, str(first)) + text(5, str(self._version)) + self.ordered(6)
        return [self.wrap(_AGGRE_DEPTHS, body, now)]


class LimitDepth(_SymbolStream):
    """`limit.depth`: the whole top of the book when it changed, first at once."""

    def __init__(self, market: SymbolMarket, name: str, period: int, now: int) -> None:
        super().__init__(market, name, period, now)
        self._count = int(name.rpartition("@")[2])
        self._top = market.past(self.begun).top(self._count)

    def write(self, now: int) -> list[Frame]:
        """The top, unless it is as it was a period ago."""
        before, self._top = self._top, top_of(self.market, self._count)
        return [] if self._top == before else self.first(now)

    def first(self, now: int) -> list[Frame]:
        """The top as it is."""
        bids, asks = top_of(self.market, self._count)
        body = levels(self.market, 1, asks.items()) + levels(self.market, 2, bids.items())
        body += text(3, "spot@public.limit.depth.v3.api.pb") + self.version(4)
        return [self.wrap(_LIMIT_DEPTHS, body, now)]


class AggreBookTicker(_SymbolStream):
    """`aggre.bookTicker`: the best prices each period, changed or not, as measured."""

    periodic = True

    def write(self, now: int) -> list[Frame]:
        """One push."""
        return [self.wrap(_AGGRE_BOOK_TICKER, self.quotes() + self.version(5), now)]


class BookTickerBatch(_SymbolStream):
    """`bookTicker.batch`: the best prices when they changed, first at once."""

    def __init__(self, market: SymbolMarket, name: str, period: int, now: int) -> None:
        super().__init__(market, name, period, now)
        self._top = market.past(self.begun).best()

    def write(self, now: int) -> list[Frame]:
        """One push, unless the prices are as they were a period ago."""
        before, self._top = self._top, self.market.top()
        return [] if self._top == before else self.first(now)

    def first(self, now: int) -> list[Frame]:
        """The best prices as they are."""
        body = message(1, self.quotes()) + self.version(2)
        return [self.wrap(_BOOK_TICKER_BATCH, body, now)]


class AggreDeals(_SymbolStream):
    """`aggre.deals`: the trades of a period in one push."""

    def __init__(self, market: SymbolMarket, name: str, period: int, now: int) -> None:
        super().__init__(market, name, period, now)
        self._trades: list[Trade] = []

    def hears(self, step: Step) -> bool:
        """Collect the trades."""
        self._trades += step.trades
        return bool(step.trades)

    def write(self, now: int) -> list[Frame]:
        """One push."""
        trades, self._trades = self._trades, []
        body = b"".join(message(1, self._deal(trade)) for trade in trades)
        return [self.wrap(_AGGRE_DEALS, body + text(2, self._name.rpartition("@")[0]), now)]

    def _deal(self, trade: Trade) -> bytes:
        listing = self.market.listing
        return (
            text(1, listing.price(trade.price))
            + text(2, listing.quantity(trade.quantity))
            + integer(3, 1 if trade.side is Side.BUY else 2)
            + integer(4, trade.time // MILLISECOND)
            + text(5, f"{trade.id}X0_{trade.market_id}X0")
        )


class Kline(_SymbolStream):
    """`kline`: the current window each second; the times of a window are seconds."""

    periodic = True

    def __init__(
        self, market: SymbolMarket, name: str, interval: int, period: int, now: int
    ) -> None:
        super().__init__(market, name, period, now)
        self._series = market.candles[interval]
        self._pushed, _ = window(interval, self.begun // SECOND)

    def write(self, now: int) -> list[Frame]:
        """The windows that closed since the last push, then the current one."""
        candles = self._series.since(self._pushed, now // SECOND)
        self._pushed = candles[-1].start
        return [self._push(candle, now) for candle in candles]

    def _push(self, candle: Candle, now: int) -> bytes:
        listing = self.market.listing
        body = (
            text(1, self._name.rpartition("@")[2])
            + integer(2, candle.start)
            + text(3, listing.price(candle.open))
            + text(4, listing.price(candle.close))
            + text(5, listing.price(candle.high))
            + text(6, listing.price(candle.low))
            + text(7, listing.quantity(candle.base))
            + text(8, listing.turnover(candle.quote))
            + integer(9, candle.end)
        )
        # The only public push with symbolId and createTime, and without sendTime.
        head = text(1, self._name) + text(3, listing.symbol) + text(4, symbol_id(listing.symbol))
        return head + integer(5, now // MILLISECOND) + message(_KLINE, body)


# 24 hour figures

ZONES: Mapping[str, int | None] = {
    "24H": None,
    **{f"UTC{hour:+d}": hour * 3600 for hour in (-10, *range(-8, -2), *range(14))},
    "UTC+4:30": 16_200,
    "UTC+5:30": 19_800,
    "UTC+12:45": 45_900,
}
"""The time zones a mini ticker may be asked for, as seconds east of UTC; None is rolling."""

_DAY_S = 86_400


def _rate(market: SymbolMarket, zone: str, now: int) -> str:
    """The change since the day began in `zone`, as a ratio."""
    east = ZONES[zone]
    elapsed = _DAY_S if east is None else (now // SECOND + east) % _DAY_S
    opened = market.opened(now - elapsed * SECOND, now)
    return f"{(market.last - opened) / opened:.4f}"


def _mini_ticker(market: SymbolMarket, zone: str, now: int) -> bytes:
    listing, day = market.listing, market.day(now)
    rate, zoned = _rate(market, "UTC+8", now), _rate(market, zone, now)
    high, low = listing.price(day.high), listing.price(day.low)
    # `volume` is the turnover in quote and `quantity` the volume in base. The fields of the
    # "previous close" mode, which the venue does not define, repeat the plain ones.
    values = (
        listing.symbol, listing.price(day.last), rate, zoned, high, low,
        listing.turnover(day.quote), listing.quantity(day.base), rate, zoned, high, low,
    )  # fmt: skip
    return b"".join(text(number, value) for number, value in enumerate(values, start=1))


class MiniTicker(_SymbolStream):
    """`miniTicker`: 24 hour figures of one symbol, every three seconds."""

    periodic = True

    def write(self, now: int) -> list[Frame]:
        """One push."""
        body = _mini_ticker(self.market, self._name.rpartition("@")[2], now)
        return [self.wrap(_MINI_TICKER, body, now)]


class MiniTickers(Stream):
    """`miniTickers`: 24 hour figures of all symbols, every three seconds."""

    periodic = True

    def __init__(self, market: Market, name: str, period: int, now: int) -> None:
        super().__init__(None, period, now)
        self._market = market
        self._name = name

    def write(self, now: int) -> list[Frame]:
        """One push; its wrapper has no symbol."""
        zone = self._name.rpartition("@")[2]
        body = b"".join(message(1, _mini_ticker(each, zone, now)) for each in self._market)
        head = text(1, self._name) + integer(6, now // MILLISECOND)
        return [head + message(_MINI_TICKERS, body)]
