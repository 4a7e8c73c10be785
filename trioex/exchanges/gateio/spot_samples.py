"""One well-formed push of each Gate.io spot channel, in the compact form the venue sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from ..base import Topic
from .endpoints import (
    BOOK_TICKER,
    CANDLESTICKS,
    INTERVALS,
    OBU,
    ORDER_BOOK,
    ORDER_BOOK_UPDATE,
    TICKERS,
    TRADES,
)
from .spot_keys import UPDATE_DEPTH, split_key
from .wire import NS_A_MS

__all__ = ["make_sample"]

_BIDS = [["64250.1", "0.5021"], ["64250", "1.2"]]
_ASKS = [["64250.2", "0.337839"], ["64251.7", "0.09"]]


def make_sample(topic: Topic, now: int) -> bytes:
    """A push of `topic` as of `now`, ns since the epoch; of a book, the whole one.

    Ids and versions are the milliseconds of `now`, so that a later sample has higher ones.
    """
    parts = split_key(topic.key)
    assert parts is not None
    channel, stream, depth = parts
    millis = now // NS_A_MS
    result = _RESULTS[channel](stream, millis, depth)
    push: dict[str, Any] = {"time": millis // 1000, "time_ms": millis, "channel": channel}
    push |= {"event": "update", "result": result}
    if channel == OBU:
        push = {"channel": channel, "result": result, "time_ms": millis, "event": "update"}
    return msgspec.json.encode(push)


# What is in them


def _trade(stream: str, millis: int, _depth: str | None) -> dict[str, Any]:
    return {
        "id": millis,
        "id_market": millis,
        "create_time": millis // 1000,
        "create_time_ms": f"{millis}.4578",
        "side": "sell",
        "currency_pair": stream,
        "amount": "0.0116",
        "price": "64250.1",
        "range": f"{millis}-{millis}",
    }


def _ticker(stream: str, _millis: int, _depth: str | None) -> dict[str, Any]:
    return {
        "currency_pair": stream,
        "last": "64250.1",
        "lowest_ask": "64250.2",
        "highest_bid": "64250.1",
        "change_percentage": "-1.8254",
        "base_volume": "9110.473081735",
        "quote_volume": "585347895.2535",
        "high_24h": "65480.9",
        "low_24h": "63818.5",
    }


def _candle(stream: str, millis: int, _depth: str | None) -> dict[str, Any]:
    length = INTERVALS[stream.partition("_")[0]]
    return {
        "t": str(millis // 1000 // length * length),
        "v": "245971.2",
        "c": "64250.1",
        "h": "64255",
        "l": "64240.2",
        "o": "64241",
        "n": stream,
        "a": "3.8283",
        "w": False,
    }


def _best(stream: str, millis: int, _depth: str | None) -> dict[str, Any]:
    (bid, bid_size), (ask, ask_size) = _BIDS[0], _ASKS[0]
    sides = {"b": bid, "B": bid_size, "a": ask, "A": ask_size}
    return {"t": millis, "u": millis, "s": stream} | sides


def _book(stream: str, millis: int, depth: str | None) -> dict[str, Any]:
    head = {"t": millis, "lastUpdateId": millis, "s": stream, "l": depth}
    return head | {"bids": _BIDS, "asks": _ASKS}


def _update(stream: str, millis: int, depth: str | None) -> dict[str, Any]:
    head = {"t": millis, "full": True, "l": depth or UPDATE_DEPTH, "e": "depthUpdate"}
    range_ = {"E": millis // 1000, "s": stream, "U": millis, "u": millis}
    return head | range_ | {"b": _BIDS, "a": _ASKS}


def _obu(stream: str, millis: int, _depth: str | None) -> dict[str, Any]:
    return {"t": millis, "full": True, "s": stream, "u": millis, "b": _BIDS, "a": _ASKS}


_Result: TypeAlias = Callable[[str, int, str | None], dict[str, Any]]

_RESULTS: dict[str, _Result] = {
    TRADES: _trade,
    TICKERS: _ticker,
    CANDLESTICKS: _candle,
    BOOK_TICKER: _best,
    ORDER_BOOK: _book,
    ORDER_BOOK_UPDATE: _update,
    OBU: _obu,
}
