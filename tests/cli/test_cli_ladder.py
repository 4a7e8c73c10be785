"""How books look, picture by picture."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trioex import BookState, ConnectFailed, ExchangeEnum
from trioex.cli.ladder import Drawing, book_line, ladder, progress, row, summary, table
from trioex.cli.tally import Latency, Tally, Totals
from trioex.messages import BookSnapshot, Level
from trioex.orderbook import MutableBook, OrderBook

GATEIO = ExchangeEnum.GATEIO
BIDS = ((99.5, 2.0), (99.25, 1.0), (98.0, 0.5))
ASKS = ((100.0, 1.0), (100.5, 0.25), (101.0, 3.0))


def tally_of(
    bids: tuple[Level, ...] = BIDS,
    asks: tuple[Level, ...] = ASKS,
    *,
    symbol: str = "BTCUSDT",
    number_type: type[float | Decimal] = float,
    p50: float = 3.1,
) -> Tally:
    book = OrderBook(GATEIO, "spot", symbol, MutableBook(number_type))
    book._data.replace(BookSnapshot(GATEIO, "spot", symbol, 5, 6, bids, asks, 17, None))
    book._data.mark(BookState.LIVE)
    return Tally(
        symbol, book, updates=1, was_live=True, rate=21.44, latency=Latency(p50, 2 * p50, p50)
    )


def lost(symbol: str, state: BookState, reason: str) -> Tally:
    tally = tally_of(symbol=symbol)
    assert tally.book is not None
    tally.book._data.mark(state, reason)
    return tally


def picture(lines: list[str]) -> str:
    return "\n".join(["", *lines, ""])


# One book


def test_a_ladder() -> None:
    assert (
        picture(ladder(tally_of(), Drawing(width=60)))
        == """
gateio spot BTCUSDT  LIVE  version 17  0 resyncs
21.4 updates/s  latency p50 3.1 ms
mid 99.750  microprice 99.8333  imbalance -0.10

      price  quantity  total
ask  101.00      3.00   4.25  ##############################
ask  100.50      0.25   1.25  #########
ask  100.00      1.00   1.00  #######
---  spread 0.50 (50.13 bp)
bid   99.50      2.00   2.00  ##############
bid   99.25      1.00   3.00  #####################
bid   98.00      0.50   3.50  #########################
"""
    )


def test_bars_of_each_level_in_blocks_as_far_as_is_shown() -> None:
    drawing = Drawing(levels=2, bars="level", width=60, blocks=True)
    assert (
        picture(ladder(tally_of(), drawing)[4:])
        == """
      price  quantity  total
ask  100.50      0.25   1.25  ███▊
ask  100.00      1.00   1.00  ███████████████
---  spread 0.50 (50.13 bp)
bid   99.50      2.00   2.00  ██████████████████████████████
bid   99.25      1.00   3.00  ███████████████
"""
    )


def test_no_bar_is_wider_than_the_terminal_and_none_is_empty() -> None:
    tally = tally_of(bids=((1.0, 1e-8),), asks=((2.0, 5e6),))
    for blocks in (False, True):
        lines = ladder(tally, Drawing(width=70, blocks=blocks))
        assert max(map(len, lines)) == 70
        assert lines[-1][-1] in "#▏"


def test_a_book_with_an_empty_side() -> None:
    assert (
        picture(ladder(tally_of(asks=()), Drawing(levels=1, width=50))[2:])
        == """
mid -  microprice -  imbalance +1.00

     price  quantity  total
ask  none
---  spread - (- bp)
bid   99.5         2      2  #####################
"""
    )


def test_a_book_without_levels() -> None:
    lines = ladder(tally_of((), ()), Drawing())
    assert lines[2] == "mid -  microprice -  imbalance -"
    assert lines[5:] == ["ask  none", "---  spread - (- bp)", "bid  none"]


def test_exact_numbers_of_a_cheap_coin() -> None:
    bids = ((Decimal("0.00001233"), Decimal(1000000)),)
    asks = ((Decimal("0.00001234"), Decimal("20.5")),)
    tally = tally_of(bids, asks, number_type=Decimal)
    assert (
        picture(ladder(tally, Drawing(width=60))[2:])
        == """
mid 0.000012335  microprice 0.0000123400  imbalance +1.00

          price   quantity      total
