"""Venue: the questions a venue answers, and the words for the answers.

Staying connected, subscribing again, routing and queues are written once, elsewhere. A venue
only says how its streams are called, which bytes ask for them, what a frame is about and what
is in it. It is pure: bytes and times in, messages and bytes out; no Trio, no sockets.

A frame takes one of two ways. `Venue.key` looks at its first bytes: a push has the key of a
`Topic` and goes to the decoder of that topic; everything else (None) goes to
`Venue.control`.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import attrs

from ..channels import Channel, ExchangeEnum, Parameters, PublicChannelType, suggestion
from ..errors import ChannelError, UnknownSymbol
from ..messages import BookSnapshot, MarketMessage, Number
from ..synchroniser import BookRules

__all__ = [
    "Answer",
    "BookOption",
    "BookPlan",
    "Control",
    "Decoder",
    "Instrument",
    "Instruments",
    "Notice",
    "Pong",
    "Request",
    "RestRules",
    "Skipped",
    "Topic",
    "Venue",
    "VenueRules",
]

Decoder: TypeAlias = Callable[[bytes, int], Sequence[MarketMessage]]
"""(frame, receive time in ns) -> the messages in it, in order; empty where it has no content."""


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


# What is asked for


@attrs.frozen
class Topic:
    """One stream of a venue.

    Attributes:
        key: what `Venue.key` finds in each push of this stream.
        name: the venue's own name, as it stands in requests and answers; unique as `key` is.
        channel: what it carries; the symbol is None for an all-symbols stream.
        parameters: what was chosen, the venue's defaults filled in.
    """

    key: bytes
    name: str
    channel: Channel
    parameters: Parameters

    def __str__(self) -> str:
        return self.name


@attrs.frozen
class Request:
    """One frame to send, and the topics it asks for."""

    id: int
    text: str
    topics: tuple[Topic, ...]
    subscribe: bool


@attrs.frozen(kw_only=True)
class VenueRules:
    """What a venue allows a connection and what it wants to hear.

    Attributes:
        max_topics: subscriptions a connection, or None where no limit is known.
        max_topics_a_request: topics in one subscribe frame.
        requests_a_second: how fast request frames may follow each other.
        ping_interval: seconds between our application pings.
        idle_limit: seconds after which the venue itself drops a quiet connection.
        empty_limit: the same for a connection without a subscription.
        max_age: seconds a connection may live, or None where no limit is known.
        pings_keep_empty: whether our pings keep a connection without subscription open.
    """

    max_topics: int | None
    max_topics_a_request: int
    requests_a_second: float
    ping_interval: float
    idle_limit: float
    empty_limit: float
    max_age: float | None = None
    pings_keep_empty: bool = True


@attrs.frozen
class RestRules:
    """What a venue allows an address to ask for by REST.

    Attributes:
        window: seconds in which `weight` is allowed, for each path on its own.
        weights: of paths that weigh more than 1.
    """

    window: float
    weight: int
    weights: Mapping[str, int] = attrs.field(factory=dict[str, int])

    def weight_of(self, path: str) -> int:
        """What a GET of a path without its query weighs."""
        return self.weights.get(path, 1)


# Order books


@attrs.frozen
class BookOption:
    """One way to keep an order book at a venue.

    Attributes:
        parameters: what chooses it; complete.
        kind: of the channel it is kept from.
        feed: parameters of that channel.
    """

    parameters: Parameters
    kind: PublicChannelType
    feed: Parameters
    rules: BookRules

    def __str__(self) -> str:
        return str(self.parameters)


@attrs.frozen
class BookPlan:
    """How the order book of one symbol is kept.

    Attributes:
        channel: `spot.orderbook.BTCUSDT`.
        topic: the stream it is kept from.
        parameters: the way that was chosen.
        snapshot_path: where, below the REST address, a snapshot is.
    """

    channel: Channel
    topic: Topic
    parameters: Parameters
    rules: BookRules
    snapshot_path: str


# What is heard besides pushes


@attrs.frozen
class Answer:
    """What the venue says to a request. One answer may accept some topics and refuse others.

    Attributes:
        id: the request's id, or None or 0 where the venue did not echo it.
        accepted: names of the topics it confirms, or None where it names none: then the whole
            request was accepted if `refused` is empty and `reason` is None.
        refused: names of the topics it refuses; empty with a `reason` means the whole request.
        reason: the venue's words for the refusal.
        code: the venue's error code, where it has one that means something.
        subscribe: False when it answers an unsubscribe, None where that cannot be told.
        scope: the venue's channel the answer is about, for venues that name no topics.
        is_transient: whether the refusal is about the moment, not about what was asked for.
    """

    id: int | None
    accepted: tuple[str, ...] | None = None
    refused: tuple[str, ...] = ()
    reason: str | None = None
    code: int | None = None
    subscribe: bool | None = None
    scope: str | None = None
    is_transient: bool = False


@attrs.frozen
class Pong:
    """The venue answered our application ping."""


@attrs.frozen
class Notice:
    """The venue announces something about the connection.

    Attributes:
        kind: `upgrade` when it will close the connection soon, else the venue's own word.
        text: the venue's words.
    """

    kind: str
    text: str


@attrs.frozen
class Skipped:
    """A frame that is neither a push we know nor a control message; counted, never fatal."""

    reason: str


Control: TypeAlias = Answer | Pong | Notice | Skipped


# Symbols


@attrs.frozen
class Instrument:
    """One tradable pair.

    Attributes:
        symbol: our spelling, `BTCUSDT`.
        native: the venue's spelling, `BTC_USDT` or `BTCUSDT`.
        base, quote: the coins; empty where the list does not say.
    """

    symbol: str
    native: str
    base: str = ""
    quote: str = ""


class Instruments(Mapping[str, Instrument]):
    """A venue's instrument list: our symbol to the instrument, and the native name back.

    The first of two instruments that share one spelling wins, so a list should put what is
    tradable first.
    """

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self._by_symbol: dict[str, Instrument] = {}
        self._symbols: dict[str, str] = {}
        for instrument in instruments:
            if self._by_symbol.setdefault(instrument.symbol, instrument) is instrument:
                self._symbols[instrument.native] = instrument.symbol

    def __getitem__(self, symbol: str) -> Instrument:
        return self._by_symbol[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_symbol)

    def __len__(self) -> int:
        return len(self._by_symbol)

    def __repr__(self) -> str:
        return f"<Instruments {len(self)}>"

    def native(self, symbol: str) -> str:
        """Return the venue's spelling of `symbol`.

        Raises:
            UnknownSymbol: the list does not hold it; the message names a near one.
        """
        try:
            return self._by_symbol[symbol].native
        except KeyError:
            hint = partial(suggestion, symbol, self._by_symbol)
            raise UnknownSymbol(f"no instrument {symbol!r} in the list", hint) from None

    def symbol(self, native: str) -> str | None:
        """Return our spelling of the venue's name, or None where the list does not hold it."""
        return self._symbols.get(native)


