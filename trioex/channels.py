"""What can be bound: exchanges, kinds of channel, channel names.

A channel is `market.kind` or `market.kind.SYMBOL` and nothing else. `BTCUSDT` is the one
spelling of a symbol for every venue. What is no part of the name (depth, interval, speed)
is a `Parameters`, given to `bind` as keywords.

A name is checked the moment it is given, here; whether the venue offers the channel is the
venue's question.
"""

from __future__ import annotations

import difflib
import inspect
import re
import types
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

import attrs

from .errors import BindingError, ChannelError

__all__ = [
    "BookSource",
    "Channel",
    "ExchangeEnum",
    "Parameters",
    "PrivateChannelType",
    "PublicChannelType",
    "suggestion",
    "validate_binding",
    "validate_handler",
]


class ExchangeEnum(StrEnum):
    """The exchanges trioex talks to."""

    MEXC = "mexc"
    GATEIO = "gateio"


class PublicChannelType(StrEnum):
    """Kinds of channel that need no account."""

    ORDERBOOK = "spot.orderbook"
    """The order book, kept: an `OrderBook` after each change."""
    ORDERBOOK_DELTA = "spot.orderbook_delta"
    """What the order book is kept from: deltas, and snapshots where the venue sends them."""
    ORDERBOOK_SNAPSHOT = "spot.orderbook_snapshot"
    """The whole top of the book (`depth=` levels) on each push."""
    BOOK_TICKER = "spot.book_ticker"
    """Best bid and best ask."""
    TRADES = "spot.trades"
    """Public trades, one message each."""
    TICKER = "spot.ticker"
    """24 hour statistics."""
    KLINE = "spot.kline"
    """Candles of one `interval=`."""


class PrivateChannelType(StrEnum):
    """Kinds of channel that belong to an account."""

    ORDERS = "spot.orders"
    FILLS = "spot.fills"
    BALANCES = "spot.balances"
    POSITIONS = "futures.positions"


class BookSource(StrEnum):
    """What an order book is kept from."""

    STREAM = "stream"
    """A stream of deltas that brings its own snapshot."""
    REST = "rest"
    """A stream of deltas, and a snapshot asked for by REST."""
    LIMITED = "limited"
    """The whole top of the book on each push."""


_NAME = re.compile(r"([a-z]+\.[a-z_]+)(?:\.([A-Z0-9]+))?")
_KINDS: dict[str, PublicChannelType | PrivateChannelType] = {
    str(kind): kind for enum in (PublicChannelType, PrivateChannelType) for kind in enum
}


def suggestion(wrong: str, known: Iterable[str], question: str = "did you mean") -> str:
    """Return ` (did you mean 'x'?)` for the nearest known spelling, or an empty string."""
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.75)
    return f" ({question} {near[0]!r}?)" if near else ""


@attrs.frozen
class Channel:
    """A parsed channel name.

    Attributes:
        type: the member of `PublicChannelType` or `PrivateChannelType`.
        symbol: `BTCUSDT`, or None for every symbol of the kind.
    """

    type: PublicChannelType | PrivateChannelType
    symbol: str | None = None

    @property
    def market(self) -> str:
        """`spot` or `futures`."""
        return self.type.partition(".")[0]

    @property
    def kind(self) -> str:
        """What the channel carries, without the market: `orderbook`."""
        return self.type.partition(".")[2]

    @property
    def is_private(self) -> bool:
        """Whether the channel belongs to an account."""
        return isinstance(self.type, PrivateChannelType)

    def __str__(self) -> str:
        return f"{self.type}.{self.symbol}" if self.symbol else str(self.type)

    @classmethod
    def parse(cls, name: object) -> Channel:
        """Parse `market.kind` or `market.kind.SYMBOL`; a Channel is returned as it is.

        Raises:
            ChannelError: the name has another form or its kind does not exist. The message
                names the place and, where there is one, a near spelling.
        """
        if isinstance(name, Channel):
            return name
        if not isinstance(name, str):
            raise ChannelError(
                f"a channel is a string such as 'spot.orderbook.BTCUSDT', not {name!r}"
            )
        match = _NAME.fullmatch(name)
        if match is None:
            raise ChannelError(f"{str(name)!r} is no channel: {_what_is_wrong(name)}")
        kind, symbol = match.groups()
        if kind not in _KINDS:
            hint = suggestion(kind, _KINDS) or f"; known are {', '.join(_KINDS)}"
            raise ChannelError(f"{str(name)!r} is no channel: there is no kind {kind!r}{hint}")
        return cls(_KINDS[kind], symbol)


