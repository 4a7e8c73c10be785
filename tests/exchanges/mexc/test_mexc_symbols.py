"""MEXC's instrument lists."""

from __future__ import annotations

import contextlib
import json

import pytest
from exchanges.mexc import mexc_wire as wire
from hypothesis import given
from hypothesis import strategies as st

from trioex.errors import DecodeError
from trioex.exchanges.base import Instrument
from trioex.exchanges.mexc.spot import MexcSpot

VENUE = MexcSpot()
ROW = json.loads((wire.DATA / "rest.exchangeInfo.symbol.json").read_text("utf-8"))


def body(*rows: object) -> bytes:
    return json.dumps({"timezone": "CST", "symbols": rows}).encode()


def test_a_published_row() -> None:
    found = VENUE.parse_instruments(body(ROW))
    assert list(found.values()) == [Instrument("TOMO3LUSDT", "TOMO3LUSDT", "TOMO3L", "USDT")]


@pytest.mark.parametrize("online", ["1", "ENABLED", 1])
def test_what_is_online_comes_first(online: object) -> None:
    rows = [
        ROW | {"symbol": "AUSDT", "status": "2"},
        ROW | {"symbol": "BUSDT", "status": online},
        ROW | {"symbol": "CUSDT", "status": "3"},
        ROW | {"symbol": "DUSDT", "status": online},
    ]
    assert list(VENUE.parse_instruments(body(*rows))) == ["BUSDT", "DUSDT", "AUSDT", "CUSDT"]


def test_names_no_channel_can_hold_are_left_out() -> None:
    rows = [ROW | {"symbol": "索拉拉USDT"}, ROW | {"symbol": "aUSDT"}, ROW]
    assert list(VENUE.parse_instruments(body(*rows))) == ["TOMO3LUSDT"]


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[]",
        b"{}",
        b'{"symbols":[]}',
        b'{"symbols":[{}]}',
        b'{"symbols":{}}',
        b'{"symbols":[{"symbol":"\xff"}]}',
    ],
)
def test_other_bodies_are_refused(wrong: bytes) -> None:
    with pytest.raises(DecodeError, match="MEXC exchangeInfo: "):
        VENUE.parse_instruments(wrong)


def test_an_error_is_refused_and_deep_nesting_too() -> None:
    for wrong in (b'{"code":429,"msg":"Too many requests"}', b'{"symbols":' + b"[" * 100_000):
        with pytest.raises(DecodeError):
            VENUE.parse_instruments(wrong)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_or_refused(wrong: bytes) -> None:
    with contextlib.suppress(DecodeError):
        VENUE.parse_instruments(wrong)


def test_the_shipped_list() -> None:
    found = VENUE.snapshot()
    assert len(found) > 350
    assert found["BTCUSDT"] == Instrument("BTCUSDT", "BTCUSDT", "BTC", "USDT")
    assert found["CRVETH"] == Instrument("CRVETH", "CRVETH", "CRV", "ETH")
    for symbol, each in found.items():
        assert symbol == each.native == each.symbol == each.base + each.quote
        assert VENUE.guess(symbol) == each
        assert found.symbol(each.native) == symbol


@pytest.mark.parametrize(
    ("symbol", "base", "quote"),
    [
        ("NEWCOINUSDT", "NEWCOIN", "USDT"),
        ("ABCUSDC", "ABC", "USDC"),
        ("ETHBTC", "ETH", "BTC"),
        ("USDCUSDT", "USDC", "USDT"),
        ("USDTBRL", "USDT", "BRL"),
        ("SOMETHING", "", ""),
        ("USDT", "", ""),
    ],
)
def test_a_guess_is_the_same_name(symbol: str, base: str, quote: str) -> None:
    assert VENUE.guess(symbol) == Instrument(symbol, symbol, base, quote)


@pytest.mark.parametrize("symbol", ["", "btcusdt", "BTC_USDT", "币安人生USDT", "BTCUSDT\n"])
def test_what_is_no_symbol_is_not_guessed(symbol: str) -> None:
    assert VENUE.guess(symbol) is None
