"""Histograms: never too low, and at most a thirtieth too high."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioex.instrumentation import Histogram

values = st.one_of(st.integers(0, 100), st.integers(0, 10**6), st.integers(0, 2**41))


@given(values=st.lists(values, min_size=1, max_size=60), percent=st.floats(0, 100))
def test_a_percentile_is_that_of_the_sorted_values(values: list[int], percent: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    exact = sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
    assert exact <= histogram.percentile(percent) <= exact * (1 + 1 / 31)
    facts = histogram.percentiles()
    assert (facts.count, facts.highest) == (len(values), max(values))
    assert facts.mean == sum(values) / len(values)


@given(parts=st.lists(st.lists(values, max_size=20), min_size=2, max_size=2))
def test_two_together_are_as_one_of_both(parts: list[list[int]]) -> None:
    one, *two = (Histogram() for _ in range(3))
    for histogram, part in zip(two, parts, strict=True):
        for value in part:
            histogram.record(value)
            one.record(value)
    two[0].add(two[1])
    assert two[0].percentiles() == one.percentiles()


@given(counted=st.lists(st.tuples(values, st.integers(1, 5)), max_size=20))
def test_so_many_times_is_as_often_one_by_one(counted: list[tuple[int, int]]) -> None:
    at_once, one_by_one = Histogram(), Histogram()
    for value, times in counted:
        at_once.record(value, times)
        for _ in range(times):
            one_by_one.record(value)
    assert at_once.percentiles() == one_by_one.percentiles()


def test_a_copy_does_not_change() -> None:
    histogram = Histogram()
    histogram.record(5)
    copied = histogram.copy()
    histogram.record(7)
    assert (copied.count, copied.highest, histogram.count) == (1, 5, 2)


def test_what_is_no_duration_is_counted_all_the_same() -> None:
    histogram = Histogram()
    assert histogram.percentile(99) == 0
    histogram.record(-5)
    histogram.record(1 << 60, 2)
    assert (histogram.negative, histogram.count, histogram.highest) == (1, 3, 1 << 60)
    assert histogram.total == 2 << 60
    assert histogram.percentile(33) == 0
    assert histogram.percentile(100) == (1 << 42) - 1
    with pytest.raises(ValueError, match="percent=101"):
        histogram.percentile(101)
