"""Gate.io spot v4: the answers to the questions of `Venue`.

Topics are named as the venue's requests are: channel and payload, `spot.trades BTC_USDT`. Two
topics share a key only where their pushes cannot be told apart: `spot.order_book` of one pair
and depth at two speeds. Whoever binds both gets the pushes of both on either; as each is the
whole top of the book, nothing is wrong with them but their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import msgspec

from ...channels import Channel, ExchangeEnum, Parameters
from ...errors import ChannelError
from ...messages import BookSnapshot, Number
from ..base import Control, Decoder, Instrument, Instruments, Request, Skipped, Topic, Venue
from . import endpoints as at
from .answers import read_control
from .books import BOOKS
from .rest import depth_path, parse_depth
from .spot_decoders import make_decoder
from .spot_keys import push_key
from .spot_samples import make_sample
from .spot_topics import allowed_parameters, make_topic, read_key, split_topics
from .symbols import guess, instrument_of, parse_instruments, shipped_instruments

__all__ = ["GateioSpot"]


class GateioSpot(Venue):
    """The spot market of Gate.io."""

    exchange = ExchangeEnum.GATEIO
    market = "spot"
    url = at.WS_URL
    rest_url = at.REST_URL
    instruments_path = at.INSTRUMENTS_PATH
    rules = at.RULES
    rest_rules = at.REST_RULES
    books = BOOKS
    channels: Mapping[str, str] = {
        "spot.orderbook": "source=stream|rest|limited, depth=, speed=",
        "spot.orderbook_delta": "speed=100ms|20ms, or depth=50|400 (which sends snapshots, too)",
        "spot.orderbook_snapshot": "depth=20|5|10|50|100, speed=100ms|1000ms",
        "spot.book_ticker": "",
        "spot.trades": "",
        "spot.ticker": "",
        "spot.kline": f"interval={'|'.join(at.INTERVALS)}",
    }

    # Symbols

    def snapshot(self) -> Instruments:
        """The instrument list shipped with the package, of 2021-04-22."""
        return shipped_instruments()

    def parse_instruments(self, body: bytes) -> Instruments:
        """Parse the answer to `GET /spot/currency_pairs`; tradable pairs come first.

        Raises:
            DecodeError: the body is not such a list.
        """
        return parse_instruments(body)

    def guess(self, symbol: str) -> Instrument | None:
        """The instrument `symbol` must be, going by the known quote coins, or None."""
        return guess(symbol)

    # Requests

    def topic(self, channel: Channel, parameters: Parameters, *, every: bool = False) -> Topic:
        """The stream that carries `channel`.

        `interval="1w"` is taken for `7d`, the venue's own word, which the topic then has.

        Raises:
            ChannelError: a kind or a parameter that Gate.io does not offer, or no symbol: it
                has no all-symbols streams.
            UnknownSymbol: the instrument list does not hold the symbol.
        """
        if str(channel.type) not in self.channels:
            raise self.refuse(channel)
        if every or channel.symbol is None:
            raise ChannelError(
                f"gateio has no all-symbols stream of {str(channel.type)!r}; "
                f"bind the symbols one by one, as in '{channel.type}.BTCUSDT'"
            )
        if parameters.interval == "1w":
            parameters = attrs.evolve(parameters, interval="7d")
        chosen = self.choose(channel, parameters, allowed_parameters(channel, parameters))
        return make_topic(channel, self.instruments.native(channel.symbol), chosen)

    def topic_of(self, key: bytes) -> Topic | None:
        """The topic a push key belongs to; of two speeds that share a key, the default."""
        read = read_key(key)
        if read is None:
            return None
        channel, native, chosen = read
        instrument = instrument_of(native)
        if instrument is None:
            return None
        topic = make_topic(attrs.evolve(channel, symbol=instrument.symbol), native, chosen)
        return topic if topic.key == key else None

    def requests(
        self, topics: Sequence[Topic], *, subscribe: bool, first_id: int, now: int
    ) -> list[Request]:
        """The fewest frames that subscribe (or unsubscribe) `topics`.

        Lists are bounded, as one unknown pair makes the venue refuse the whole frame.
        """
        requests: list[Request] = []
        for number, (channel, group) in enumerate(split_topics(topics), first_id):
            body = {
                "time": now // 1_000_000_000,
                "id": number,
                "channel": channel,
                "event": "subscribe" if subscribe else "unsubscribe",
                "payload": [word for topic in group for word in topic.name.split(" ")[1:]],
            }
            text = msgspec.json.encode(body).decode()
            requests.append(Request(number, text, tuple(group), subscribe))
        return requests

    def ping(self, now: int) -> str:
        """The application ping, a text frame."""
        return f'{{"time":{now // 1_000_000_000},"channel":"{at.PING}"}}'

    # Order books

    def book_path(self, native: str, limit: int) -> str:
        """`GET /spot/order_book`, with the version."""
        return depth_path(native, limit)

    def parse_book(
        self, body: bytes, symbol: str, received: int, number_type: type[Number]
    ) -> BookSnapshot:
        """Parse the answer; raises DecodeError."""
        return parse_depth(body, symbol, received, number_type)

    # Frames

    key = push_key  # called without a method around it, for each frame

    def control(self, frame: bytes, text: bool) -> Control:
        """What a frame without a key says. Total: anything unknown is `Skipped`.

        An `Answer` to several topics may refuse some and say nothing of the others: those the
        venue dropped along with the bad one, and they must be asked for again.
        """
        return read_control(frame) if text else Skipped("a binary frame; this stream sends text")

    def decoder(self, topic: Topic, number_type: type[Number]) -> Decoder:
        """A decoder for the pushes of `topic`, made once and kept.

        It returns nothing for a push without content and raises `DecodeError`, which names
        the topic and the field, for a frame that is not what the topic promises.
        """
        return make_decoder(topic, number_type)

    def sample(self, topic: Topic, now: int) -> tuple[bytes, bool]:
        """One well-formed push of `topic`, a text frame."""
        return make_sample(topic, now), True
