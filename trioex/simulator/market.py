"""A market as a function of its seed: random agents around one matching engine a symbol.

The market moves only when it is told what time it is, in steps at random times. One step is
one agent's order; it yields the trades and the level changes. Book, trades, candles, 24 hour
figures and best prices are views of the same steps, so they cannot disagree. The traffic of
clients never touches it: same seed, same steps.
"""

from __future__ import annotations

import copy
import heapq
import random
from collections import deque
from collections.abc import Iterator, Sequence

import attrs

from ..errors import ConfigError
from .candles import INTERVALS, Candle, CandleSeries
from .engine import Change, MatchingEngine, Outcome, Side
from .history import History
from .listing import Listing

__all__ = ["Book", "Day", "Market", "Step", "SymbolMarket", "Trade"]

LEVELS = 100
"""The most levels a side ever has: what Gate's 100-level streams carry is then all there is."""

STEPS_A_SECOND = 30.0
_WARM_UP_NS = 20_000_000_000
_DAY_S = 86_400
_RECENT_NS = 2_000_000_000
_RECENT_STEPS = 100_000
"""How far back a book can be seen: farther than the longest window of any stream of changes."""

# What happens


@attrs.frozen
class Trade:
    """A trade: `id` counts over all symbols, `market_id` over its own; `side` is the taker's."""

    id: int
    market_id: int
    time: int
    side: Side
    price: int
    quantity: int


@attrs.frozen
class Step:
    """What one agent did: `changes` have the versions up to `version`, without a hole."""

    symbol: str
    time: int
    version: int
    changes: Sequence[Change]
    trades: Sequence[Trade]


@attrs.frozen
class Book:
    """A whole book as it is or was: price to quantity, best first.

    Attributes:
        version: of its last change, which happened at `updated`, ns since the epoch.
    """

    version: int
    updated: int
    bids: dict[int, int]
    asks: dict[int, int]

    def best(self) -> tuple[int, int, int, int]:
        """Best bid, its quantity, best ask, its quantity."""
        return *next(iter(self.bids.items())), *next(iter(self.asks.items()))

    def top(self, count: int | None = None) -> tuple[dict[int, int], dict[int, int]]:
        """The best `count` bids and asks."""
        return dict(list(self.bids.items())[:count]), dict(list(self.asks.items())[:count])


@attrs.frozen
class Day:
    """The last 24 hours, by whole minutes, in ticks and lots."""

    open: int
    last: int
    high: int
    low: int
    base: int
    quote: int


def _sum(candles: Sequence[Candle]) -> Day | None:
    if not candles:
        return None
    return Day(
        open=candles[0].open,
        last=candles[-1].close,
        high=max(candle.high for candle in candles),
        low=min(candle.low for candle in candles),
        base=sum(candle.base for candle in candles),
        quote=sum(candle.quote for candle in candles),
    )


def _join(day: Day | None, candle: Candle) -> Day:
    """A day and the candle after it."""
    return Day(
        open=candle.open if day is None else day.open,
        last=candle.close,
        high=candle.high if day is None else max(day.high, candle.high),
        low=candle.low if day is None else min(day.low, candle.low),
        base=candle.base + (0 if day is None else day.base),
        quote=candle.quote + (0 if day is None else day.quote),
    )


