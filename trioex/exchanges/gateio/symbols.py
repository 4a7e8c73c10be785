"""Gate.io's spot pairs: `BTC_USDT` there, `BTCUSDT` here.

The list is the venue's own, `GET /spot/currency_pairs`. A copy of 2021 is shipped so that a
program can bind before it has asked; whoever needs a newer coin gets it from the newer list.
"""

from __future__ import annotations

import functools
import importlib.resources
import re

import msgspec

from ...errors import DecodeError
from ..base import Instrument, Instruments
from .wire import MALFORMED

__all__ = ["guess", "instrument_of", "parse_instruments", "shipped_instruments"]

_SNAPSHOT = "spot_pairs.txt"

# Pairs outside this form (coins named in Chinese, for one) have no spelling as a channel.
_NATIVE = re.compile(r"([A-Z0-9]+)_([A-Z0-9]+)")

_RANK = {"tradable": 0, "buyable": 1, "sellable": 1}
"""By `trade_status`; whatever else there is comes last."""

_QUOTES = ("USDT", "USDC", "USD1", "CNYX", "SNET", "BTC", "ETH", "PAX", "SGD", "TRX", "USD")
"""Coins that pairs are quoted in, the longest first: `XUSDT` is X in USDT, not XU in SDT."""


class _Pair(msgspec.Struct):
    id: str
    trade_status: str = "tradable"


_pairs = msgspec.json.Decoder(list[_Pair])


def instrument_of(native: str) -> Instrument | None:
    """The instrument of a venue's name, or None where the name has no spelling as a channel."""
    match = _NATIVE.fullmatch(native)
    if match is None:
        return None
    base, quote = match.groups()
    return Instrument(symbol=base + quote, native=native, base=base, quote=quote)


def parse_instruments(body: bytes) -> Instruments:
    """Parse the answer to `GET /spot/currency_pairs`; tradable pairs come first.

    Raises:
        DecodeError: the body is not such a list.
    """
    try:
        pairs = _pairs.decode(body)
    except MALFORMED as error:
        raise DecodeError(f"no list of Gate.io currency pairs: {error}") from error
    pairs.sort(key=lambda pair: _RANK.get(pair.trade_status, 2))
    return Instruments(filter(None, (instrument_of(pair.id) for pair in pairs)))


@functools.cache
def shipped_instruments() -> Instruments:
    """The list shipped with the package; read once, when it is first needed."""
    text = (
        importlib.resources.files("trioex.exchanges.gateio").joinpath(_SNAPSHOT).read_text("ascii")
    )
    names = (line for line in text.splitlines() if not line.startswith("#"))
    return Instruments(filter(None, map(instrument_of, names)))


def guess(symbol: str) -> Instrument | None:
    """The instrument `symbol` must be, going by the coins that pairs are quoted in, or None."""
    for quote in _QUOTES:
        base = symbol.removesuffix(quote)
        if base != symbol:
            return instrument_of(f"{base}_{quote}")
    return None
