"""The names of MEXC's streams, both ways: our channel to `spot@public.…` and back.

A name is `spot@<word>.v3.api.pb` and then, each behind an `@`, the arguments of the stream in an
order of its own. One table says which streams there are and what may be chosen; the rest reads
the table. The name is also the push key: it is field 1 of every push.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from ...channels import Channel, Parameters, PublicChannelType
from ..base import Topic

__all__ = ["STREAMS", "Stream", "find_stream", "make_topic", "read_name"]

_SUFFIX = ".v3.api.pb"
_SYMBOL = re.compile(r"[A-Z0-9]+")


@attrs.frozen
class Stream:
    """One kind of stream.

    Attributes:
        type: the kind of channel it carries.
        word: its name at the venue.
        body: the member of the push's `oneof body` that its pushes hold.
        arguments: what follows the word, in order: `symbol`, or the name of a parameter.
        values: for each parameter, our value to the venue's spelling, the default first.
    """

    type: PublicChannelType
    word: str
    body: str
    arguments: tuple[str, ...]
    values: Mapping[str, Mapping[Any, str]]

    @property
    def every(self) -> bool:
        """Whether it carries all symbols."""
        return "symbol" not in self.arguments

    @property
    def allowed(self) -> dict[str, tuple[Any, ...]]:
        """For each parameter its values, the default first."""
        return {name: tuple(values) for name, values in self.values.items()}


def make_topic(
    stream: Stream, channel: Channel, native: str | None, parameters: Parameters
) -> Topic:
    """The topic of `stream`; `parameters` are complete and allowed."""
    chosen = parameters.given()
    words = [f"spot@{stream.word}{_SUFFIX}"]
    words += [
        str(native) if name == "symbol" else stream.values[name][chosen[name]]
        for name in stream.arguments
    ]
    name = "@".join(words)
    return Topic(name.encode(), name, channel, parameters)


def read_name(key: bytes) -> tuple[Stream, str | None, Parameters] | None:
    """Take a name apart: its stream, the venue's symbol, the parameters. None if it is no name."""
    try:
        head, word, *arguments = key.decode("ascii").split("@")
    except ValueError:  # not ASCII, or too few parts
        return None
    stream = _BY_WORD.get(word.removesuffix(_SUFFIX))
    if head != "spot" or stream is None or not word.endswith(_SUFFIX):
        return None
    if len(arguments) != len(stream.arguments):
        return None
    native = None
    chosen = {name: next(iter(values)) for name, values in stream.values.items()}
    for name, spelling in zip(stream.arguments, arguments, strict=True):
        if name == "symbol":
            native = spelling
            if not _SYMBOL.fullmatch(spelling):
                return None
        elif (name, spelling) in _OURS:
            chosen[name] = _OURS[name, spelling]
        else:
            return None
    return stream, native, Parameters(**chosen)


def find_stream(
    type: PublicChannelType,  # noqa: A002 - as `Channel.type`
    parameters: Parameters,
    *,
    every: bool,
) -> Stream | None:
    """The stream that carries a kind of channel; `batch=True` chooses the batched form."""
    batch = bool(parameters.batch)
    for stream in STREAMS:
        if stream.type is type and stream.every is every and (stream.body in _BATCHED) is batch:
            return stream
    return None


def _same(values: Iterable[Any]) -> dict[Any, str]:
    return {value: str(value) for value in values}


_SPEED = _same(["100ms", "10ms"])
_DEPTH = _same([20, 10, 5])
_INTERVAL = {
    "1m": "Min1",
    "5m": "Min5",
    "15m": "Min15",
    "30m": "Min30",
    "1h": "Min60",
    "4h": "Hour4",
    "8h": "Hour8",
    "1d": "Day1",
    "1w": "Week1",
    "1M": "Month1",
}
_WEST = [f"UTC-{hours}" for hours in (10, 8, 7, 6, 5, 4, 3)]
_EAST = [f"UTC+{hours}" for hours in range(14)]
_BETWEEN = ["UTC+4:30", "UTC+5:30", "UTC+12:45"]
_TIMEZONE = _same(["24H", *_WEST, *_EAST, *_BETWEEN])
_BATCHED = frozenset({"publicBookTickerBatch"})

_KIND = PublicChannelType
STREAMS = (
    Stream(
        _KIND.ORDERBOOK_DELTA,
        "public.aggre.depth",
        "publicAggreDepths",
        ("speed", "symbol"),
        {"speed": _SPEED},
    ),
    Stream(
        _KIND.ORDERBOOK_SNAPSHOT,
        "public.limit.depth",
        "publicLimitDepths",
        ("symbol", "depth"),
        {"depth": _DEPTH},
    ),
    Stream(
        _KIND.BOOK_TICKER,
        "public.aggre.bookTicker",
        "publicAggreBookTicker",
        ("speed", "symbol"),
        {"speed": _SPEED, "batch": _same([False])},
    ),
    Stream(
        _KIND.BOOK_TICKER,
        "public.bookTicker.batch",
        "publicBookTickerBatch",
        ("symbol",),
        {"batch": _same([True])},
    ),
    Stream(
        _KIND.TRADES,
        "public.aggre.deals",
        "publicAggreDeals",
        ("speed", "symbol"),
        {"speed": _SPEED},
    ),
    Stream(
        _KIND.KLINE,
        "public.kline",
        "publicSpotKline",
        ("symbol", "interval"),
        {"interval": _INTERVAL},
    ),
    Stream(
        _KIND.TICKER,
        "public.miniTicker",
        "publicMiniTicker",
        ("symbol", "timezone"),
        {"timezone": _TIMEZONE},
    ),
    Stream(
        _KIND.TICKER,
        "public.miniTickers",
        "publicMiniTickers",
        ("timezone",),
        {"timezone": _TIMEZONE},
    ),
)
_BY_WORD = {stream.word: stream for stream in STREAMS}
_OURS = {
    (name, spelling): value
    for stream in STREAMS
    for name in stream.arguments
    if name != "symbol"
    for value, spelling in stream.values[name].items()
}
