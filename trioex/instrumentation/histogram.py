"""Histogram: how long something took, thousands of times a second, in a few kilobytes. Pure."""

from __future__ import annotations

import attrs

__all__ = ["Histogram", "Percentiles"]

_BITS = 5
"""A power of two is cut into 2 ** 5 buckets: what is told is at most 3.2 % too high."""
_SUB = 1 << _BITS
_LARGEST = (1 << 42) - 1
"""Over an hour in nanoseconds; what is larger counts as this."""


@attrs.frozen
class Percentiles:
    """What a histogram says, in ns; all are upper bounds of a bucket but for `highest`."""

    count: int
    p50: int
    p90: int
    p99: int
    p999: int
    highest: int
    mean: float


class Histogram:
    """Counts values in buckets that grow with the value, so that the error is relative.

    Values are nanoseconds, or whatever else is a whole number from zero on. Below 32 each value has
    its own bucket; above, each power of two has 32 of the same width. A percentile is told as the
    upper bound of its bucket: never too low, and at most 3.2 % too high.

    Attributes:
        count: values recorded.
        negative: values below zero, counted as zero: clocks that differ give such.
        highest: the largest value recorded, exact.
        total: of all values, exact.
    """

    __slots__ = ("_counts", "count", "highest", "negative", "total")

    def __init__(self) -> None:
        self._counts = [0] * (_index(_LARGEST) + 1)
        self.count = 0
        self.negative = 0
        self.highest = 0
        self.total = 0

    def __repr__(self) -> str:
        return f"<Histogram of {self.count}, p50 {self.percentile(50)}, p99 {self.percentile(99)}>"

    def record(self, value: int, times: int = 1) -> None:
        """Count a value, once or so many times."""
        if value < 0:
            self.negative += times
            value = 0
        if value > self.highest:
            self.highest = value
        self.count += times
        self.total += value * times
        # `_index` written out: a call would cost more than the rest.
        shift = value.bit_length() - _BITS - 1
        if shift <= 0:
            self._counts[value] += times
        elif value <= _LARGEST:
            self._counts[(shift << _BITS) + (value >> shift)] += times
        else:
            self._counts[-1] += times

    def percentile(self, percent: float) -> int:
        """The value that `percent` of those recorded do not exceed; 0 where there are none.

        Raises:
            ValueError: not between 0 and 100.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"percent={percent!r} is not between 0 and 100")
        if not self.count:
            return 0
        wanted = max(1.0, self.count * percent / 100)
        passed = 0
        for index, count in enumerate(self._counts):
            passed += count
            if passed >= wanted:
                return min(_highest_in(index), self.highest)
        return self.highest

    def percentiles(self) -> Percentiles:
        """What is looked at most."""
        mean = self.total / self.count if self.count else 0.0
        p50, p90, p99, p999 = (self.percentile(percent) for percent in (50, 90, 99, 99.9))
        return Percentiles(self.count, p50, p90, p99, p999, self.highest, mean)

    def copy(self) -> Histogram:
        """What has been counted by now."""
        copied = Histogram()
        copied.add(self)
        return copied

    def add(self, other: Histogram) -> None:
        """Count everything another one has counted."""
        self._counts = [a + b for a, b in zip(self._counts, other._counts, strict=True)]
        self.count += other.count
        self.negative += other.negative
        self.highest = max(self.highest, other.highest)
        self.total += other.total


def _index(value: int) -> int:
    shift = value.bit_length() - _BITS - 1
    return value if shift <= 0 else (shift << _BITS) + (value >> shift)


def _highest_in(index: int) -> int:
    """The largest value that is counted at an index."""
    if index < 2 * _SUB:
        return index
    shift = (index >> _BITS) - 1
    return (((index - (shift << _BITS)) + 1) << shift) - 1
