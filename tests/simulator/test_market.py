"""The market: a function of its seed, and all of its views agree."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trioex.errors import ConfigError
from trioex.simulator.engine import Side
from trioex.simulator.listing import Listing, decimal
from trioex.simulator.market import LEVELS, Market, Step

START = 1_790_000_000_000_000_000
SECOND = 1_000_000_000
PAIRS = ("BTCUSDT", "ETHUSDT")


def run(market: Market, seconds: float, start: int = START) -> list[Step]:
    return list(market.advance(start + round(seconds * SECOND)))


def book(market: Market, symbol: str) -> dict[Side, dict[int, int]]:
    engine = market[symbol].engine
    return {side: dict(engine.ladder(side).levels()) for side in Side}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 20.0))
def test_changes_on_a_snapshot_are_the_book(seed: int, pace: float) -> None:
    market = Market(("SOLUSDT",), seed=seed, now=START, pace=pace)
    copy, version = book(market, "SOLUSDT"), market["SOLUSDT"].version
    for step in market.advance(START + 5 * SECOND):
        for change in step.changes:
            version += 1
            assert change.version == version
            copy[change.side][change.price] = change.quantity
            if not change.quantity:
                del copy[change.side][change.price]
        assert step.version == version
        assert max(copy[Side.BUY]) < min(copy[Side.SELL])
        assert min(len(side) for side in copy.values()) > 0
        assert max(len(side) for side in copy.values()) <= LEVELS
    assert copy == book(market, "SOLUSDT")


def test_same_seed_same_steps_whatever_the_calls() -> None:
    one, other = (Market(PAIRS, seed=3, now=START) for _ in range(2))
    whole = run(one, 10)
    parts = [step for tenth in range(1, 101) for step in run(other, tenth / 10)]
    assert whole == parts
    assert {step.symbol for step in whole} == set(PAIRS)
    assert [step.time for step in whole] == sorted(step.time for step in whole)
    assert whole != run(Market(PAIRS, seed=4, now=START), 10)


def test_a_symbol_does_not_depend_on_its_neighbours() -> None:
    def changes(steps: list[Step]) -> list[object]:
        return [(step.time, step.changes) for step in steps if step.symbol == "ETHUSDT"]

    alone = run(Market(("ETHUSDT",), seed=3, now=START), 10)
    assert changes(alone) == changes(run(Market(PAIRS, seed=3, now=START), 10))


def test_candles_and_the_day_agree_with_the_trades() -> None:
    market = Market(("BTCUSDT",), seed=1, now=START)
    one = market["BTCUSDT"]
    end = START + 3600 * SECOND
    before = {
        interval: series.at(START // SECOND).quote for interval, series in one.candles.items()
    }
    day = one.day(START)
    trades = [trade for step in market.advance(end) for trade in step.trades]
    quote = sum(trade.price * trade.quantity for trade in trades)
    assert one.last == trades[-1].price
    assert one.candles[60].since(0, end // SECOND)[-1].close == one.last
    assert one.day(end).quote - day.quote == quote
    assert one.day(end).base - day.base == sum(trade.quantity for trade in trades)
    assert one.day(end).high == max(day.high, *(trade.price for trade in trades))
    assert one.day(end).low == min(day.low, *(trade.price for trade in trades))
    for interval in (86_400, 604_800):  # windows that hold the whole hour
        assert one.candles[interval].at(end // SECOND).quote - before[interval] == quote
    assert [trade.market_id for trade in trades] == list(
        range(trades[0].market_id, trades[0].market_id + len(trades))
    )


def test_trade_ids_rise_over_all_symbols() -> None:
    trades = [t for step in run(Market(PAIRS, seed=1, now=START), 30) for t in step.trades]
    first = trades[0].id
    assert [trade.id for trade in trades] == list(range(first, first + len(trades)))


def test_trades_take_the_best_price() -> None:
    market = Market(("BTCUSDT",), seed=5, now=START)
    bid, _, ask, _ = market["BTCUSDT"].top()
    for step in market.advance(START + 60 * SECOND):
        if step.trades:
            first = step.trades[0]
            assert first.price == (ask if first.side is Side.BUY else bid)
        bid, _, ask, _ = market["BTCUSDT"].top()


def test_there_is_enough_going_on() -> None:
    market = Market(("BTCUSDT",), seed=0, now=START)
    steps = run(market, 60)
    assert 20 * 60 < len(steps) < 50 * 60
    assert sum(len(step.trades) for step in steps) > 60
    assert len(market["BTCUSDT"].engine.bids) > 20
    market.pace = 10.0
    assert len(run(market, 120)) > 200 * 60
    assert market.steps > 12_000


def test_the_day_forgets() -> None:
    market = Market(("BTCUSDT",), seed=0, now=START, pace=0.001)
    run(market, 25 * 3600)
    one = market["BTCUSDT"]
    now = START + 25 * 3600 * SECOND
    assert 0 < one.day(now).base < sum(c.base for c in one.candles[60].since(0, now // SECOND))


@given(st.integers(-(10**12), 10**12), st.integers(0, 12))
def test_decimals_are_exact_and_short(value: int, decimals: int) -> None:
    text = decimal(value, decimals)
    assert Decimal(text) == Decimal(value).scaleb(-decimals)
    assert "." not in text or text[-1] not in "0."
    assert "E" not in text


@pytest.mark.parametrize("symbol", ["btcusdt", "BTC_USDT", "USDT", "BTCXYZ", ""])
def test_what_is_no_pair_is_named(symbol: str) -> None:
    with pytest.raises(ConfigError, match=f"{symbol!r}.*BTCUSDT"):
        Listing.parse(symbol)


@pytest.mark.parametrize(
    ("symbols", "pace", "named"),
    [((), 1.0, "symbols"), (("BTCUSDT", "BTCUSDT"), 1.0, "symbols"), (PAIRS, 0.0, "pace=0.0")],
)
def test_a_market_that_cannot_be(symbols: tuple[str, ...], pace: float, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        Market(symbols, seed=0, now=START, pace=pace)


def test_pairs_quoted_in_coins_are_listed() -> None:
    listing = Listing.parse("ETHBTC")
    assert (listing.base, listing.quote) == ("ETH", "BTC")
    assert listing.price(listing.first_price) == "0.030612"