ask  0.00001234       20.5       20.5  #
---  spread 0.00000001 (8.11 bp)
bid  0.00001233  1000000.0  1000000.0  #####################
"""
    )


def test_a_narrow_spread_is_not_nothing() -> None:
    tally = tally_of(bids=((62383.26, 1.0),), asks=((62383.27, 1.0),))
    assert "---  spread 0.01 (0.0016 bp)" in ladder(tally, Drawing())


@pytest.mark.parametrize("state", [BookState.GAP, BookState.STALE, BookState.SYNCING])
def test_a_book_that_is_not_live_has_no_prices_but_a_reason(state: BookState) -> None:
    reason = "versions 18 to 20 are missing, and the exchange was asked for a whole book"
    tally = lost("BTCUSDT", state, reason)
    assert ladder(tally, Drawing(width=50)) == [
        f"gateio spot BTCUSDT  {state.name}  version 17  0 resyncs",
        "21.4 updates/s  latency p50 3.1 ms",
        "no prices: versions 18 to 20 are missing, and the",
        "exchange was asked for a whole book",
    ]
    assert book_line(tally, Drawing()) == f"gateio spot BTCUSDT  {state.name}  {reason}"


def test_a_book_that_is_not_there_yet() -> None:
    assert ladder(Tally("BTCUSDT"), Drawing()) == [
        "BTCUSDT  SYNCING  0 resyncs",
        "0.0 updates/s  latency -",
        "no prices: it is not subscribed yet",
    ]


def test_a_line() -> None:
    assert book_line(tally_of(), Drawing()) == (
        "gateio spot BTCUSDT  LIVE  99.50 / 100.00  spread 0.50 (50.13 bp)  imbalance -0.10  "
        "version 17  0 resyncs  21.4 updates/s  latency p50 3.1 ms"
    )


def test_an_object() -> None:
    book = tally_of().book
    assert book is not None
    said = row(book, 1)
    assert said.pop("spread_bp") == pytest.approx(50.125, rel=1e-4)
    assert said == {
        "type": "book",
        "exchange": "gateio",
        "market": "spot",
        "symbol": "BTCUSDT",
        "exchange_time": 5,
        "receive_time": 6,
        "state": "live",
        "reason": "",
        "version": 17,
        "resyncs": 0,
        "mid": 99.75,
        "spread": 0.5,
        "microprice": pytest.approx(99.8333, rel=1e-6),
        "imbalance": pytest.approx(1 / 3),
        "bids": [(99.5, 2.0)],
        "asks": [(100.0, 1.0)],
    }


def test_an_object_has_no_digits_that_are_an_accident_of_the_arithmetic() -> None:
    book = tally_of(bids=((62383.26, 0.7),), asks=((62383.27, 0.1),)).book
    assert book is not None
    said = row(book, 1)
    assert (said["mid"], said["spread"], said["imbalance"]) == (62383.265, 0.01, 0.75)
    assert len(f"{said['microprice']}") <= 13
    bid, ask = Decimal("62383.26"), Decimal("62383.270")
    book = tally_of(((bid, Decimal(1)),), ((ask, Decimal(2)),), number_type=Decimal).book
    assert book is not None
    said = row(book, 1)
    assert (str(said["mid"]), str(said["spread"])) == ("62383.265", "0.010")
    assert str(said["microprice"]) == "62383.263333333333333"


def test_an_object_of_a_book_that_is_not_live() -> None:
    book = lost("BTCUSDT", BookState.GAP, "a hole").book
    assert book is not None
    said = row(book, 5)
    assert (said["state"], said["reason"], said["version"]) == ("gap", "a hole", 17)
    of_prices = ("mid", "spread", "spread_bp", "microprice", "imbalance", "bids", "asks")
    assert {said[each] for each in of_prices} == {None}


# Many


@pytest.fixture
def several() -> list[Tally]:
    return [
        tally_of(symbol="BTCUSDT"),
        tally_of(symbol="SLOWUSDT", p50=250.0),
        lost("ETHUSDT", BookState.GAP, "versions 18 to 20 are missing"),
        Tally("NEWUSDT"),
        Tally("NOUSDT", refusal=ConnectFailed("not\nhere")),
    ]


def test_a_table_in_the_order_given(several: list[Tally]) -> None:
    assert (
        picture(table(several, 10))
        == """
symbol    state    updates/s  p50 ms  resyncs   bid    ask
BTCUSDT   LIVE          21.4     3.1        0  99.5  100.0
SLOWUSDT  LIVE          21.4   250.0        0  99.5  100.0
ETHUSDT   GAP           21.4     3.1        0     -      -  versions 18 to 20 are missing
NEWUSDT   SYNCING        0.0       -        0     -      -  it is not subscribed yet
NOUSDT    REFUSED        0.0       -        0     -      -  not here
"""
    )


def test_a_table_of_the_worst(several: list[Tally]) -> None:
    lines = table(several, 4)
    assert [line.split()[0] for line in lines[1:-1]] == [
        "NOUSDT",
        "ETHUSDT",
        "NEWUSDT",
        "SLOWUSDT",
    ]
    assert lines[-1] == "and 1 more"


def test_the_progress_of_all(several: list[Tally]) -> None:
    assert progress(Totals.of(several)) == (
        "2 of 5 books live, 1 refused, 1 gap, 1 syncing, 64.3 updates/s"
    )
    assert progress(Totals.of(several[:1])) == (
        "1 of 1 books live, 0 refused, 0 gap, 21.4 updates/s"
    )


def test_the_summary(several: list[Tally]) -> None:
    assert summary(several[:1], 2.0) == "1 update of 1 book in 2.0 s, 0 resyncs, latency -"
    several[0].counted.update({31: 98, 90: 2})
    assert summary(several, 60.04) == (
        "3 updates of 5 books in 60.0 s, 0 resyncs, latency p50 3.1 ms p99 9.0 ms"
    )