# The venue


class Venue(abc.ABC):
    """One market of one exchange. Stateless but for the instrument list.

    `instruments` begins as the shipped snapshot and may be replaced by a newer list.
    """

    exchange: ExchangeEnum
    market: str
    url: str
    """The WebSocket's address in production."""
    rest_url: str
    """The REST base address in production."""
    instruments_path: str
    """Where, below `rest_url`, the instrument list is."""
    rules: VenueRules
    rest_rules: RestRules
    books: Sequence[BookOption]
    """The ways to keep an order book, the best first."""
    channels: Mapping[str, str]
    """Kinds offered (`spot.trades`) and, in a few words, the keywords each takes."""
    key: Callable[[bytes, bool], bytes | None]
    """(frame, whether it is text) -> the topic key of a push, from as few bytes as possible; None
    when it is no push. A `KeyMemo`, best: it is called for every frame."""

    def __init__(self, instruments: Instruments | None = None) -> None:
        self.instruments = self.snapshot() if instruments is None else instruments

    # Symbols

    @abc.abstractmethod
    def snapshot(self) -> Instruments:
        """The instrument list shipped with the package."""

    @abc.abstractmethod
    def parse_instruments(self, body: bytes) -> Instruments:
        """Parse the venue's REST instrument list.

        Raises:
            DecodeError: the body is not such a list.
        """

    @abc.abstractmethod
    def guess(self, symbol: str) -> Instrument | None:
        """The instrument `symbol` must be if it exists, where no list holds it; None if unclear.

        Never silently wrong: the exchange refuses a name it does not have.
        """

    # Requests

    @abc.abstractmethod
    def topic(self, channel: Channel, parameters: Parameters, *, every: bool = False) -> Topic:
        """The stream that carries `channel`.

        Args:
            every: the all-symbols stream; the channel has no symbol then.

        Raises:
            ChannelError: the venue does not offer the channel, or a parameter has a value
                that is not allowed; the message lists what is.
            UnknownSymbol: the instrument list does not hold the symbol.
        """

    @abc.abstractmethod
    def topic_of(self, key: bytes) -> Topic | None:
        """The topic a push key belongs to, though nobody subscribed to it here; or None."""

    @abc.abstractmethod
    def requests(
        self, topics: Sequence[Topic], *, subscribe: bool, first_id: int, now: int
    ) -> list[Request]:
        """The fewest frames that subscribe (or unsubscribe) `topics`.

        Args:
            first_id: ids count up from here, one a frame; below 2**31.
            now: wall time, ns since the epoch.
        """

    @abc.abstractmethod
    def ping(self, now: int) -> str:
        """The application ping, a text frame."""

    def cadence(self, topic: Topic) -> float | None:  # noqa: ARG002  for venues to use
        """Seconds between pushes of a topic whatever the market does, or None.

        Most channels push on change and have none: silence of an idle market is no failure.
        """
        return None

    # Frames

    @abc.abstractmethod
    def control(self, frame: bytes, text: bool) -> Control:
        """What a frame without a key says. Total: anything unknown is `Skipped`."""

    @abc.abstractmethod
    def decoder(self, topic: Topic, number_type: type[Number]) -> Decoder:
        """A decoder for the pushes of `topic`, made once and kept.

        The decoder raises `DecodeError` for a frame that is not what the topic promises.
        """

    @abc.abstractmethod
    def sample(self, topic: Topic, now: int) -> tuple[bytes, bool]:
        """One well-formed push of `topic` and whether it is a text frame."""

    # Order books

    def book(self, channel: Channel, parameters: Parameters) -> BookPlan:
        """The best way to keep a book that is as asked for.

        Raises:
            ChannelError: there is none; the message lists those there are.
            UnknownSymbol: the instrument list does not hold the symbol.
        """
        for option in self.books:
            if parameters.accepts(option.parameters):
                feed = attrs.evolve(channel, type=option.kind)
                return self._plan(channel, self.topic(feed, option.feed), option)
        raise ChannelError(f"{channel} on {self.exchange} {self._why_no_book(parameters)}")

    def _why_no_book(self, parameters: Parameters) -> str:
        """Which keyword cannot be, and what can; in the words in which it was given."""
        given = parameters.given()
        for name in given:
            if not any(name in each.parameters.given() for each in self.books):
                takes = dict.fromkeys(
                    name for each in self.books for name in each.parameters.given()
                )
                return f"takes no {name}=; a book takes {', '.join(takes)}"
        for name, value in given.items():
            values = self._values(name, Parameters())
            if value not in values:
                return f"cannot have {name}={value}; it has {name}= {_listed(values)}"
        for name, value in given.items():
            others = attrs.evolve(parameters, **{name: None})
            if values := self._values(name, others):
                return f"cannot have {name}={value} with {others}; it has {name}= {_listed(values)}"
        first = Parameters(**dict([next(iter(given.items()))]))
        near = [each for each in self.books if first.accepts(each.parameters)]
        return f"cannot have {parameters} together; it has {'; '.join(map(str, near))}"

    def _values(self, name: str, others: Parameters) -> list[object]:
        """What a keyword may be beside others, each once, the best first."""
        options = [each.parameters for each in self.books if others.accepts(each.parameters)]
        values = (each.given().get(name) for each in options)
        return [value for value in dict.fromkeys(values) if value is not None]

    def book_of(self, topic: Topic) -> BookPlan | None:
        """The book that is kept from a topic; None where none is."""
        for option in self.books:
            if topic.channel.type is option.kind and option.feed.accepts(topic.parameters):
                channel = attrs.evolve(topic.channel, type=PublicChannelType.ORDERBOOK)
                return self._plan(channel, topic, option)
        return None

    def _plan(self, channel: Channel, topic: Topic, option: BookOption) -> BookPlan:
        assert channel.symbol is not None
        listed = self.instruments.get(channel.symbol) or self.guess(channel.symbol)
        path = self.book_path(listed.native if listed else channel.symbol, option.rules.limit)
        return BookPlan(channel, topic, option.parameters, option.rules, path)

    @abc.abstractmethod
    def book_path(self, native: str, limit: int) -> str:
        """Where, below the REST address, the best `limit` levels a side of a book are."""

    @abc.abstractmethod
    def parse_book(
        self, body: bytes, symbol: str, received: int, number_type: type[Number]
    ) -> BookSnapshot:
        """Parse a book that was asked for by REST.

        Args:
            symbol: ours; the body may name none.
            received: wall time of the answer, ns since the epoch.

        Raises:
            DecodeError: the body is no book with a version.
        """

    # Helpers for venues

    def refuse(self, channel: Channel) -> ChannelError:
        """The error for a kind this venue does not offer."""
        offered = ", ".join(self.channels)
        hint = suggestion(str(channel.type), self.channels)
        return ChannelError(
            f"{self.exchange} {self.market} does not offer {str(channel.type)!r}{hint}; "
            f"it offers {offered}"
        )

    def choose(
        self,
        channel: Channel,
        parameters: Parameters,
        allowed: Mapping[str, Sequence[object]],
    ) -> Parameters:
        """Fill in defaults and check values; the first allowed value is the default.

        Args:
            allowed: values by parameter name; a parameter not named may not be given.

        Raises:
            ChannelError: a parameter the channel does not take, or a value not allowed.
        """
        given = parameters.given()
        for name, value in given.items():
            if name not in allowed:
                takes = f"takes {', '.join(allowed)}" if allowed else "takes no keyword"
                raise ChannelError(
                    f"{channel} on {self.exchange} {takes}, and {name}={value!r} was given"
                )
            if value not in allowed[name]:
                values = ", ".join(repr(each) for each in allowed[name])
                raise ChannelError(
                    f"{channel} on {self.exchange} takes {name}= one of {values}, not {value!r}"
                )
        # The allowed value itself, not one that only equals it: 5, not 5.0.
        chosen: dict[str, Any] = {
            name: values[values.index(given[name]) if name in given else 0]
            for name, values in allowed.items()
        }
        return _shared(Parameters(**chosen))


@functools.lru_cache(maxsize=1024)
def _shared(parameters: Parameters) -> Parameters:
    """One for all topics that chose the same."""
    return parameters
