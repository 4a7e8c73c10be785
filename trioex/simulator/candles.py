"""Candles: every trade in the window of its time, for all intervals at once.

Windows are aligned to the epoch in UTC, weeks to Monday, months to the calendar. A window
without a trade is flat at the last price. Prices are ticks, quantities lots, turnover is
ticks times lots; times are seconds.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime

import attrs

__all__ = ["INTERVALS", "MONTH", "WEEK", "Candle", "CandleSeries", "window"]

WEEK = 604_800
MONTH = -1
"""The calendar month, the one interval that is no number of seconds."""

INTERVALS = (
    10, 30, 60, 180, 300, 900, 1800, 3600, 7200, 14_400, 21_600, 28_800, 43_200,
    86_400, WEEK, 2_592_000, MONTH,
)  # fmt: skip
"""Every interval that one of the venues offers, in seconds."""

_MONDAY = 345_600  # 1970-01-05


def window(interval: int, second: int) -> tuple[int, int]:
    """The window of `interval` that holds `second`: its first second and the next one's."""
    if interval == MONTH:
        first = datetime.fromtimestamp(second, UTC).replace(day=1, hour=0, minute=0, second=0)
        later = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
        return int(first.timestamp()), int(later.timestamp())
    offset = _MONDAY if interval == WEEK else 0
    start = second - (second - offset) % interval
    return start, start + interval


@attrs.define
class Candle:
    """One window of one interval."""

    start: int
    end: int
    open: int
    high: int
    low: int
    close: int
    base: int = 0
    """Lots traded."""
    quote: int = 0
    """Ticks times lots traded."""

    @classmethod
    def flat(cls, interval: int, second: int, price: int) -> Candle:
        """The candle of a window in which nothing has been traded yet."""
        start, end = window(interval, second)
        return cls(start, end, price, price, price, price)

    def add(self, price: int, quantity: int) -> None:
        """Count one trade."""
        if not self.base:
            self.open = self.high = self.low = price
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.base += quantity
        self.quote += price * quantity


class CandleSeries:
    """The candles of one interval: the current one and the `keep` last closed ones."""

    def __init__(self, interval: int, second: int, price: int, keep: int = 16) -> None:
        self.interval = interval
        self.closed: deque[Candle] = deque(maxlen=keep)
        self._current = Candle.flat(interval, second, price)

    def at(self, second: int) -> Candle:
        """The candle of the window that holds `second`, which may not go back."""
        if second >= self._current.end:
            self.closed.append(self._current)
            self._current = Candle.flat(self.interval, second, self._current.close)
        return self._current

    def add(self, second: int, price: int, quantity: int) -> None:
        """Count one trade."""
        self.at(second).add(price, quantity)

    def since(self, start: int, second: int) -> list[Candle]:
        """The candles that begin at `start` or later, up to the current one, oldest first."""
        current = self.at(second)
        return [candle for candle in self.closed if candle.start >= start] + [current]
