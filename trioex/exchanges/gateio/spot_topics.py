"""The streams of Gate.io spot: which channel and parameters are which name and which key.

A topic's name is what its request says, channel and payload; its key is what its pushes say.
`make_topic` goes from our words to theirs, `read_key` back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeAlias

from ...channels import Channel, Parameters, PublicChannelType
from ..base import Topic
from .answers import topic_name
from .endpoints import (
    BOOK_TICKER,
    CANDLESTICKS,
    INTERVALS,
    LISTING,
    OBU,
    ORDER_BOOK,
    ORDER_BOOK_UPDATE,
    PAIRS_A_REQUEST,
    STREAMS_A_REQUEST,
    TICKERS,
    TRADES,
)
from .spot_keys import BOOK_DEPTH, UPDATE_DEPTH, make_key, split_key

__all__ = ["allowed_parameters", "make_topic", "read_key", "split_topics"]

_UPDATE_DEPTHS = {"100ms": UPDATE_DEPTH, "20ms": "20"}
"""Levels a side that `spot.order_book_update` covers, by its speed."""

_OBU_DEPTHS = (50, 400)
_BOOK_DEPTHS = (int(BOOK_DEPTH), 5, 10, 50, 100)
_BOOK_SPEEDS = ("100ms", "1000ms")

_SIMPLE = {
    PublicChannelType.TRADES: TRADES,
    PublicChannelType.TICKER: TICKERS,
    PublicChannelType.BOOK_TICKER: BOOK_TICKER,
}
"""Channels without parameters."""


def allowed_parameters(channel: Channel, asked: Parameters) -> dict[str, Sequence[object]]:
    """Values by parameter, the default first. A depth asks for another book stream."""
    match channel.type:
        case PublicChannelType.ORDERBOOK_DELTA if asked.depth is not None:
            return {"depth": _OBU_DEPTHS}
        case PublicChannelType.ORDERBOOK_DELTA:
            return {"speed": tuple(_UPDATE_DEPTHS)}
        case PublicChannelType.ORDERBOOK_SNAPSHOT:
            return {"depth": _BOOK_DEPTHS, "speed": _BOOK_SPEEDS}
        case PublicChannelType.KLINE:
            return {"interval": tuple(INTERVALS)}
        case _:
            return {}


def make_topic(channel: Channel, native: str, chosen: Parameters) -> Topic:
    """The topic of a channel whose parameters are all chosen."""
    depth, speed, interval = chosen.depth, chosen.speed or "", chosen.interval
    match channel.type:
        case PublicChannelType.ORDERBOOK_DELTA if depth is not None:
            stream = f"ob.{native}.{depth}"
            key, name = make_key(OBU, stream), topic_name(OBU, stream)
        case PublicChannelType.ORDERBOOK_DELTA:
            key = make_key(ORDER_BOOK_UPDATE, native, _UPDATE_DEPTHS[speed])
            name = topic_name(ORDER_BOOK_UPDATE, native, speed)
        case PublicChannelType.ORDERBOOK_SNAPSHOT:
            key = make_key(ORDER_BOOK, native, str(depth))
            name = topic_name(ORDER_BOOK, native, depth, speed)
        case PublicChannelType.KLINE:
            key = make_key(CANDLESTICKS, f"{interval}_{native}")
            name = topic_name(CANDLESTICKS, interval, native)
        case kind:
            wire = _SIMPLE[PublicChannelType(kind)]
            key, name = make_key(wire, native), topic_name(wire, native)
    return Topic(key, name, channel, chosen)


def read_key(key: bytes) -> tuple[Channel, str, Parameters] | None:
    """The channel (without its symbol), pair and parameters of a key; None where we offer none.

    A key that two speeds share is read as the default one.
    """
    parts = split_key(key)
    if parts is None:
        return None
    wire, stream, mark = parts
    if wire == OBU:
        native, _, mark = stream.removeprefix("ob.").rpartition(".")
    elif wire == CANDLESTICKS:
        mark, _, native = stream.partition("_")
    else:
        native = stream
    known = _KNOWN.get((wire, mark))
    return None if known is None else (Channel(known[0]), native, known[1])


def _known_streams() -> Iterator[tuple[tuple[str, str | None], _Kind]]:
    for depth in _OBU_DEPTHS:
        yield (OBU, str(depth)), (PublicChannelType.ORDERBOOK_DELTA, Parameters(depth=depth))
    for speed, levels in _UPDATE_DEPTHS.items():
        mark = None if levels == UPDATE_DEPTH else levels
        kind = PublicChannelType.ORDERBOOK_DELTA
        yield (ORDER_BOOK_UPDATE, mark), (kind, Parameters(speed=speed))
    for depth in _BOOK_DEPTHS:
        chosen = Parameters(depth=depth, speed=_BOOK_SPEEDS[0])
        yield (ORDER_BOOK, str(depth)), (PublicChannelType.ORDERBOOK_SNAPSHOT, chosen)
    for interval in INTERVALS:
        chosen = Parameters(interval=interval)
        yield (CANDLESTICKS, interval), (PublicChannelType.KLINE, chosen)
    for simple, wire in _SIMPLE.items():
        yield (wire, None), (simple, Parameters())


_Kind: TypeAlias = tuple[PublicChannelType, Parameters]
_KNOWN = dict(_known_streams())
"""By the venue's channel and what tells its streams of one pair apart."""


def split_topics(topics: Sequence[Topic]) -> Iterator[tuple[str, list[Topic]]]:
    """Split topics into those that one frame may ask for, each with the venue's channel."""

    def wire_of(topic: Topic) -> str:
        return topic.name.split(" ", 1)[0]

    # Sorting is stable: within a channel the order stays.
    for wire, group in groupby(sorted(topics, key=wire_of), key=wire_of):
        together, size = list(group), _listed(wire)
        for start in range(0, len(together), size):
            yield wire, together[start : start + size]


def _listed(wire: str) -> int:
    if wire not in LISTING:
        return 1
    return STREAMS_A_REQUEST if wire == OBU else PAIRS_A_REQUEST
