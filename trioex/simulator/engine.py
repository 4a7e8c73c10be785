"""A small matching engine: one order book, price-time priority, integers only.

Limit orders rest, market orders take. Prices are ticks and quantities are lots, so nothing
drifts. Every change of a level's total has a version of its own, one higher than the one
before it: whoever applies the changes in order to a copy of the book holds the book.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from enum import StrEnum

import attrs

__all__ = ["Change", "Fill", "Ladder", "MatchingEngine", "Outcome", "Side"]


class Side(StrEnum):
    """Who wants what: a bid rests on the BUY side, an ask on the SELL side."""

    BUY = "buy"
    SELL = "sell"

    @property
    def other(self) -> Side:
        """The side an order of this side trades with."""
        return Side.SELL if self is Side.BUY else Side.BUY


@attrs.frozen
class Change:
    """One level has a new total instead of `before`; zero means there is no level."""

    version: int
    side: Side
    price: int
    quantity: int
    before: int


@attrs.frozen
class Fill:
    """A taker met a resting order; `side` is the taker's."""

    side: Side
    price: int
    quantity: int


@attrs.define
class Outcome:
    """What one order did, in the order it happened."""

    changes: list[Change] = attrs.field(factory=list[Change])
    fills: list[Fill] = attrs.field(factory=list[Fill])


class Ladder:
    """One side of the book: levels sorted so that the best is the last."""

    def __init__(self, side: Side) -> None:
        self._sign = 1 if side is Side.BUY else -1
        self._keys: list[int] = []
        self._queues: dict[int, deque[int]] = {}
        self._totals: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, price: int) -> bool:
        return price in self._totals

    @property
    def best(self) -> int | None:
        """The best price, or None when the side is empty."""
        return self._keys[-1] * self._sign if self._keys else None

    @property
    def worst(self) -> int | None:
        """The price farthest from the market, or None when the side is empty."""
        return self._keys[0] * self._sign if self._keys else None

    def price(self, place: int) -> int:
        """The price of the level at `place`, counted from the best, which is 0."""
        return self._keys[-1 - place] * self._sign

    def total(self, price: int) -> int:
        """The quantity resting at `price`, zero where there is no level."""
        return self._totals.get(price, 0)

    def levels(self, count: int | None = None) -> list[tuple[int, int]]:
        """The best `count` levels (all by default) as (price, quantity), best first."""
        keys = self._keys if count is None else self._keys[-count:]
        return [(key * self._sign, self._totals[key * self._sign]) for key in reversed(keys)]

    def rest(self, price: int, quantity: int) -> int:
        """Queue an order behind those already at `price`; returns the level's new total."""
        queue = self._queues.get(price)
        if queue is None:
            queue = self._queues[price] = deque()
            insort(self._keys, price * self._sign)
        queue.append(quantity)
        total = self._totals.get(price, 0) + quantity
        self._totals[price] = total
        return total

    def take(self, quantity: int) -> list[int]:
        """Take up to `quantity` from the best level, oldest order first; returns the parts."""
        price = self._keys[-1] * self._sign
        queue = self._queues[price]
        parts: list[int] = []
        while quantity and queue:
            part = min(quantity, queue[0])
            parts.append(part)
            quantity -= part
            if part == queue[0]:
                queue.popleft()
            else:
                queue[0] -= part
        self._lower(price, sum(parts))
        return parts

    def cancel(self, price: int) -> int:
        """Withdraw the newest order at `price`; returns the level's new total."""
        return self._lower(price, self._queues[price].pop())

    def _lower(self, price: int, quantity: int) -> int:
        total = self._totals[price] - quantity
        if total:
            self._totals[price] = total
        else:
            del self._totals[price], self._queues[price]
            del self._keys[bisect_left(self._keys, price * self._sign)]
        return total


class MatchingEngine:
    """One symbol's book and the rule by which orders meet."""

    def __init__(self, version: int = 0) -> None:
        self.version = version
        self.bids = Ladder(Side.BUY)
        self.asks = Ladder(Side.SELL)

    def ladder(self, side: Side) -> Ladder:
        """The ladder on which orders of `side` rest."""
        return self.bids if side is Side.BUY else self.asks

    def limit(self, side: Side, price: int, quantity: int) -> Outcome:
        """Trade with whatever is at `price` or better, then rest what is left."""
        outcome = Outcome()
        left = self._match(side, quantity, price, outcome)
        if left:
            before = self.ladder(side).total(price)
            total = self.ladder(side).rest(price, left)
            outcome.changes.append(self._change(side, price, total, before))
        return outcome

    def market(self, side: Side, quantity: int) -> Outcome:
        """Trade with the best there is; what finds nobody is withdrawn."""
        outcome = Outcome()
        self._match(side, quantity, None, outcome)
        return outcome

    def cancel(self, side: Side, price: int) -> Outcome:
        """Withdraw the newest order at a price that has a level."""
        before = self.ladder(side).total(price)
        return Outcome([self._change(side, price, self.ladder(side).cancel(price), before)])

    def _match(self, side: Side, quantity: int, worst: int | None, outcome: Outcome) -> int:
        resting = self.ladder(side.other)
        while quantity and (price := resting.best) is not None:
            if worst is not None and (price > worst if side is Side.BUY else price < worst):
                break
            before = resting.total(price)
            parts = resting.take(quantity)
            quantity -= sum(parts)
            outcome.fills.extend(Fill(side, price, part) for part in parts)
            outcome.changes.append(self._change(side.other, price, before - sum(parts), before))
        return quantity

    def _change(self, side: Side, price: int, quantity: int, before: int) -> Change:
        self.version += 1
        return Change(self.version, side, price, quantity, before)
