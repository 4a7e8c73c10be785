"""The matching engine: whatever orders come, the book stays a book."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trioex.simulator.engine import MatchingEngine, Outcome, Side

SIDES = st.sampled_from(list(Side))
LIMITS = st.tuples(st.just("limit"), SIDES, st.integers(90, 110), st.integers(1, 20))
MARKETS = st.tuples(st.just("market"), SIDES, st.just(0), st.integers(1, 60))
CANCELS = st.tuples(st.just("cancel"), SIDES, st.integers(0, 5), st.just(0))
ORDERS = st.lists(st.one_of(LIMITS, MARKETS, CANCELS), max_size=60)


def apply(engine: MatchingEngine, order: tuple[str, Side, int, int]) -> Outcome:
    kind, side, price, quantity = order
    if kind == "limit":
        return engine.limit(side, price, quantity)
    if kind == "market":
        return engine.market(side, quantity)
    ladder = engine.ladder(side)
    return engine.cancel(side, ladder.price(price)) if price < len(ladder) else Outcome()


@given(ORDERS)
def test_the_changes_are_the_book(orders: list[tuple[str, Side, int, int]]) -> None:
    engine = MatchingEngine(version=7)
    copy: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
    version = 7
    for order in orders:
        for change in apply(engine, order).changes:
            version += 1
            assert change.version == version
            if change.quantity:
                copy[change.side][change.price] = change.quantity
            else:
                del copy[change.side][change.price]
        assert engine.version == version
        for side in Side:
            assert dict(engine.ladder(side).levels()) == copy[side]


@given(ORDERS)
def test_never_crossed_and_always_sorted(orders: list[tuple[str, Side, int, int]]) -> None:
    engine = MatchingEngine()
    for order in orders:
        apply(engine, order)
        bids = [price for price, _ in engine.bids.levels()]
        asks = [price for price, _ in engine.asks.levels()]
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert engine.bids.best == (bids[0] if bids else None)
        assert engine.asks.best == (asks[0] if asks else None)
        assert not (bids and asks) or bids[0] < asks[0]


@given(ORDERS)
def test_nothing_is_lost_and_nothing_appears(orders: list[tuple[str, Side, int, int]]) -> None:
    engine = MatchingEngine()
    for order in orders:
        before = {side: sum(q for _, q in engine.ladder(side).levels()) for side in Side}
        kind, side, _, quantity = order
        outcome = apply(engine, order)
        after = {side: sum(q for _, q in engine.ladder(side).levels()) for side in Side}
        filled = sum(fill.quantity for fill in outcome.fills)
        assert all(fill.side is side and fill.quantity > 0 for fill in outcome.fills)
        if kind == "cancel":
            assert not outcome.fills
        else:
            assert before[side.other] - after[side.other] == filled
            rested = quantity - filled if kind == "limit" else 0
            assert after[side] - before[side] == rested


def test_best_price_first_then_the_oldest_order() -> None:
    engine = MatchingEngine()
    for price, quantity in ((101, 5), (100, 2), (100, 3)):
        engine.limit(Side.SELL, price, quantity)
    outcome = engine.limit(Side.BUY, 101, 9)
    assert [(fill.price, fill.quantity) for fill in outcome.fills] == [(100, 2), (100, 3), (101, 4)]
    assert [(each.side, each.price, each.quantity) for each in outcome.changes] == [
        (Side.SELL, 100, 0),
        (Side.SELL, 101, 1),
    ]


def test_a_limit_order_does_not_trade_through_its_price() -> None:
    engine = MatchingEngine()
    engine.limit(Side.SELL, 101, 5)
    assert not engine.limit(Side.BUY, 100, 1).fills
    assert engine.bids.levels() == [(100, 1)]
    assert engine.bids.worst == 100
    assert engine.asks.worst == 101


def test_what_a_market_order_does_not_get_is_withdrawn() -> None:
    engine = MatchingEngine()
    engine.limit(Side.BUY, 99, 4)
    assert sum(fill.quantity for fill in engine.market(Side.SELL, 10).fills) == 4
    assert not engine.bids.levels()
    assert not engine.asks.levels()
    assert engine.bids.worst is None
