"""MEXC's REST book."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from exchanges.mexc import mexc_wire as wire
from hypothesis import given
from hypothesis import strategies as st

from trioex.channels import ExchangeEnum
from trioex.errors import DecodeError
from trioex.exchanges.mexc.rest import depth_path, parse_depth
from trioex.messages import BookSnapshot

BODY = (wire.DATA / "rest.depth.response.json").read_bytes()


def test_the_path_asks_for_all_there_is() -> None:
    assert depth_path("BTCUSDT") == "/api/v3/depth?symbol=BTCUSDT&limit=5000"
    assert depth_path("BTCUSDT", 9999) == "/api/v3/depth?symbol=BTCUSDT&limit=5000"
    assert depth_path("BTCUSDT", 100) == "/api/v3/depth?symbol=BTCUSDT&limit=100"


@pytest.mark.parametrize("number", [float, Decimal])
def test_the_published_body(number: type[Any]) -> None:
    book = parse_depth(BODY, "BTCUSDT", wire.RECEIVED, number)
    assert book == BookSnapshot(
        ExchangeEnum.MEXC,
        "spot",
        "BTCUSDT",
        wire.RECEIVED,
        wire.RECEIVED,
        ((number("15.00000"), number("49999.00000")),),
        ((number("14.0000"), number("1.0000")),),
        1112416,
    )
    assert type(book.bids[0][0]) is number


def test_the_sides_are_ordered() -> None:
    rows = b'[["9","1"],["10","2"],["8","3"]]'
    book = parse_depth(b'{"lastUpdateId":1,"bids":%b,"asks":%b}' % (rows, rows), "X", 1)
    assert book.bids == ((10, 2), (9, 1), (8, 3))
    assert book.asks == ((8, 3), (9, 1), (10, 2))


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"{}",
        b'{"code":10007,"msg":"bad symbol"}',
        b'{"lastUpdateId":1.5,"bids":[],"asks":[]}',
        b'{"lastUpdateId":1,"bids":[["1"]],"asks":[]}',
        b'{"lastUpdateId":1,"bids":[["1","nan"]],"asks":[]}',
        b'{"lastUpdateId":1,"bids":[["x","1"]],"asks":[]}',
        b'{"lastUpdateId":1,"bids":[["\xff","1"]],"asks":[]}',
        b'{"lastUpdateId":1,"bids":' + b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("number", [float, Decimal])
def test_other_bodies_are_refused(wrong: bytes, number: type[Any]) -> None:
    with pytest.raises(DecodeError, match="MEXC book of BTCUSDT: "):
        parse_depth(wrong, "BTCUSDT", 1, number)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_book_or_refused(wrong: bytes) -> None:
    with contextlib.suppress(DecodeError):
        parse_depth(wrong, "BTCUSDT", 1)
