"""Which stream a push of Gate.io spot belongs to, from as few bytes as possible.

A key is the venue's channel, a space and the stream: `spot.trades BTC_USDT`. The venue sends
compact JSON whose leading fields have a constant width, so one look at a constant place tells
the channel and that it is a push; the symbol is the string behind the next known name.
Whatever looks different (the indented samples of the documents, reordered fields) is parsed.
Both ways give the same key.

Book streams of one pair differ by their depth `l`. A `spot.order_book_update` without one is
of the default, 100 levels, as the host that leaves `l` out has no other; its key has no depth.
"""

from __future__ import annotations

import msgspec

from .endpoints import (
    BOOK_TICKER,
    CANDLESTICKS,
    OBU,
    ORDER_BOOK,
    ORDER_BOOK_UPDATE,
    TICKERS,
    TRADES,
)
from .wire import MALFORMED, parser

__all__ = ["BOOK_DEPTH", "UPDATE_DEPTH", "make_key", "push_key", "split_key"]

BOOK_DEPTH = "20"
UPDATE_DEPTH = "100"
"""The depth of a book push, respectively of an update, that does not say its own."""

_FIELDS = {
    TRADES: "currency_pair",
    TICKERS: "currency_pair",
    CANDLESTICKS: "n",
    BOOK_TICKER: "s",
    ORDER_BOOK: "s",
    ORDER_BOOK_UPDATE: "s",
    OBU: "s",
}
"""The field of `result` that names the stream."""


def make_key(channel: str, stream: str, depth: str | None = None) -> bytes:
    """The key of a stream; `depth` as it stands in `l`, for the two channels that send it."""
    if channel == ORDER_BOOK:
        return f"{channel} {stream} {depth or BOOK_DEPTH}".encode()
    if channel == ORDER_BOOK_UPDATE and depth not in {None, UPDATE_DEPTH}:
        return f"{channel} {stream} {depth}".encode()
    return f"{channel} {stream}".encode()


def split_key(key: bytes) -> tuple[str, str, str | None] | None:
    """The channel, stream and depth of a key; None for what is no key."""
    try:
        parts = key.decode("ascii").split(" ")
    except UnicodeDecodeError:
        return None
    if len(parts) not in {2, 3} or parts[0] not in _FIELDS:
        return None
    return parts[0], parts[1], parts[2] if len(parts) == 3 else None


# The fast way

_WITH_MS = len('{"time":1790134390,"time_ms":1790134390859,')
_WITHOUT_MS = len('{"time":1790134390,')
"""Where `"channel"` begins: now, and in sessions of 2021. Seconds have ten digits until 2286."""

_TAIL = '","event":"update","result":'
_HEAD = len('"channel":"' + TRADES + _TAIL)
"""Bytes to look at: the shortest channel and all behind it that says this is a push."""

_FIRST_FIELD = len('{"t":1790134390805,"')
_OBU_HEAD = b'{"channel":"spot.obu","result":{'
"""Only pushes begin with their channel; acknowledgements begin with a time."""

# (the key up to the symbol, what stands before the symbol, its length, where `result` begins,
#  where the depth is: 0 nowhere, 1 behind the symbol, else the place of the field behind `t`)
_Plan = tuple[bytes, bytes, int, int, int]


def _plan(channel: str, at: int) -> _Plan:
    needle = f'"{_FIELDS[channel]}":"'.encode()
    result = at + len('"channel":"' + channel + _TAIL)
    depth = {ORDER_BOOK: 1, ORDER_BOOK_UPDATE: result + _FIRST_FIELD}.get(channel, 0)
    return f"{channel} ".encode(), needle, len(needle), result, depth


def _plans(at: int) -> dict[bytes, _Plan]:
    heads = {name: f'"channel":"{name}{_TAIL}'.encode()[:_HEAD] for name in _FIELDS}
    return {head: _plan(name, at) for name, head in heads.items()}


_now = _plans(_WITH_MS).get
_then = _plans(_WITHOUT_MS).get
_NOW = slice(_WITH_MS, _WITH_MS + _HEAD)
_THEN = slice(_WITHOUT_MS, _WITHOUT_MS + _HEAD)
_UPDATE_DEPTH = UPDATE_DEPTH.encode()
_OBU_PLAN: _Plan = (b"spot.obu ", b'"s":"', 5, len(_OBU_HEAD), 0)


def push_key(self: object, frame: bytes, text: bool) -> bytes | None:  # noqa: ARG001
    """`Venue.key`: the topic key of a push, or None when it is no push of a known channel."""
    if not text:
        return None
    plan = _now(frame[_NOW])
    if plan is None:
        plan = _OBU_PLAN if frame.startswith(_OBU_HEAD) else _then(frame[_THEN])
        if plan is None:
            return parsed_key(frame)
    prefix, needle, width, result, depth = plan
    start = frame.find(needle, result) + width
    end = frame.find(b'"', start)
    if start < width or end < 0:
        return parsed_key(frame)
    if depth == 0:
        return prefix + frame[start:end]
    if depth == 1:
        if frame[end : end + 7] == b'","l":"':
            stop = frame.find(b'"', end + 7)
            return prefix + frame[start:end] + b" " + frame[end + 7 : stop]
    # An update's depth stands behind `t`, if not at the very end behind the arrays: 93 is
    # their bracket, 101 the `e` of the field that follows `t` where there is no depth.
    elif frame[-3] == 93 and end > depth:
        if frame[depth] == 101:
            return prefix + frame[start:end]
        if frame[depth : depth + 4] == b'l":"':
            levels = frame[depth + 4 : frame.find(b'"', depth + 4)]
            key = prefix + frame[start:end]
            return key if levels == _UPDATE_DEPTH else key + b" " + levels
    return parsed_key(frame)


# The way that takes any JSON


class _Result(msgspec.Struct):
    currency_pair: str | None = None
    s: str | None = None
    n: str | None = None
    depth: str | int | None = msgspec.field(name="l", default=None)


class _Push(msgspec.Struct):
    channel: str
    event: str | None = None
    result: _Result | list[_Result] | None = None


_parse = parser(_Push).decode


def parsed_key(frame: bytes) -> bytes | None:
    """What `push_key` returns, whatever the layout of the JSON."""
    try:
        push = _parse(frame)
    except MALFORMED:
        return None
    # The documented pushes of `spot.obu` have no event.
    is_push = push.event == "update" or (push.event is None and push.channel == OBU)
    result = _first(push.result)
    if not is_push or result is None or push.channel not in _FIELDS:
        return None
    stream: str | None = getattr(result, _FIELDS[push.channel])
    if not stream:
        return None
    return make_key(push.channel, stream, None if result.depth is None else str(result.depth))


def _first(result: _Result | list[_Result] | None) -> _Result | None:
    """All trades of an array are of one pair."""
    if isinstance(result, list):
        return result[0] if result else None
    return result
