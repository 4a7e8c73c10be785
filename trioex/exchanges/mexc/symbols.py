"""MEXC's instruments: the REST list, the shipped list, the guess.

A MEXC spot symbol is base and quote written together, which is our spelling too: the name never
changes, only the split into coins needs a list. The shipped list (`symbols.txt`) is incomplete by
nature, for MEXC offers some 2,200 pairs and lists and delists every day; `exchangeInfo` is what
counts, and until it was fetched a guess is as good, since MEXC refuses names it does not have.

Pairs whose name is not ASCII (MEXC has some) cannot be spelled as a channel and are left out.
"""

from __future__ import annotations

import importlib.resources
import re

import msgspec

from ...errors import DecodeError
from ..base import Instrument, Instruments

__all__ = ["guess_instrument", "parse_exchange_info", "read_snapshot"]

_SYMBOL = re.compile(r"[A-Z0-9]+")
_ONLINE = frozenset({"1", "ENABLED"})  # live values are "1", "2" (paused), "3"; the documents' word
_QUOTES = ("USDT", "USDC", "USDE", "USD1", "EUR", "BRL", "BTC", "ETH")


class _Row(msgspec.Struct, gc=False):
    symbol: str
    status: str | int = ""
    base: str = msgspec.field(default="", name="baseAsset")
    quote: str = msgspec.field(default="", name="quoteAsset")


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Row]


_parse = msgspec.json.Decoder(_ExchangeInfo).decode


def parse_exchange_info(body: bytes) -> Instruments:
    """Parse the body of `GET /api/v3/exchangeInfo`, what is online first.

    Raises:
        DecodeError: the body is not such a list, or the list is empty.
    """
    try:
        rows = _parse(body).symbols
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"MEXC exchangeInfo: {error}") from error
    if not rows:
        raise DecodeError("MEXC exchangeInfo: the list of symbols is empty")
    rows.sort(key=lambda row: str(row.status) not in _ONLINE)
    return Instruments(
        Instrument(row.symbol, row.symbol, row.base, row.quote)
        for row in rows
        if _SYMBOL.fullmatch(row.symbol)
    )


def read_snapshot() -> Instruments:
    """Read the shipped list."""
    text = (
        importlib.resources.files("trioex.exchanges.mexc")
        .joinpath("symbols.txt")
        .read_text("ascii")
    )
    return Instruments(
        Instrument(base + quote, base + quote, base, quote)
        for quote, *bases in (line.split() for line in text.splitlines() if line[0] != "#")
        for base in bases
    )


def guess_instrument(symbol: str) -> Instrument | None:
    """What `symbol` must be: the same name, split where it ends in a known quote coin."""
    if not _SYMBOL.fullmatch(symbol):
        return None
    for quote in _QUOTES:
        base = symbol.removesuffix(quote)
        if base and base != symbol:
            return Instrument(symbol, symbol, base, quote)
    return Instrument(symbol, symbol)