def _what_is_wrong(name: str) -> str:
    form = "a channel is market.kind or market.kind.SYMBOL, like 'spot.orderbook.BTCUSDT'"
    head, _, symbol = name.partition(".")[2].partition(".")
    repaired = f"{name.partition('.')[0]}.{head}".strip().lower()
    if symbol:
        repaired += "." + re.sub(r"[^A-Za-z0-9]", "", symbol).upper()
    match = _NAME.fullmatch(repaired)
    if match and match[1] in _KINDS:
        return f"{form} (did you mean {repaired!r}?)"
    return form


@attrs.frozen(kw_only=True)
class Parameters:
    """What a binding asks of a channel beyond its name; None leaves the choice to the venue.

    Attributes:
        depth: levels a side.
        interval: length of a kline: `1m`, `15m`, `1h`, `1d`, …
        speed: the shortest time between two pushes: `10ms`, `100ms`, …
        timezone: where the day of a ticker begins: `24H` (rolling) or `UTC+8`.
        batch: True for the venue's batched form of the channel.
        source: what an order book is kept from; see `BookSource`.
    """

    depth: int | None = None
    interval: str | None = None
    speed: str | None = None
    timezone: str | None = None
    batch: bool | None = None
    source: BookSource | None = None

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.given().items())

    def given(self) -> dict[str, Any]:
        """The parameters that are not None, by name."""
        values = ((name, getattr(self, name)) for name in _PARAMETERS)
        return {name: value for name, value in values if value is not None}

    def accepts(self, actual: Parameters) -> bool:
        """Whether a stream with `actual` parameters is one of those asked for."""
        return all(getattr(actual, name) == value for name, value in self.given().items())


_PARAMETERS = tuple(field.name for field in attrs.fields(Parameters))


def validate_handler(handler: object) -> None:
    """Raise `BindingError` unless `handler` can be called with one message."""
    if _shows_that_it_fits(handler):
        return
    if not callable(handler):
        raise BindingError(f"a handler must be callable with one message, and {handler!r} is not")
    if inspect.isasyncgenfunction(handler) or inspect.isgeneratorfunction(handler):
        raise BindingError(
            f"a handler must not be a generator, and {handler!r} is: it would not run"
        )
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):  # some builtins have no signature to look at
        return
    try:
        signature.bind(object())
    except TypeError as error:
        raise BindingError(
            f"a handler must be callable with one message: {handler!r} takes {signature} ({error})"
        ) from None


def _shows_that_it_fits(handler: object) -> bool:
    """Whether a plain function or method shows at a glance that one message is enough.

    It says yes or nothing: `inspect` judges all others, and takes 20 times as long.
    """
    function, given = handler, 1
    if isinstance(handler, types.MethodType):
        function, given = handler.__func__, 2
    if not isinstance(function, types.FunctionType) or function.__dict__:
        return False  # what decorators leave in `__dict__` may say something else
    code = function.__code__
    has_place = code.co_argcount >= given or bool(code.co_flags & inspect.CO_VARARGS)
    required = code.co_argcount - len(function.__defaults__ or ())
    demands_keywords = code.co_kwonlyargcount > len(function.__kwdefaults__ or ())
    is_generator = bool(code.co_flags & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR))
    return has_place and required <= given and not demands_keywords and not is_generator


def validate_binding(channel: object, handler: Callable[..., Any]) -> Channel:
    """Check a channel name and its handler before anything is bound.

    Args:
        channel: `market.kind` or `market.kind.SYMBOL`, as text, enum member or `Channel`.
        handler: called with one message; sync or async.

    Returns:
        The parsed channel.

    Raises:
        BindingError: a `ValueError` that names what is wrong and, where there is one, a near
            spelling. `ChannelError` is the one for the name.
    """
    parsed = Channel.parse(channel)
    validate_handler(handler)
    return parsed
