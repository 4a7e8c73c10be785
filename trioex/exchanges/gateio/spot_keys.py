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

from ..keys import KeyMemo
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

_NO_DEPTH = ord("e")
_MARKS = {b"": b"", b"e": b"", b'l":"100"': b"", b'l":"20"': b" 20"}
"""What may stand behind the `t` of an update, the next field or the depth, and what the key says
of it. All other channels have the empty mark."""
_NOWHERE = slice(0, 1)
_BRACKET = b"]"

# What `find` looks at beside the field's name: a symbol of 13 letters and its quote; more where
# a depth or an interval belongs to it. With the fixed text behind a shorter symbol, nearly all
# symbols look the same in each of their pushes.
_WIDTH = 14
_WIDTHS = {ORDER_BOOK: 24, CANDLESTICKS: 18, OBU: 20}

_MOST_KEYS = 4096
"""Keys remembered of each kind; beyond, all are forgotten and learnt again."""


class _Layout:
    """How the pushes of one channel stand on the wire.

    A key is made once and remembered under the bytes it was read from: the name of the field
    and what follows it. A symbol is looked for only where it does not stand at the place of the
    last one.

    Args:
        front: what stands before the result of each, as far as the memo looks.
        result: where the result begins.
    """

    def __init__(self, channel: str, front: bytes, result: int) -> None:
        self._front = front
        self._prefix = f"{channel} ".encode()
        self._needle = f'"{_FIELDS[channel]}":"'.encode()
        self._result = result
        self._width = len(self._needle) + _WIDTHS.get(channel, _WIDTH)
        self._says_depth = channel == ORDER_BOOK
        self._mark = result + _FIRST_FIELD if channel == ORDER_BOOK_UPDATE else None
        self._keys: dict[bytes, dict[bytes, bytes]] = {mark: {} for mark in _MARKS}

    def find(self, frame: bytes) -> bytes | None:
        """The key of a push that is not where or what the last one was."""
        start = frame.find(self._needle, self._result)
        mark = None if self._mark is None else self._find_mark(frame, self._mark, start)
        marked = b"" if mark is None else frame[mark]
        if start < 0 or marked not in self._keys:
            return parsed_key(frame)
        keys = self._keys[marked]
        end = start + self._width
        near = frame[start:end]
        key = keys.get(near)
        if key is None:
            key, stop = self._make(frame, start + len(self._needle), _MARKS[marked])
            if key is None or stop > end:
                return key or parsed_key(frame)
            if len(keys) >= _MOST_KEYS:
                keys.clear()
            keys[near] = key
        # Both checks of an update are needed: a depth may also stand behind the arrays.
        checks = () if mark is None else ((mark.start, marked), (-3, _BRACKET))
        push_key.learn(self._front, start, end, keys, checks)
        return key

    def _find_mark(self, frame: bytes, at: int, start: int) -> slice:
        """Where an update says its depth: behind `t`, if not at the end behind the arrays."""
        if start <= at or frame[-3:-2] != _BRACKET:
            return _NOWHERE
        return slice(at, at + 1 if frame[at] == _NO_DEPTH else frame.find(b'"', at + 4) + 1)

    def _make(self, frame: bytes, start: int, suffix: bytes) -> tuple[bytes | None, int]:
        """Make a key, and return where it was read to; None where it cannot be read like this."""
        end = frame.find(b'"', start)
        if end <= start:
            return None, 0
        key = self._prefix + frame[start:end] + suffix
        if not self._says_depth:
            return key, end + 1
        stop = frame.find(b'"', end + 7) if frame[end : end + 7] == b'","l":"' else -1
        return (None, 0) if stop < 0 else (key + b" " + frame[end + 7 : stop], stop + 1)


def _layouts(at: int) -> dict[bytes, _Layout]:
    """The layouts of all channels, by the bytes of a push from where `"channel"` begins."""
    heads = {name: f'"channel":"{name}{_TAIL}' for name in _FIELDS}
    return {
        front: _Layout(name, front, at + len(head))
        for name, head in heads.items()
        for front in (head.encode()[:_HEAD],)
    }


_NOW, _now = slice(_WITH_MS, _WITH_MS + _HEAD), _layouts(_WITH_MS).get
_THEN, _then = slice(_WITHOUT_MS, _WITHOUT_MS + _HEAD), _layouts(_WITHOUT_MS).get
_OBU, _obu = slice(0, len(_OBU_HEAD)), _Layout(OBU, _OBU_HEAD, len(_OBU_HEAD))


def _find(frame: bytes) -> bytes | None:
    """The key of a push that is not where or what the last one was."""
    layout = _now(frame[_NOW])
    if layout is None:
        layout = _obu if frame.startswith(_OBU_HEAD) else _then(frame[_THEN])
    return parsed_key(frame) if layout is None else layout.find(frame)


push_key = KeyMemo((_NOW, _OBU, _THEN), _find)
"""`Venue.key`: the topic key of a push, or None when it is no push of a known channel."""


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
