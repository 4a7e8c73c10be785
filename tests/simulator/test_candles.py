"""Windows and candles."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioex.simulator.candles import INTERVALS, MONTH, WEEK, CandleSeries, window


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("interval", "moment", "start", "end"),
    [
        (60, "2026-09-23T10:11:12", "2026-09-23T10:11:00", "2026-09-23T10:12:00"),
        (14_400, "2026-09-23T10:11:12", "2026-09-23T08:00:00", "2026-09-23T12:00:00"),
        (WEEK, "2026-09-23T10:11:12", "2026-09-21T00:00:00", "2026-09-28T00:00:00"),
        (MONTH, "2026-09-23T10:11:12", "2026-09-01T00:00:00", "2026-10-01T00:00:00"),
        (MONTH, "2026-12-31T23:59:59", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
    ],
)
def test_windows(interval: int, moment: str, start: str, end: str) -> None:
    assert window(interval, seconds(moment)) == (seconds(start), seconds(end))


@given(st.sampled_from(INTERVALS), st.integers(0, 4 * 10**9))
def test_windows_tile_time(interval: int, second: int) -> None:
    start, end = window(interval, second)
    assert start <= second < end
    assert window(interval, start) == window(interval, end - 1) == (start, end)
    assert window(interval, end)[0] == end


TRADES = st.lists(
    st.tuples(st.integers(0, 25), st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=40
)


@given(TRADES)
def test_every_trade_is_in_the_candle_of_its_window(trades: list[tuple[int, int, int]]) -> None:
    series = CandleSeries(10, 1000, price=7, keep=1000)
    second = 1000
    windows: dict[int, list[tuple[int, int]]] = {}
    for wait, price, quantity in trades:
        second += wait
        series.add(second, price, quantity)
        windows.setdefault(second // 10 * 10, []).append((price, quantity))
    candles = {candle.start: candle for candle in series.since(0, second)}
    for start, inside in windows.items():
        prices = [price for price, _ in inside]
        candle = candles.pop(start)
        assert (candle.open, candle.close) == (prices[0], prices[-1])
        assert (candle.high, candle.low) == (max(prices), min(prices))
        assert candle.base == sum(quantity for _, quantity in inside)
        assert candle.quote == sum(price * quantity for price, quantity in inside)
    assert all(not candle.base for candle in candles.values())


def test_a_window_without_a_trade_is_flat_at_the_last_price() -> None:
    series = CandleSeries(10, 1000, price=7)
    series.add(1003, 9, 1)
    flat = series.at(1031)
    assert (flat.start, flat.open, flat.high, flat.low, flat.close) == (1030, 9, 9, 9, 9)
    assert [candle.start for candle in series.since(1000, 1031)] == [1000, 1030]