class SymbolMarket:
    """One symbol: its agents, its book and everything that is derived from its trades."""

    def __init__(self, listing: Listing, seed: int, now: int, *, remembers: bool = False) -> None:
        self.listing = listing
        self.last = listing.first_price
        self.updated = now
        """When the book last changed, ns since the epoch."""
        self._random = random.Random(f"{seed}/{listing.symbol}")
        self.engine = MatchingEngine(version=self._random.randrange(10**9, 10**10))
        self._trades = self._random.randrange(10**6, 10**7)
        self._fair = float(listing.first_price)
        self._spread = max(2.0, listing.first_price * 2e-5)
        self._lot = max(2.0, 500 * 10 ** (listing.price_decimals + listing.quantity_decimals)
                        / listing.first_price)  # fmt: skip
        second = now // 10**9
        self.candles = {
            interval: CandleSeries(interval, second, self.last, keep=1440 if interval == 60 else 16)
            for interval in INTERVALS
        }
        self._recent: deque[Step] = deque(maxlen=_RECENT_STEPS)
        self._minutes_at = 0
        self._minutes: list[Candle] = []
        self._closed: Day | None = None
        for _ in range(LEVELS // 2):
            for side in Side:
                self._add(side)
        self.history = History(listing, self.engine) if remembers else None

    @property
    def version(self) -> int:
        """The version of the book."""
        return self.engine.version

    def still(self) -> SymbolMarket:
        """The same with a book that does not change."""
        still = copy.copy(self)
        still.engine = copy.deepcopy(self.engine)
        still._recent = self._recent.copy()
        return still

    def top(self) -> tuple[int, int, int, int]:
        """Best bid, its quantity, best ask, its quantity. The book never has an empty side."""
        (bid, bids), (ask, asks) = self.engine.bids.levels(1)[0], self.engine.asks.levels(1)[0]
        return bid, bids, ask, asks

    def since(self, moment: int) -> list[Step]:
        """The steps after `moment`, which may be two seconds back."""
        return [step for step in self._recent if step.time > moment]

    def past(self, moment: int) -> Book:
        """The book as it was at `moment`, which may be two seconds back."""
        sides = {side: dict(self.engine.ladder(side).levels()) for side in Side}
        version, updated = self.version, self.updated
        for step in reversed(self._recent):
            updated = step.time
            if step.time <= moment:
                break
            version = step.version - len(step.changes)
            for change in reversed(step.changes):
                sides[change.side][change.price] = change.before
        bids, asks = (
            {price: lots for price, lots in sorted(sides[side].items(), reverse=is_bid) if lots}
            for side, is_bid in ((Side.BUY, True), (Side.SELL, False))
        )
        return Book(version, updated, bids, asks)

    def day(self, now: int) -> Day:
        """The figures of the last 24 hours."""
        current = self.candles[60].at(now // 10**9)
        if current.start != self._minutes_at:
            # The closed minutes stay as they are until the next one closes.
            self._minutes_at = current.start
            closed = self.candles[60].closed
            self._minutes = [each for each in closed if each.start >= current.end - _DAY_S]
            self._closed = _sum(self._minutes)
        return _join(self._closed, current)

    def opened(self, start: int, now: int) -> int:
        """The price at `start` (ns), or at the oldest minute of the day that is known."""
        self.day(now)
        minutes = (each.open for each in self._minutes if each.start >= start // 10**9)
        return next(minutes, self.candles[60].at(now // 10**9).open)

    # Agents

    def wait(self, rate: float) -> int:
        """How long until the next agent acts, ns."""
        return 1 + int(self._random.expovariate(rate) * 1e9)

    def step(self, now: int, next_trade: Iterator[int]) -> Step:
        """Let one agent act."""
        outcome = self._act()
        trades = [
            self._trade(next(next_trade), now, fill.side, fill.price, fill.quantity)
            for fill in outcome.fills
        ]
        step = Step(self.listing.symbol, now, self.version, outcome.changes, trades)
        if outcome.changes:
            self.updated = now
            self._remember(step)
            if self.history is not None:
                self.history.note(outcome.changes)
        return step

    def _remember(self, step: Step) -> None:
        """Keep a step, and of those that are too old the last."""
        recent = self._recent
        recent.append(step)
        while len(recent) > 1 and recent[1].time <= step.time - _RECENT_NS:
            recent.popleft()

    def _act(self) -> Outcome:
        self._fair += self._random.gauss(0.0, self._spread / 4)
        # Pulled home, so that a price can neither reach zero nor run away in a long run.
        self._fair += (self.listing.first_price - self._fair) * 1e-4
        bid, _, ask, _ = self.top()
        side = Side.BUY if self._fair + self._random.gauss(0, 1) > (bid + ask) / 2 else Side.SELL
        dice = self._random.random()
        if dice < 0.12:
            return self._take(side)
        side = self._random.choice((Side.BUY, Side.SELL))
        if dice < 0.62:
            return self._add(side)
        return self._withdraw(side)

    def _take(self, side: Side) -> Outcome:
        """A market order, never so large that it empties the book."""
        resting = self.engine.ladder(side.other)
        if len(resting) < 10:
            return self._add(side.other)
        near = sum(quantity for _, quantity in resting.levels(5))
        return self.engine.market(side, min(self._size(), max(1, near // 2)))

    def _add(self, side: Side) -> Outcome:
        """A limit order near the fair price; one in a while crosses the spread."""
        ladder, others = self.engine.ladder(side), self.engine.ladder(side.other)
        sign = 1 if side is Side.BUY else -1
        distance = int(self._random.expovariate(1 / self._spread))
        price = max(1, int(self._fair) - sign * distance)
        touch = others.best
        if touch is not None and (price - touch) * sign >= 0:
            crosses = self._random.random() < 0.1 and len(others) >= 10
            price = touch if crosses else max(1, touch - sign)
        if price == touch:
            # No more than is there, so that the remainder is not left alone in the gap.
            return self.engine.limit(side, price, min(self._size(), others.total(price)))
        if len(ladder) >= LEVELS and price not in ladder and ladder.worst is not None:
            return self.engine.cancel(side, ladder.worst)
        return self.engine.limit(side, price, self._size())

    def _withdraw(self, side: Side) -> Outcome:
        ladder = self.engine.ladder(side)
        # The deeper the book, the likelier: it settles at some dozens of levels a side.
        if len(ladder) < 20 or self._random.random() * LEVELS > len(ladder):
            return self._add(side)
        place = min(len(ladder) - 1, int(self._random.expovariate(1 / 15)))
        return self.engine.cancel(side, ladder.price(place))

    def _size(self) -> int:
        return max(1, int(self._lot * self._random.lognormvariate(0.0, 1.0)))

    def _trade(self, number: int, now: int, side: Side, price: int, quantity: int) -> Trade:
        self._trades += 1
        self.last = price
        for series in self.candles.values():
            series.add(now // 10**9, price, quantity)
        return Trade(number, self._trades, now, side, price, quantity)


class Market:
    """All symbols of an exchange, and the clock by which their agents act.

    Attributes:
        pace: how many times faster than usual the agents act; may be changed at any time.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        seed: int,
        now: int,
        pace: float = 1.0,
        remembers: bool = False,
    ) -> None:
        """Open the market 20 seconds before `now` (ns) and let it trade until then.

        Args:
            remembers: whether the book of every version can be asked for later.

        Raises:
            ConfigError: a symbol is no pair, or comes twice, or the pace is not positive.
        """
        if not symbols or len(set(symbols)) != len(symbols):
            raise ConfigError(f"symbols={tuple(symbols)!r} must name each pair once, at least one")
        if not 0 < pace < 1e6:
            raise ConfigError(f"pace={pace!r} must be more than 0 and less than 1e6")
        self.pace = pace
        self.steps = 0
        self.trades = 0
        opened = now - _WARM_UP_NS
        self._markets = {
            symbol: SymbolMarket(Listing.parse(symbol), seed, opened, remembers=remembers)
            for symbol in symbols
        }
        self._trade_ids = iter(range(random.Random(seed).randrange(10**9), 2**62))
        self._due = [(opened + market.wait(STEPS_A_SECOND), symbol)
                     for symbol, market in self._markets.items()]  # fmt: skip
        heapq.heapify(self._due)
        for _ in self.advance(now):
            pass

    def __getitem__(self, symbol: str) -> SymbolMarket:
        return self._markets[symbol]

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._markets

    def __iter__(self) -> Iterator[SymbolMarket]:
        return iter(self._markets.values())

    def still(self) -> Market:
        """The books as they are now, of a market that does not move."""
        still = copy.copy(self)
        still._markets = {symbol: market.still() for symbol, market in self._markets.items()}
        return still

    @property
    def next_step(self) -> int:
        """When the next agent acts, ns since the epoch."""
        return self._due[0][0]

    def advance(self, now: int) -> Iterator[Step]:
        """Take every step that is due at `now`, in the order of time. Exhaust the iterator."""
        rate = STEPS_A_SECOND * self.pace
        while self._due[0][0] <= now:
            time, symbol = self._due[0]
            market = self._markets[symbol]
            step = market.step(time, self._trade_ids)
            heapq.heapreplace(self._due, (time + market.wait(rate), symbol))
            self.steps += 1
            self.trades += len(step.trades)
            yield step
