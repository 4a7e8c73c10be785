"""What every venue's front end has in common: one session a connection, pure.

A session is told what the client wrote, what the market did and what time it is, and answers
with frames: text as `str`, binary as `bytes`. It has a `Stream` for each subscription, which
collects what happens and says when its next push is due. Times are ns since the epoch.
"""

from __future__ import annotations

import abc
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, Literal, TypeAlias, cast
from urllib.parse import parse_qsl, urlsplit

import attrs

from ..channels import ExchangeEnum
from .market import Market, Step, SymbolMarket

__all__ = [
    "MILLISECOND",
    "SECOND",
    "Body",
    "Ending",
    "Frame",
    "FrontEnd",
    "Limits",
    "Query",
    "Session",
    "Stream",
    "changed_levels",
    "parse_object",
    "split_url",
    "strings",
    "top_of",
]

Frame: TypeAlias = str | bytes
Ending: TypeAlias = Literal["drop", "close"]
"""How a venue ends a connection: TCP closed without a word, or after a Close frame."""
Query: TypeAlias = Mapping[str, str]
Body: TypeAlias = tuple[int, bytes]
"""An HTTP status and a JSON body."""

MILLISECOND = 1_000_000
SECOND = 1_000_000_000


def split_url(url: str) -> tuple[str, Query]:
    """The path and the query of a URL or of a request target."""
    parts = urlsplit(url)
    return parts.path, dict(parse_qsl(parts.query))


