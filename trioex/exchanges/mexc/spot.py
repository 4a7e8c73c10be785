"""MEXC spot v3: the answers to the questions of `Venue`.

Pushes are binary protobuf messages, everything else is JSON text: the opcode tells them apart.
A push begins with its stream's name (field 1), and that is its key, taken without decoding.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ...channels import Channel, ExchangeEnum, Parameters, PublicChannelType
from ...errors import ChannelError
from ...messages import BookSnapshot, Number
from ..base import Control, Decoder, Instrument, Instruments, Request, Skipped, Topic, Venue
from ..keys import KeyMemo
from . import endpoints
from .answers import read_answer
from .books import BOOKS
from .decoders import make_decoder
from .rest import depth_path, parse_depth
from .samples import make_push
from .streams import Stream, find_stream, make_topic, read_name
from .symbols import guess_instrument, parse_exchange_info, read_snapshot

__all__ = ["MexcSpot"]

_CHANNEL_TAG = 0x0A  # field 1, length-delimited
_PING = '{"method":"PING"}'
_CHANNELS = {
    "spot.orderbook": "source=rest|limited, speed= or depth=",
    "spot.orderbook_delta": "speed=",
    "spot.orderbook_snapshot": "depth=",
    "spot.book_ticker": "speed= or batch=True",
    "spot.trades": "speed=",
    "spot.kline": "interval=",
    "spot.ticker": "timezone=",
}


_MOST_KEYS = 4096
"""Names remembered; beyond, all are forgotten and learnt again."""

_keys: dict[bytes, bytes] = {}


def _find_key(frame: bytes) -> bytes | None:
    """Field 1 of a binary frame, which nearly always comes first and is shorter than 128 bytes."""
    size = frame[1] if len(frame) > 2 and frame[0] == _CHANNEL_TAG else 0
    if not 0 < size < 0x80 or len(frame) < 2 + size:
        return _find_channel(frame)
    name = frame[2 : 2 + size]
    if len(_keys) >= _MOST_KEYS:
        _keys.clear()
    _keys[name] = name
    push_key.learn(frame[:2], 2, 2 + size, _keys, ())
    return name


push_key = KeyMemo((slice(0, 2),), _find_key, False)
"""`Venue.key`: the name of the stream, as bytes."""


class MexcSpot(Venue):
    """The spot market of MEXC."""

    exchange = ExchangeEnum.MEXC
    market = "spot"
    url = endpoints.WS_URL
    rest_url = endpoints.REST_URL
    instruments_path = endpoints.INSTRUMENTS_PATH
    rules = endpoints.RULES
    rest_rules = endpoints.REST_RULES
    books = BOOKS
    channels = _CHANNELS

    # Symbols

    def snapshot(self) -> Instruments:
        """The shipped list; incomplete, see `symbols`."""
        return read_snapshot()

    def parse_instruments(self, body: bytes) -> Instruments:
        """Parse `exchangeInfo`; raises DecodeError."""
        return parse_exchange_info(body)

    def guess(self, symbol: str) -> Instrument | None:
        """The same name: MEXC's spelling is ours."""
        return guess_instrument(symbol)

    # Requests

    def topic(self, channel: Channel, parameters: Parameters, *, every: bool = False) -> Topic:
        """The stream that carries `channel`; raises ChannelError or UnknownSymbol.

        `batch=True` chooses the batched form of `spot.book_ticker`, which has no `speed=`.
        """
        if str(channel.type) not in self.channels:
            raise self.refuse(channel)
        stream = self._stream(channel, parameters, every)
        chosen = self.choose(channel, parameters, stream.allowed)
        native = None if channel.symbol is None else self.instruments.native(channel.symbol)
        return make_topic(stream, channel, native, chosen)

    def _stream(self, channel: Channel, parameters: Parameters, every: bool) -> Stream:
        kind = PublicChannelType(channel.type)
        if every == (channel.symbol is not None):
            raise ChannelError(
                f"{channel}: the all-symbols stream takes no symbol"
                if every
                else f"{channel} needs a symbol, as in '{channel}.BTCUSDT'"
            )
        stream = find_stream(kind, parameters, every=every)
        if stream is None and every:
            raise ChannelError(
                f"{self.exchange} {self.market} has no all-symbols stream for '{channel}', "
                f"only for '{PublicChannelType.TICKER}'"
            )
        if stream is None:  # no batched form: `choose` says so
            stream = find_stream(kind, Parameters(), every=every)
            assert stream is not None
        return stream

    def topic_of(self, key: bytes) -> Topic | None:
        """The topic whose name is `key`, or None."""
        found = read_name(key)
        if found is None:
            return None
        stream, native, parameters = found
        symbol = None if native is None else self.instruments.symbol(native) or native
        return make_topic(stream, Channel(stream.type, symbol), native, parameters)

    def requests(
        self,
        topics: Sequence[Topic],
        *,
        subscribe: bool,
        first_id: int,
        now: int,  # noqa: ARG002 - MEXC's requests carry no time
    ) -> list[Request]:
        """One frame for every 30 topics; MEXC echoes the id."""
        method = "SUBSCRIPTION" if subscribe else "UNSUBSCRIPTION"
        most = self.rules.max_topics_a_request
        made: list[Request] = []
        for count, start in enumerate(range(0, len(topics), most)):
            part = tuple(topics[start : start + most])
            number = first_id + count
            content = {"method": method, "params": [each.name for each in part], "id": number}
            made.append(Request(number, msgspec.json.encode(content).decode(), part, subscribe))
        return made

    def ping(self, now: int) -> str:  # noqa: ARG002
        """`PING`, in upper case; MEXC answers with one pong, sometimes two."""
        return _PING

    def cadence(self, topic: Topic) -> float | None:
        """Tickers come every 3 s and best prices even unchanged (PROTOCOLS 1.4)."""
        match topic.channel.type:
            case PublicChannelType.TICKER:
                return 3.0
            case PublicChannelType.BOOK_TICKER if not topic.parameters.batch:
                return 0.1
            case _:
                return None

    # Order books

    def book_path(self, native: str, limit: int) -> str:
        """`GET /api/v3/depth`."""
        return depth_path(native, limit)

    def parse_book(
        self, body: bytes, symbol: str, received: int, number_type: type[Number]
    ) -> BookSnapshot:
        """Parse the answer; raises DecodeError."""
        return parse_depth(body, symbol, received, number_type)

    # Frames

    key = push_key  # called without a method around it, for each frame

    def control(self, frame: bytes, text: bool) -> Control:
        """Say what a frame without a key means. Total."""
        if not text:
            return Skipped(f"a binary frame of {len(frame)} bytes without a channel")
        return read_answer(frame)

    def decoder(self, topic: Topic, number_type: type[Number]) -> Decoder:
        """A decoder for the pushes of `topic`."""
        return make_decoder(topic, _of_topic(topic)[0].body, number_type)

    def sample(self, topic: Topic, now: int) -> tuple[bytes, bool]:
        """One well-formed push of `topic`, binary."""
        stream, native = _of_topic(topic)
        return make_push(topic, stream.body, native, now), False


def _of_topic(topic: Topic) -> tuple[Stream, str | None]:
    found = read_name(topic.key)
    if found is None:
        raise ChannelError(f"{topic} is no stream of MEXC spot")
    return found[0], found[1]


# A push whose first field is not a short channel. None was ever seen; protobuf allows it.


def _find_channel(frame: bytes) -> bytes | None:
    """Walk over the fields of a protobuf message to field 1; None where there is none."""
    at = 0
    while at < len(frame):
        tag, at = _varint(frame, at)
        if at < 0:
            return None
        kind = tag & 7
        if kind == 2:  # length-delimited
            size, at = _varint(frame, at)
            if at < 0 or at + size > len(frame):
                return None
            if tag == _CHANNEL_TAG:
                return frame[at : at + size] or None
            at += size
        elif kind == 0:  # a varint
            at = _varint(frame, at)[1]
            if at < 0:
                return None
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            return None
    return None


_FIXED = {1: 8, 5: 4}


def _varint(frame: bytes, at: int) -> tuple[int, int]:
    """The varint at `at` and where it ends; (0, -1) where it is cut off or too long."""
    value = 0
    for count, byte in enumerate(frame[at : at + 10]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, at + count + 1
    return 0, -1
