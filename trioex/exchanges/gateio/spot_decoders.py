"""Decoders for the pushes of Gate.io spot: bytes to messages.

A decoder is made once a topic. It parses in one go into the struct of its channel, and a
frame that does not fit is looked at again only then, to tell an empty push from a wrong one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from decimal import Decimal
from types import MethodType
from typing import Any, Protocol

from ...errors import DecodeError
from ...messages import BookDelta, Number
from ..base import Decoder, Topic
from .endpoints import OBU, ORDER_BOOK_UPDATE, TRADES
from .spot_keys import split_key
from .spot_messages import CHANNELS, GATEIO, SPOT, Messages, Stream
from .spot_wire import Push, UpdateResult
from .wire import MALFORMED, NS_A_MS, number_form, parser, require_finite

__all__ = ["make_decoder"]


_UPDATES = frozenset({ORDER_BOOK_UPDATE, OBU})


class _Numbered(Protocol):
    def numbers(self) -> Iterable[Number]: ...


def make_decoder(topic: Topic, number_type: type[Number]) -> Decoder:
    """A decoder for the pushes of `topic`, as `Venue.decoder` promises it."""
    parts = split_key(topic.key)
    assert parts is not None
    channel, name, _ = parts
    chosen = topic.parameters
    stream = Stream(
        name,
        topic.channel.symbol or "",
        chosen.interval or "",
        chosen.depth,
        number_type,
        topic.name,
    )
    is_exact = number_type is Decimal
    is_plain = channel in _UPDATES and not is_exact
    decode = _update_decoder(channel) if is_plain else _decoder(channel, is_exact)
    # A method of the stream: as quick to call as a closure, and a seventh of its size.
    return MethodType(decode, stream)


@functools.cache
def _decoder(channel: str, is_exact: bool) -> Callable[[Stream, bytes, int], Messages]:
    """The decoder of a channel, for any stream of it."""
    build = CHANNELS[channel][2]
    parse = _parser(channel, is_exact)

    def decode(stream: Stream, frame: bytes, received: int) -> Messages:
        try:
            push = parse(frame)
            if push.result is None:
                return ()
            if is_exact:
                _require_finite(push.result)
            return build(stream, push, frame, received)
        except (*MALFORMED, DecodeError) as error:
            if _is_empty(frame):
                return ()
            raise DecodeError(f"{stream.topic}: no push of this channel: {error}") from error

    return decode


@functools.cache
def _update_decoder(channel: str) -> Callable[[Stream, bytes, int], Messages]:
    """What `_decoder` does, with the plain update written out: nothing comes as often."""
    parse = _parser(channel, is_exact=False)
    decode_any = _decoder(channel, is_exact=False)

    def decode(stream: Stream, frame: bytes, received: int) -> Messages:
        try:
            update: UpdateResult[Number] | None = parse(frame).result
        except MALFORMED:
            update = None
        if (
            update is None
            or update.stream != stream.name
            or (millis := update.moment) is None
            or (first := update.first) is None
            or first > update.last
            or update.full
        ):
            return decode_any(stream, frame, received)
        return (
            BookDelta(
                GATEIO,
                SPOT,
                stream.symbol,
                millis * NS_A_MS,
                received,
                update.bids,
                update.asks,
                first,
                update.last,
            ),
        )

    return decode


@functools.cache
def _parser(channel: str, is_exact: bool) -> Callable[[bytes], Push[Any]]:
    """The parser of a channel. Making one takes as long as ten pushes, so all topics share it."""
    form, generic, _ = CHANNELS[channel]
    result: Any = generic[number_form(Decimal if is_exact else float)]
    # An old client's notes show trades in an array; all documents show one object.
    if channel == TRADES:
        result = result | list[result]
    return parser(form[result | None]).decode


def _require_finite(result: _Numbered | list[_Numbered]) -> None:
    for each in result if isinstance(result, list) else (result,):
        require_finite(each.numbers())


_parse_any = parser(Push[Any]).decode


def _is_empty(frame: bytes) -> bool:
    """Whether the result is there and holds nothing, which is no error."""
    try:
        result: object = _parse_any(frame).result
    except MALFORMED:
        return False
    return result == {}