def parse_object(text: str) -> Mapping[str, object] | None:
    """A JSON object, or None for anything else a client may have written."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else None


def strings(value: object) -> list[str] | None:
    """A list of strings, or None for anything else."""
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    return [str(each) for each in items] if all(isinstance(e, str) for e in items) else None


class Stream(abc.ABC):
    """One subscription: what has happened since its last push, and when the next one is due.

    Attributes:
        symbol: the only symbol it hears of, or None for all.
        due: when to call `flush`, or None while there is nothing to say.
    """

    periodic: ClassVar[bool] = False
    """Pushes each period, changed or not; others push on change, at most once a period."""
    symbol: str | None

    def __init__(self, period: int, now: int) -> None:
        self._period = period
        self._last = now
        self.due: int | None = now + period if self.periodic else None

    def feed(self, step: Step) -> None:
        """Hear of a step."""
        if self.hears(step) and self.due is None:
            self.due = max(step.time, self._last + self._period)

    def flush(self, now: int) -> list[Frame]:
        """Write the push that is due."""
        self._last = now
        if self.periodic and self.due is not None:
            self.due += self._period * (1 + (now - self.due) // self._period)
        else:
            self.due = None
        return self.write(now)

    def hears(self, step: Step) -> bool:
        """Take in a step; whether it gives something to say."""
        return bool(step.changes)

    @abc.abstractmethod
    def write(self, now: int) -> list[Frame]:
        """The frames that say what has happened since the last call."""


@attrs.frozen
class Limits:
    """The rules by which a venue ends connections. Seconds; None where it has no such rule.

    Attributes:
        empty: without a subscription, and `empty_heard` decides whether a client that
            speaks is spared.
        quiet: with subscriptions, when neither side has said anything.
        age: of any connection.
        requests_a_second: more text frames in one second end it.
        ending: how the venue ends it.
    """

    empty: float = 30.0
    empty_heard: bool = False
    quiet: float = 60.0
    age: float | None = None
    requests_a_second: int | None = None
    ending: Ending = "drop"


class Session(abc.ABC):
    """A connection as its venue sees it.

    Attributes:
        streams: the subscriptions by the venue's own name.
        heard, said: when the client last sent anything and when a push was last sent to it.
    """

    limits: ClassVar[Limits]

    def __init__(self, market: Market, refused: set[str], rng: random.Random, now: int) -> None:
        self.market = market
        self.random = rng
        self.streams: dict[str, Stream] = {}
        self.heard = self.said = self._opened = self._emptied = now
        self._refused = refused
        self._by_symbol: defaultdict[str | None, list[Stream]] = defaultdict(list)
        self._requests: list[int] = []

    # What happens

    def receive(self, request: str, now: int) -> list[Frame]:
        """Answer a text frame of the client."""
        self._requests = [time for time in self._requests if time > now - SECOND] + [now]
        return self.answer(request, now)

    def feed(self, step: Step) -> None:
        """Tell the streams of a step."""
        for stream in self._by_symbol.get(step.symbol, ()):
            stream.feed(step)
        for stream in self._by_symbol.get(None, ()):
            stream.feed(step)

    def tick(self, now: int) -> list[Frame]:
        """The pushes that are due, in the order of the subscriptions."""
        frames: list[Frame] = []
        for stream in self.streams.values():
            if stream.due is not None and stream.due <= now:
                frames += stream.flush(now)
        if frames:
            self.said = now
        return frames

    def ending(self, now: int) -> Ending | None:
        """How the venue ends this connection now, or None while it may live."""
        most = self.limits.requests_a_second
        crowded = most is not None and len(self._requests) > most
        return self.limits.ending if crowded or now >= self._expires() else None

    def next_due(self) -> int:
        """When `tick` or `ending` has something to say, if nothing happens before."""
        dues = [stream.due for stream in self.streams.values() if stream.due is not None]
        return min([*dues, self._expires()])

    def _expires(self) -> int:
        limits = self.limits
        if self.streams:
            end = max(self.heard, self.said) + int(limits.quiet * SECOND)
        else:
            begin = max(self._emptied, self.heard) if limits.empty_heard else self._emptied
            end = begin + int(limits.empty * SECOND)
        if limits.age is not None:
            end = min(end, self._opened + int(limits.age * SECOND))
        return end

    # For venues

    @abc.abstractmethod
    def answer(self, request: str, now: int) -> list[Frame]:
        """Answer a text frame of the client."""

    def lists(self, symbol: str) -> bool:
        """Whether the exchange knows the symbol."""
        return symbol in self.market and symbol not in self._refused

    def add(self, name: str, stream: Stream, now: int) -> None:
        """Begin a subscription, unless it exists already."""
        if name not in self.streams:
            if stream.due is not None:
                # Off the client's own beat, so that under a virtual clock a push and a request
                # never fall on one moment, where the scheduler would decide which is first.
                stream.due += self.random.randrange(100_000, 900_000)
            self.streams[name] = stream
            self._by_symbol[stream.symbol].append(stream)
            self.said = now

    def remove(self, name: str, now: int) -> bool:
        """End a subscription; False where there was none."""
        stream = self.streams.pop(name, None)
        if stream is None:
            return False
        self._by_symbol[stream.symbol].remove(stream)
        if not self.streams:
            self._emptied = now
        return True

    def drop_refused(self, now: int) -> None:
        """Go silent about symbols that are refused by now, as after a delisting."""
        for name, stream in list(self.streams.items()):
            if stream.symbol in self._refused:
                self.remove(name, now)


@attrs.frozen
class FrontEnd:
    """A venue: where it is, how it talks over the WebSocket and what it answers to GETs.

    Attributes:
        exchange: which one.
        path: of the WebSocket.
        rest_base: the path of the REST base address.
        session: makes the session of a new connection.
        rest: answers a GET: (market, refused symbols, path, query, now) -> status and body;
            None for a path that does not exist.
        upgrade_notice: what the venue says some time before it ends connections, if anything.
    """

    exchange: ExchangeEnum
    path: str
    rest_base: str
    session: Callable[[Market, set[str], random.Random, int], Session]
    rest: Callable[[Market, set[str], str, Query, int], Body | None]
    upgrade_notice: Callable[[int], str] | None = None


def changed_levels(
    before: Mapping[int, int], after: Mapping[int, int]
) -> Iterator[tuple[int, int]]:
    """The levels to set to turn `before` into `after`; gone ones are set to zero."""
    for price, quantity in after.items():
        if before.get(price) != quantity:
            yield price, quantity
    for price in before:
        if price not in after:
            yield price, 0


def top_of(market: SymbolMarket, count: int | None) -> tuple[dict[int, int], dict[int, int]]:
    """The best `count` bids and asks as price to quantity, best first."""
    return dict(market.engine.bids.levels(count)), dict(market.engine.asks.levels(count))
