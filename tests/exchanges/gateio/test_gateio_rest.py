"""Gate.io's REST book."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from exchanges.gateio import gateio_data as data
from hypothesis import given
from hypothesis import strategies as st

from trioex.channels import ExchangeEnum
from trioex.errors import DecodeError
from trioex.exchanges.gateio.rest import depth_path, parse_depth
from trioex.messages import BookSnapshot

BODY = data.published("rest.order_book.response")


def test_the_path_asks_for_the_version() -> None:
    expected = "/spot/order_book?currency_pair=BTC_USDT&limit=%d&with_id=true"
    assert depth_path("BTC_USDT") == expected % 100
    assert depth_path("BTC_USDT", 20) == expected % 20


@pytest.mark.parametrize("n", [float, Decimal])
def test_the_published_body(n: type[Any]) -> None:
    book = parse_depth(BODY, "BTCUSDT", data.RECEIVED, n)
    assert book == BookSnapshot(
        exchange=ExchangeEnum.GATEIO,
        market="spot",
        symbol="BTCUSDT",
        exchange_time=1623898993121 * 1_000_000,
        receive_time=data.RECEIVED,
        bids=((n("1.17"), n("201.863")), (n("1.16"), n("725.464"))),
        asks=((n("1.52"), n("1.151")), (n("1.53"), n("1.218"))),
        version=123456,
        depth=None,
    )
    assert type(book.asks[0][1]) is n


def test_the_sides_are_ordered() -> None:
    rows = b'[["9","1"],["10","2"],["8","3"]]'
    book = parse_depth(b'{"id":1,"bids":%b,"asks":%b}' % (rows, rows), "X", 7)
    assert book.bids == ((10, 2), (9, 1), (8, 3))
    assert book.asks == ((8, 3), (9, 1), (10, 2))


@pytest.mark.parametrize(
    ("times", "expected"),
    [(b'"current":3,"update":2,', 2_000_000), (b'"current":3,', 3_000_000), (b"", 7)],
)
def test_the_time_is_the_best_there_is(times: bytes, expected: int) -> None:
    book = parse_depth(b'{%b"id":1,"bids":[],"asks":[]}' % times, "X", 7)
    assert (book.exchange_time, book.receive_time) == (expected, 7)


@pytest.mark.parametrize("number", [float, Decimal])
@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[]",
        b'{"label":"INVALID_CURRENCY_PAIR","message":"x"}',
        b'{"bids":[],"asks":[]}',
        b'{"id":1,"asks":[]}',
        b'{"id":-1,"bids":[],"asks":[]}',
        b'{"id":1,"bids":[["1"]],"asks":[]}',
        b'{"id":1,"bids":[["1","nan"]],"asks":[]}',
        b'{"id":1,"bids":[],"asks":[["Infinity","1"]]}',
        b'{"id":1,"bids":' + b"[" * 100_000,
    ],
    ids=data.short,
)
def test_what_is_no_book_is_refused(wrong: bytes, number: type[Any]) -> None:
    with pytest.raises(DecodeError, match="BTCUSDT: no order book"):
        parse_depth(wrong, "BTCUSDT", 1, number)


@given(st.binary(max_size=50), st.integers(0, 300))
def test_any_bytes(new: bytes, at: int) -> None:
    for number in (float, Decimal):
        with contextlib.suppress(DecodeError):
            parse_depth(BODY[:at] + new + BODY[at + 3 :], "X", 1, number)
