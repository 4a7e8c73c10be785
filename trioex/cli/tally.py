"""What `trioex book` knows of each book: how it fares, how fast, how late.

It knows neither Trio nor the terminal; whoever draws calls `tick` before.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

import attrs

from ..messages import BookState
from ..orderbook import OrderBook

__all__ = ["Latency", "Tally", "Totals", "latency_words", "overall_latency"]

_WINDOW_S = 5.0
"""Rates and latencies are of the last seconds."""
_UNIT_NS = 100_000
"""Latencies are counted in tenths of a millisecond: a run of days stays small."""
_ROUNDING_MS = 1.0
"""Exchanges give the time in ms; what is less negative than that may be their rounding."""


@attrs.frozen
class Latency:
    """From the exchange's time to ours, in ms.

    Attributes:
        lowest: the least of all; below zero only where the two clocks differ.
    """

    p50: float
    p99: float
    lowest: float

    @classmethod
    def of(cls, counted: Mapping[int, int]) -> Latency | None:
        """Of how often each latency was, in tenths of a ms; None where nothing was."""
        total = sum(counted.values())
        if not total:
            return None
        ordered = sorted(counted)
        found: list[float] = []
        passed, index = counted[ordered[0]], 0
        for share in (0.5, 0.99):
            while passed <= min(total - 1, int(share * total)):
                index += 1
                passed += counted[ordered[index]]
            found.append(ordered[index] / 10)
        return cls(found[0], found[1], ordered[0] / 10)


def latency_words(latency: Latency | None, *, tail: bool = False) -> str:
    """`p50 3.1 ms`, or why there is no such number.

    Args:
        tail: with the p99.
    """
    if latency is None:
        return "-"
    if latency.lowest <= -_ROUNDING_MS:
        return f"unknown, our clock is {-latency.lowest:.1f} ms or more behind the exchange's"
    words = f"p50 {max(latency.p50, 0.0):.1f} ms"
    return f"{words} p99 {max(latency.p99, 0.0):.1f} ms" if tail else words


@attrs.define(eq=False)
class Tally:
    """One book that is watched; called with it after each change.

    Attributes:
        book: None until it is kept.
        refusal: why it cannot be subscribed, or None.
        outage: why there is no connection for it, or empty.
        updates: how often it changed.
        was_live: whether it ever was.
        rate: updates a second, lately.
        latency: lately.
    """

    symbol: str
    book: OrderBook | None = None
    refusal: Exception | None = None
    outage: str = ""
    updates: int = 0
    was_live: bool = False
    rate: float = 0.0
    latency: Latency | None = None
    counted: Counter[int] = attrs.field(factory=Counter[int])
    _recent: Counter[int] = attrs.field(factory=Counter[int])
    _ticks: deque[tuple[float, int, Counter[int]]] = attrs.field(
        factory=deque[tuple[float, int, Counter[int]]]
    )

    def __call__(self, book: OrderBook) -> None:
        """Note a change. A book that is not LIVE did not change, it was lost."""
        self.book = book
        if not book.is_live:
            return
        self.was_live = True
        self.updates += 1
        if book.exchange_time > 0:
            self._recent[(book.receive_time - book.exchange_time) // _UNIT_NS] += 1

    @property
    def state(self) -> str:
        """`SYNCING`, `LIVE`, `STALE`, `GAP`, or `REFUSED`."""
        if self.refusal is not None:
            return "REFUSED"
        return BookState.SYNCING.name if self.book is None else self.book.state.name

    @property
    def reason(self) -> str:
        """Why it is not LIVE, in words; empty where it is."""
        if self.refusal is not None:
            return str(self.refusal)
        if self.outage:
            return self.outage
        return "it is not subscribed yet" if self.book is None else self.book.reason

    @property
    def version(self) -> int:
        """Of the book; -1 where it never had one."""
        return -1 if self.book is None else self.book.version

    @property
    def resyncs(self) -> int:
        """How often the book was built anew."""
        return 0 if self.book is None else self.book.resyncs

    def tick(self, elapsed: float) -> None:
        """Take rate and latency over the last seconds.

        Args:
            elapsed: seconds since the start.
        """
        self.counted.update(self._recent)
        ticks = self._ticks
        ticks.append((elapsed, self.updates, self._recent))
        self._recent = Counter()
        # The first of them is where the window begins: only its time and count are of use.
        while len(ticks) > 2 and elapsed - ticks[1][0] >= _WINDOW_S:
            ticks.popleft()
        begin, before, _ = ticks[0]
        if elapsed > begin:
            self.rate = (self.updates - before) / (elapsed - begin)
        lately: Counter[int] = Counter()
        for _, _, counted in ticks:
            lately.update(counted)
        self.latency = Latency.of(lately)


@attrs.frozen
class Totals:
    """All books together.

    Attributes:
        states: how many are in which.
    """

    books: int
    states: Mapping[str, int]
    updates: int
    resyncs: int
    rate: float

    @classmethod
    def of(cls, tallies: Sequence[Tally]) -> Totals:
        """Add them up."""
        return cls(
            books=len(tallies),
            states=Counter(each.state for each in tallies),
            updates=sum(each.updates for each in tallies),
            resyncs=sum(each.resyncs for each in tallies),
            rate=sum(each.rate for each in tallies),
        )


def overall_latency(tallies: Iterable[Tally]) -> Latency | None:
    """The latency of all updates of all books, as of their last ticks."""
    counted: Counter[int] = Counter()
    for each in tallies:
        counted.update(each.counted)
    return Latency.of(counted)
