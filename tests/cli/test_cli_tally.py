"""What is known of a watched book: counts, rates, latencies that may be no latencies."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from trioex import BookState, ConnectFailed, ExchangeEnum
from trioex.cli.tally import Latency, Tally, Totals, latency_words, overall_latency
from trioex.messages import BookDelta, BookSnapshot
from trioex.orderbook import MutableBook, OrderBook

MS = 1_000_000
NOW = 10**18
GATEIO = ExchangeEnum.GATEIO


def live_book(symbol: str = "BTCUSDT") -> OrderBook:
    book = OrderBook(GATEIO, "spot", symbol, MutableBook())
    levels = ((5.0, 1.0),), ((6.0, 2.0),)
    book._data.replace(BookSnapshot(GATEIO, "spot", symbol, 0, NOW, *levels, 7, None))
    book._data.mark(BookState.LIVE)
    return book


def change(book: OrderBook, latency_ms: float) -> OrderBook:
    time = NOW, NOW + int(latency_ms * MS)
    book._data.apply(BookDelta(GATEIO, "spot", book.symbol, *time, (), (), 8, 8))
    return book


def counted(*latencies_ms: float) -> Latency | None:
    tally, book = Tally("BTCUSDT"), live_book()
    for each in latencies_ms:
        tally(change(book, each))
    tally.tick(1.0)
    return tally.latency


def test_before_anything_came_it_is_syncing() -> None:
    tally = Tally("BTCUSDT")
    tally.tick(1.0)
    assert (tally.state, tally.version, tally.resyncs) == ("SYNCING", -1, 0)
    assert tally.reason == "it is not subscribed yet"
    assert (tally.rate, tally.latency) == (0.0, None)


def test_a_refusal_is_a_state_of_its_own() -> None:
    tally = Tally("BTCUSDT", refusal=ConnectFailed("not today"))
    assert (tally.state, tally.reason) == ("REFUSED", "not today")


def test_a_book_that_is_lost_is_no_update() -> None:
    tally, book = Tally("BTCUSDT"), live_book()
    tally(book)
    book._data.mark(BookState.GAP, "a hole")
    tally(book)
    assert (tally.updates, tally.was_live) == (1, True)
    assert (tally.state, tally.reason) == ("GAP", "a hole")


def test_rate_and_latency_are_of_the_last_seconds() -> None:
    tally, book = Tally("BTCUSDT"), live_book()
    tally.tick(0.0)
    for _ in range(10):
        tally(change(book, 3.0))
    tally.tick(1.0)
    assert tally.rate == 10.0
    assert tally.latency == Latency(3.0, 3.0, 3.0)
    for second in range(2, 8):
        tally(change(book, 40.0))
        tally.tick(float(second))
    assert tally.rate == 1.0
    assert tally.latency == Latency(40.0, 40.0, 40.0)
    for second in range(8, 20):
        tally.tick(float(second))
    assert (tally.rate, tally.latency) == (0.0, None)
    whole = overall_latency([tally])
    assert whole is not None
    assert (whole.p50, whole.p99) == (3.0, 40.0)


def test_a_snapshot_without_a_time_of_the_exchange_has_no_latency() -> None:
    tally = Tally("BTCUSDT")
    tally(live_book())
    tally.tick(1.0)
    assert (tally.updates, tally.latency) == (1, None)


@pytest.mark.parametrize(
    ("latencies", "words"),
    [
        ([], "-"),
        ([3.04], "p50 3.0 ms p99 3.0 ms"),
        ([*range(1, 101)], "p50 51.0 ms p99 100.0 ms"),
        ([0.0, -0.4, -0.4], "p50 0.0 ms p99 0.0 ms"),
        ([4.0, -35.0], "unknown, our clock is 35.0 ms or more behind the exchange's"),
    ],
)
def test_a_latency_is_never_negative(latencies: list[float], words: str) -> None:
    assert latency_words(counted(*latencies), tail=True) == words


def test_the_latency_of_the_last_seconds_has_no_tail() -> None:
    assert latency_words(counted(2.0)) == "p50 2.0 ms"


def test_the_totals_of_several(make: Callable[[str], Tally]) -> None:
    totals = Totals.of([make("A"), make("B"), Tally("C"), Tally("D", refusal=ConnectFailed("x"))])
    assert totals.states == {"LIVE": 2, "SYNCING": 1, "REFUSED": 1}
    assert (totals.books, totals.updates, totals.resyncs, totals.rate) == (4, 2, 0, 2.0)


@pytest.fixture
def make() -> Callable[[str], Tally]:
    def make(symbol: str) -> Tally:
        tally = Tally(symbol)
        tally.tick(0.0)
        tally(change(live_book(symbol), 2.0))
        tally.tick(1.0)
        return tally

    return make
