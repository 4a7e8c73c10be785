"""The true book of every version: what a test compares a client's book with.

A book is the one that was at the beginning and the changes since. Asking for versions in
ascending order costs their changes once; an older one is built from the nearest checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import attrs

from .engine import Change, MatchingEngine, Side
from .listing import Listing

__all__ = ["History", "TrueBook"]

_CHECKPOINT = 10_000
"""Changes between two books that are kept whole."""


@attrs.frozen
class TrueBook:
    """A book of the exchange at one version, best first, price to quantity, exact."""

    version: int
    bids: dict[Decimal, Decimal]
    asks: dict[Decimal, Decimal]


@attrs.define
class _Sides:
    """A book in ticks and lots, unsorted."""

    version: int
    bids: dict[int, int]
    asks: dict[int, int]

    def copy(self) -> _Sides:
        return _Sides(self.version, dict(self.bids), dict(self.asks))

    def apply(self, change: Change) -> None:
        levels = self.bids if change.side is Side.BUY else self.asks
        if change.quantity:
            levels[change.price] = change.quantity
        else:
            levels.pop(change.price, None)
        self.version = change.version


class History:
    """The books of one symbol, from the moment it was made."""

    def __init__(self, listing: Listing, engine: MatchingEngine) -> None:
        self._listing = listing
        begin = _Sides(engine.version, dict(engine.bids.levels()), dict(engine.asks.levels()))
        self._first = begin.version
        self._changes: list[Change] = []
        self._checkpoints = [begin]
        self._newest = begin.copy()
        self._asked = begin.copy()

    def note(self, changes: Iterable[Change]) -> None:
        """Remember changes, which continue those before."""
        for change in changes:
            self._changes.append(change)
            self._newest.apply(change)
            if len(self._changes) % _CHECKPOINT == 0:
                self._checkpoints.append(self._newest.copy())

    def at(self, version: int | None = None, levels: int | None = None) -> TrueBook:
        """The book at a version, the newest by default; of `levels` levels a side, or all.

        Raises:
            LookupError: there was no such version; the message says which there were.
        """
        newest = self._newest.version
        wanted = newest if version is None else version
        if not self._first <= wanted <= newest:
            raise LookupError(
                f"{self._listing.symbol} has no book of version {wanted}; "
                f"known are {self._first} to {newest}"
            )
        nearest = self._checkpoints[(wanted - self._first) // _CHECKPOINT]
        if not nearest.version <= self._asked.version <= wanted:
            self._asked = nearest.copy()
        asked = self._asked
        for change in self._changes[asked.version - self._first : wanted - self._first]:
            asked.apply(change)
        price, quantity = self._listing.price, self._listing.quantity
        bids, asks = (
            {
                Decimal(price(tick)): Decimal(quantity(side[tick]))
                for tick in sorted(side, reverse=side is asked.bids)[:levels]
            }
            for side in (asked.bids, asked.asks)
        )
        return TrueBook(wanted, bids, asks)
