"""What is pushed, computed once for everybody: the streams of an exchange on one grid of time.

The rule: a push depends on its stream and on the moment it is due, never on who subscribed or
when. Windows end at multiples of the stream's period since the epoch, a little off the full
millisecond, and a stream that begins in the middle of a window covers all of it. So every
subscriber of a stream is sent the same bytes. Times are ns since the epoch.
"""

from __future__ import annotations

import abc
import heapq
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, TypeAlias

import attrs

from .market import Market, Step, SymbolMarket

__all__ = [
    "MILLISECOND",
    "SECOND",
    "Board",
    "Frame",
    "Push",
    "Stream",
    "changed_levels",
    "top_of",
]

Frame: TypeAlias = str | bytes

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
_FOREVER = 1 << 63


class Stream(abc.ABC):
    """One stream: what has happened since its last push, and when the next one is due.

    Attributes:
        symbol: the only symbol it hears of, or None for all.
        begun: where the window began in which it was subscribed to first.
        due: when to call `flush`, or None while there is nothing to say.
    """

    periodic: ClassVar[bool] = False
    """Pushes each period, changed or not; others push on change, at most once a period."""
    is_chain: ClassVar[bool] = False
    """Each push continues the one before it: a lost one leaves a hole."""

    def __init__(self, symbol: str | None, period: int, now: int) -> None:
        self.symbol = symbol
        self._period = period
        self._phase = self._phase_of(symbol)
        self.begun = self.window(symbol, period, now) if period else now
        self.due: int | None = self.begun + period if self.periodic else None

    @classmethod
    def _phase_of(cls, symbol: str | None) -> int:
        # Off the full millisecond, so that under a virtual clock a push and a client's own timer
        # rarely fall on one moment.
        return 100_000 + zlib.crc32(f"{cls.__name__} {symbol}".encode()) % 800_000

    @classmethod
    def window(cls, symbol: str | None, period: int, now: int) -> int:
        """Where the window of a stream began that `now` is in."""
        return now - (now - cls._phase_of(symbol)) % period

    def feed(self, step: Step) -> None:
        """Hear of a step."""
        if self.hears(step) and self.due is None:
            wait = (self._phase - step.time) % self._period if self._period else 0
            self.due = step.time + wait

    def flush(self, now: int) -> list[Frame]:
        """Write the push that is due now."""
        self.due = now + self._period if self.periodic else None
        return self.write(now)

    def hears(self, step: Step) -> bool:
        """Take in a step; whether it gives something to say."""
        return bool(step.changes)

    def first(self, now: int) -> list[Frame]:  # noqa: ARG002  for streams to use
        """What a new subscriber is sent at once, behind the answer."""
        return []

    @abc.abstractmethod
    def write(self, now: int) -> list[Frame]:
        """The frames that say what has happened since the last call."""


@attrs.frozen
class Push:
    """What all subscribers of a stream are sent at one moment."""

    name: str
    stream: Stream
    time: int
    frames: list[Frame]


class Board:
    """The streams somebody subscribed to, by the venue's own name, and the market behind them.

    Attributes:
        refused: symbols the exchange does not know, though the market has them.
        refuses: says whether requests for a symbol are refused just now.
    """

    def __init__(self, market: Market) -> None:
        self.market = market
        self.refused: set[str] = set()
        self.refuses: Callable[[str], bool] = lambda _: False
        self._streams: dict[str, Stream] = {}
        self._subscribers: Counter[str] = Counter()
        self._by_symbol: defaultdict[str | None, dict[str, Stream]] = defaultdict(dict)
        self._dues: list[tuple[int, int, str]] = []
        self._numbers: dict[str, int] = {}
        self._begun = 0

    def __len__(self) -> int:
        return len(self._streams)

    def lists(self, symbol: str) -> bool:
        """Whether the exchange accepts requests for the symbol."""
        known = symbol in self.market and symbol not in self.refused
        return known and not self.refuses(symbol)

    # Subscribers

    def join(self, name: str, begin: Callable[[], Stream]) -> Stream:
        """Count a subscriber of a stream, which begins with the first one."""
        self._subscribers[name] += 1
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = begin()
            self._begun += 1
            self._numbers[name] = self._begun
            self._by_symbol[stream.symbol][name] = stream
            if stream.symbol is not None:
                for step in self.market[stream.symbol].since(stream.begun):
                    stream.feed(step)
            self._note(name, stream)
        return stream

    def leave(self, name: str) -> None:
        """Count a subscriber less; a stream ends with the last one."""
        self._subscribers[name] -= 1
        if not self._subscribers[name]:
            stream = self._streams.pop(name)
            del self._subscribers[name], self._numbers[name]
            del self._by_symbol[stream.symbol][name]

    # Time

    def advance(self, now: int) -> Iterator[Push]:
        """Move the market, and yield every push in the order of time. Exhaust the iterator."""
        while True:
            step, due = self.market.next_step, self.next_due()
            if min(step, due) > now:
                return
            if step <= due:
                for each in self.market.advance(step):
                    self._feed(each)
            else:
                yield self._flush()

    def next_due(self) -> int:
        """When the next push is due, far away while there is nothing to say."""
        while self._dues:
            due, number, name = self._dues[0]
            if self._numbers.get(name) == number and self._streams[name].due == due:
                return due
            heapq.heappop(self._dues)
        return _FOREVER

    def _feed(self, step: Step) -> None:
        for symbol in (step.symbol, None):
            for name, stream in self._by_symbol[symbol].items():
                due = stream.due
                stream.feed(step)
                if stream.due != due:
                    self._note(name, stream)

    def _flush(self) -> Push:
        due, _, name = heapq.heappop(self._dues)
        stream = self._streams[name]
        frames = stream.flush(due)
        self._note(name, stream)
        return Push(name, stream, due, frames)

    def _note(self, name: str, stream: Stream) -> None:
        if stream.due is not None:
            heapq.heappush(self._dues, (stream.due, self._numbers[name], name))


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
