"""Gate.io's pairs and our spelling of them."""

from __future__ import annotations

import contextlib
import json

import pytest
from exchanges.gateio import gateio_data as data
from hypothesis import given
from hypothesis import strategies as st

from trioex.errors import DecodeError
from trioex.exchanges.base import Instrument
from trioex.exchanges.gateio.symbols import guess, parse_instruments, shipped_instruments

PUBLISHED = data.published("rest.currency_pairs.response")


def test_the_published_list() -> None:
    instruments = parse_instruments(PUBLISHED)
    assert dict(instruments) == {"ETHUSDT": Instrument("ETHUSDT", "ETH_USDT", "ETH", "USDT")}
    assert instruments.native("ETHUSDT") == "ETH_USDT"
    assert instruments.symbol("ETH_USDT") == "ETHUSDT"


def listed(*pairs: tuple[str, str]) -> bytes:
    return json.dumps([{"id": pair, "trade_status": status} for pair, status in pairs]).encode()


def test_what_can_be_traded_comes_first() -> None:
    body = listed(("A_BC", "untradable"), ("D_E", "sellable"), ("AB_C", "tradable"))
    instruments = parse_instruments(body)
    assert list(instruments) == ["ABC", "DE"]
    assert instruments.native("ABC") == "AB_C"
    assert instruments.symbol("A_BC") is None


def test_a_pair_without_a_spelling_is_left_out() -> None:
    body = listed(("币安人生_USDT", "tradable"), ("btc_usdt", "tradable"), ("A_B", "tradable"))
    assert list(parse_instruments(body)) == ["AB"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1]",
        b'[{"base":"A"}]',
        b'[{"id":1}]',
        b'[{"id":"\xff"}]',
        b"[" * 100_000,
        b'{"label":"INTERNAL","message":"x"}',
    ],
    ids=data.short,
)
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError, match=r"Gate\.io currency pairs"):
        parse_instruments(body)


@given(st.binary(max_size=100))
def test_any_bytes(body: bytes) -> None:
    with contextlib.suppress(DecodeError):
        parse_instruments(body)


def test_the_shipped_list() -> None:
    shipped = shipped_instruments()
    assert len(shipped) == 1458
    assert shipped.native("BTCUSDT") == "BTC_USDT"
    assert shipped["1INCHUSDT"] == Instrument("1INCHUSDT", "1INCH_USDT", "1INCH", "USDT")
    assert data.VENUE.snapshot() is shipped


def test_the_shipped_list_holds_every_recorded_pair() -> None:
    frames = [json.loads(frame) for _, frame in data.recorded_pushes()]
    pairs = {frame["result"].get("s") or frame["result"].get("currency_pair") for frame in frames}
    assert len(pairs - {None}) >= 8
    assert None not in {shipped_instruments().symbol(pair) for pair in pairs - {None}}


@pytest.mark.parametrize(
    ("symbol", "native"),
    [
        ("BTCUSDT", "BTC_USDT"),
        ("NEWETH", "NEW_ETH"),
        ("USDTUSDC", "USDT_USDC"),
        ("XUSD1", "X_USD1"),
        ("BTCUSD", "BTC_USD"),
        ("USDT", None),
        ("BTC", None),
        ("BTCNOPE", None),
    ],
)
def test_a_guess_goes_by_the_quote_coin(symbol: str, native: str | None) -> None:
    guessed = guess(symbol)
    assert (guessed and guessed.native) == native
    assert guessed is None or guessed.symbol == symbol
    assert data.VENUE.guess(symbol) == guessed


def test_the_shipped_list_is_guessed_right() -> None:
    wrong = [each for each in shipped_instruments().values() if guess(each.symbol) != each]
    assert wrong == []
