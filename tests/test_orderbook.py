"""The order book: its levels are those of a plain dictionary, and it answers only while LIVE."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioex import (
    BookArgumentError,
    BookDelta,
    BookNotLive,
    BookSnapshot,
    BookState,
    ExchangeEnum,
    OrderBook,
    Side,
)
from trioex.messages import Level
from trioex.orderbook import MutableBook, Sweep

GATEIO = ExchangeEnum.GATEIO


def delta(first: int, last: int, bids: list[Any], asks: list[Any]) -> BookDelta:
    return BookDelta(GATEIO, "spot", "BTCUSDT", 5, 6, tuple(bids), tuple(asks), first, last)


def snapshot(version: int, bids: list[Any], asks: list[Any]) -> BookSnapshot:
    return BookSnapshot(GATEIO, "spot", "BTCUSDT", 3, 4, tuple(bids), tuple(asks), version)


def make(bids: list[Any], asks: list[Any], number: type = float, **how: Any) -> OrderBook:
    book = OrderBook(GATEIO, "spot", "BTCUSDT", MutableBook(number, **how))
    book._data.replace(snapshot(1, bids, asks))
    book._data.mark(BookState.LIVE)
    return book


def some() -> OrderBook:
    return make([(99.0, 1.0), (98.0, 2.0), (97.0, 4.0)], [(101.0, 3.0), (102.0, 5.0)])


def test_answers() -> None:
    book = some()
    assert (book.best_bid, book.best_ask) == ((99.0, 1.0), (101.0, 3.0))
    assert (book.mid, book.spread) == (100.0, 2.0)
    assert book.microprice == (99.0 * 3 + 101.0 * 1) / 4  # more is asked: nearer the bid
    assert book.imbalance() == (1 - 3) / 4
    assert book.imbalance(2) == (3 - 8) / 11
    assert book.bids(2) == [(99.0, 1.0), (98.0, 2.0)]
    assert book.asks() == [(101.0, 3.0), (102.0, 5.0)]
    assert len(book) == 5
    assert book.volume_to(Side.SELL, 98.0) == 3.0
    assert book.volume_to(Side.BUY, 101.5) == 3.0
    assert book.volume_to(Side.BUY, 100.0) == 0.0
    whole = book.sweep(Side.BUY, 4.0)
    assert (whole.quantity, whole.cost, whole.worst) == (4.0, 3 * 101.0 + 102.0, 102.0)
    assert whole.average == whole.cost / 4
    short = book.sweep(Side.SELL, 100.0)
    assert (short.quantity, short.worst) == (7.0, 97.0)
    assert book.snapshot(1).bids == ((99.0, 1.0),)
    assert (book.exchange_time, book.receive_time) == (3, 4)


def test_a_delta_sets_levels_and_is_the_last_change() -> None:
    book = some()
    change = delta(2, 4, [(98.5, 7.0), (99.0, 0.0), (50.0, 0.0)], [(101.0, 1.0)])
    copied = book.bids()
    book._data.apply(change)
    assert book.bids(2) == [(98.5, 7.0), (98.0, 2.0)]
    assert book.best_ask == (101.0, 1.0)
    assert (book.version, book.change, book.exchange_time) == (4, change, 5)
    assert copied[0] == (99.0, 1.0)  # what was read stays as it is


def test_empty_sides_have_no_prices() -> None:
    book = make([], [(101.0, 1.0)])
    assert book.best_bid is None
    assert (book.mid, book.spread, book.microprice) == (None, None, None)
    assert make([], []).imbalance() is None
    assert make([], []).sweep(Side.BUY, 1.0).average is None


@pytest.mark.parametrize("state", [BookState.SYNCING, BookState.STALE, BookState.GAP])
def test_it_answers_nothing_while_it_is_not_live(state: BookState) -> None:
    book = some()
    book._data.mark(state, "versions 5 to 7 are missing")
    for read in (
        lambda: book.best_bid,
        lambda: book.best_ask,
        book.bids,
        book.asks,
        lambda: book.change,
        lambda: book.mid,
        lambda: book.spread,
        lambda: book.microprice,
        book.imbalance,
        lambda: book.volume_to(Side.BUY, 1.0),
        lambda: book.sweep(Side.BUY, 1.0),
        book.snapshot,
        lambda: book.horizon,
    ):
        with pytest.raises(BookNotLive, match=f"BTCUSDT is {state.name}: versions 5 to 7"):
            read()
    assert state.name in repr(book)


@pytest.mark.parametrize(
    ("bids", "asks", "words"),
    [
        ([(101.0, 1.0)], [(101.0, 1.0)], "crossed: bid 101.0, ask 101.0"),
        ([(99.0, -1.0)], [], "quantity -1.0"),
        ([(0.0, 1.0)], [], "a bid has the price 0.0"),
        ([], [(-3.0, 1.0)], "an ask has the price -3.0"),
    ],
)
def test_flaws(bids: list[Level], asks: list[Level], words: str) -> None:
    assert words in str(make(bids, asks)._data.flaw())
    book = make([], [])
    assert book._data.flaw() is None
    book._data.apply(delta(2, 2, bids, asks))
    assert words in str(book._data.flaw())


def test_a_bounded_book_keeps_the_best() -> None:
    book = make([(99.0, 1.0), (98.0, 1.0)], [(101.0, 1.0), (102.0, 1.0)], depth=2)
    book._data.apply(delta(2, 2, [(98.5, 1.0)], [(100.0, 1.0)]))
    assert [price for price, _ in book.bids()] == [99.0, 98.5]
    assert [price for price, _ in book.asks()] == [100.0, 101.0]


def test_what_lies_beyond_a_cut_snapshot_is_never_taken_for_known() -> None:
    book = OrderBook(GATEIO, "spot", "BTCUSDT", MutableBook())
    book._data.replace(snapshot(1, [(99.0, 1.0), (98.0, 1.0)], [(101.0, 1.0)]), limit=2)
    book._data.mark(BookState.LIVE)
    book._data.apply(delta(2, 2, [(90.0, 1.0), (98.5, 1.0)], [(150.0, 1.0)]))
    assert [price for price, _ in book.bids()] == [99.0, 98.5, 98.0]
    assert [price for price, _ in book.asks()] == [101.0, 150.0]  # that side was whole
    assert book.horizon == (98.0, None)
    assert book._data.nears_the_end(4)
    assert not book._data.nears_the_end(3)


def test_a_sweep_says_that_it_ended_where_the_knowledge_ends() -> None:
    book = OrderBook(GATEIO, "spot", "BTCUSDT", MutableBook())
    levels = [(99.0, 1.0), (98.0, 1.0)], [(101.0, 1.0)]
    book._data.replace(snapshot(1, *levels), limit=2)
    book._data.mark(BookState.LIVE)
    assert book.sweep(Side.SELL, 5.0).is_cut
    assert not book.sweep(Side.SELL, 2.0).is_cut
    assert not book.sweep(Side.BUY, 5.0).is_cut  # there are no more asks
    bounded = make(*levels, depth=2)
    assert bounded.horizon == (98.0, None)
    assert bounded.sweep(Side.SELL, 5.0).is_cut


def test_who_reads_a_book_cannot_change_it() -> None:
    book = some()
    for name in ("version", "exchange_time", "receive_time", "state", "reason", "resyncs", "depth"):
        with pytest.raises(AttributeError):
            setattr(book, name, 5)
    assert not {"apply", "replace", "mark", "renewed"} & set(dir(book))


def test_exact_numbers_are_not_rounded_by_the_callers_context() -> None:
    price = Decimal("65432.123456789")
    with localcontext() as context:
        context.prec = 4
        book = make([], [(price, Decimal(1))], Decimal)
        book._data.apply(delta(2, 2, [], [(price, Decimal(2)), (price + 1, Decimal(0))]))
        assert book.best_ask == (price, Decimal(2))
        assert book.asks() == [(price, Decimal(2))]
        book._data.apply(delta(3, 3, [], [(price, Decimal(0))]))
        assert book.best_ask is None


def test_derived_values_are_not_rounded_by_the_callers_context() -> None:
    bid, ask = Decimal("65432.123456789"), Decimal("65432.123456792")
    book = make([(bid, Decimal("1.00001"))], [(ask, Decimal("2.00002"))], Decimal)
    with localcontext() as context:
        context.prec = 4
        values = (book.mid, book.spread, book.microprice, book.imbalance())
        volume, sweep = book.volume_to("buy", ask), book.sweep("sell", Decimal("0.50001"))
    assert values[:2] == (Decimal("65432.1234567905"), Decimal("0.000000003"))
    assert values[2] == Decimal("65432.123456790")
    assert str(values[3]).startswith("-0.33333333333333333333333333333333333333")
    assert volume == Decimal("2.00002")
    assert sweep.cost == Decimal("32716.71604962906789")  # 0.50001 * bid
    assert sweep.average == bid


# Arguments


@pytest.mark.parametrize("number", [float, Decimal])
@pytest.mark.parametrize("kind", [int, float, Decimal])
def test_numbers_of_any_type_will_do(number: type, kind: type) -> None:
    levels = [(number("100.5"), number("1.5")), (number(101), number(2)), (number(102), number(9))]
    book = make([], levels, number)
    assert book.volume_to(Side.BUY, kind(101)) == number("3.5")
    sweep = book.sweep(Side.BUY, kind(2))
    assert (sweep.quantity, sweep.cost) == (2, number("201.25"))
    assert {type(sweep.quantity), type(sweep.cost), type(sweep.average)} == {number}


def test_a_float_is_taken_for_its_shortest_decimal_form() -> None:
    levels = [(Decimal("100.1"), Decimal("0.1")), (Decimal("100.2"), Decimal("0.2"))]
    book = make([], levels, Decimal)
    assert book.volume_to(Side.BUY, 100.1) == Decimal("0.1")
    assert str(book.sweep(Side.BUY, 0.1).worst) == "100.1"


@pytest.mark.parametrize("number", [float, Decimal])
@pytest.mark.parametrize(
    "given",
    [-1, -0.5, float("nan"), float("inf"), *map(Decimal, ("NaN", "sNaN", "-1")), "1", None, True],
)
def test_numbers_that_cannot_be_are_refused(number: type, given: Any) -> None:
    book = make([], [(number(101), number(1))], number)
    with pytest.raises(BookArgumentError, match="a price is a finite number from 0 up, not "):
        book.volume_to(Side.BUY, given)
    with pytest.raises(BookArgumentError, match="a quantity is a finite number from 0 up, not "):
        book.sweep(Side.BUY, given)


@pytest.mark.parametrize("given", [-1, 1.5, "3", float("nan")])
def test_counts_that_cannot_be_are_refused(given: Any) -> None:
    book = some()
    for read in (book.bids, book.asks, book.imbalance, book.snapshot):
        with pytest.raises(BookArgumentError, match="a number of levels is an int from 0 up, not "):
            read(given)
    assert book.bids(0) == []


@pytest.mark.parametrize("question", ["sweep", "volume_to"])
def test_a_side_may_be_a_word(question: str) -> None:
    ask = getattr(some(), question)
    assert ask("buy", 98) == ask(Side.BUY, 98) != ask(Side.SELL, 98) == ask("sell", 98)
    for wrong, hint in (("BUY", "did you mean 'buy'"), ("bid", "'buy' and 'sell'"), (None, "None")):
        with pytest.raises(BookArgumentError, match=hint):
            ask(wrong, 100)


# Sums of floats


def test_a_sweep_names_no_level_that_is_not_needed() -> None:
    book = make([], [(100.0, 0.7), (101.0, 0.1), (150.0, 5.0)])
    assert book.sweep(Side.BUY, 0.8) == Sweep(0.8, pytest.approx(80.1), pytest.approx(100.125), 101)
    assert book.sweep(Side.BUY, 0.8000000001).worst == 150.0


quantities = st.lists(st.decimals("0.00000001", 10000, places=8), min_size=1, max_size=40)


@given(quantities, st.data())
def test_a_sweep_of_floats_is_that_of_exact_numbers(
    given_quantities: list[Decimal], data: st.DataObject
) -> None:
    taken = data.draw(st.integers(1, len(given_quantities)))
    wanted = Decimal(repr(float(sum(given_quantities[:taken]))))
    levels = [(100 + index, each) for index, each in enumerate(given_quantities)]
    exact = make([], [(Decimal(price), each) for price, each in levels], Decimal)
    rounded = make([], [(float(price), float(each)) for price, each in levels])
    expected, found = exact.sweep("buy", wanted), rounded.sweep("buy", float(wanted))
    assert (found.quantity, found.worst) == (float(expected.quantity), expected.worst)
    assert found.cost == pytest.approx(float(expected.cost), rel=1e-12)
    price = 100.0 + taken - 1
    assert rounded.sweep("buy", rounded.volume_to("buy", price)).worst == price


changes = st.lists(
    st.lists(st.tuples(st.integers(1, 30), st.sampled_from([0, 0, 1, 2, 3])), max_size=8),
    max_size=12,
)


@pytest.mark.parametrize("number", [float, Decimal])
@given(bids=changes, asks=changes)
def test_it_holds_what_a_dictionary_holds(
    number: type, bids: list[list[tuple[int, int]]], asks: list[list[tuple[int, int]]]
) -> None:
    book = make([], [], number)
    expected: tuple[dict[Any, Any], dict[Any, Any]] = ({}, {})
    for version in range(max(len(bids), len(asks))):
        sides = []
        for given_changes, offset, side in ((bids, 0, expected[0]), (asks, 100, expected[1])):
            levels = given_changes[version] if version < len(given_changes) else []
            sides.append([(number(price + offset), number(quantity)) for price, quantity in levels])
            for price, quantity in sides[-1]:
                side[price] = quantity
                if not quantity:
                    del side[price]
        book._data.apply(delta(version + 2, version + 2, *sides))
        assert book.bids() == sorted(expected[0].items(), reverse=True)
        assert book.asks() == sorted(expected[1].items())
        assert book._data.flaw() is None
