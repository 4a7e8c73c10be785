"""The REST of MEXC spot v3 that a client of public streams needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .board import MILLISECOND, top_of
from .market import Market, SymbolMarket
from .session import Body, Query

__all__ = ["book_of", "rest"]

_BOOK = "/api/v3/depth"


def rest(market: Market, refused: set[str], path: str, query: Query, now: int) -> Body | None:
    """Answer a GET."""
    if path == "/api/v3/ping":
        return 200, b"{}"
    if path == "/api/v3/time":
        return 200, _dump({"serverTime": now // MILLISECOND})
    if path == "/api/v3/exchangeInfo":
        return _exchange_info(market, refused, query, now)
    if path == _BOOK:
        return _depth(market, refused, query)
    return None


def book_of(path: str, query: Query) -> str | None:
    """The symbol whose book a GET asks for; None where it asks for something else."""
    return query.get("symbol", "") if path == _BOOK else None


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _error(code: int, text: str) -> Body:
    return 400, _dump({"code": code, "msg": text})


def _depth(market: Market, refused: set[str], query: Query) -> Body:
    symbol, limit = query.get("symbol", ""), query.get("limit", "100")
    if symbol not in market or symbol in refused:
        return _error(10007, "bad symbol")
    if not limit.isdecimal() or not 1 <= int(limit) <= 5000:
        return _error(33333, "param error")
    one = market[symbol]
    sides = (
        [[one.listing.price(price), one.listing.quantity(lots)] for price, lots in side.items()]
        for side in top_of(one, int(limit))
    )
    return 200, _dump(
        {"lastUpdateId": one.version, **dict(zip(("bids", "asks"), sides, strict=True))}
    )


def _exchange_info(market: Market, refused: set[str], query: Query, now: int) -> Body:
    named = [
        each for key in ("symbol", "symbols") for each in query.get(key, "").split(",") if each
    ]
    known = [each for each in market if each.listing.symbol not in refused]
    rows = [_row(each) for each in known if not named or each.listing.symbol in named]
    if len(rows) < len(named):
        return _error(10007, "bad symbol")
    body = {"timezone": "CST", "serverTime": now // MILLISECOND, "symbols": rows}
    return 200, _dump(body)


def _row(market: SymbolMarket) -> Mapping[str, Any]:
    listing = market.listing
    return {
        "symbol": listing.symbol,
        "status": "1",
        "baseAsset": listing.base,
        "baseAssetPrecision": listing.quantity_decimals,
        "quoteAsset": listing.quote,
        "quotePrecision": listing.price_decimals,
        "quoteAssetPrecision": listing.price_decimals,
        "baseCommissionPrecision": listing.quantity_decimals,
        "quoteCommissionPrecision": listing.price_decimals,
        "orderTypes": ["LIMIT", "MARKET", "LIMIT_MAKER"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "quoteAmountPrecision": "1",
        "baseSizePrecision": listing.quantity(1),
        "permissions": ["SPOT"],
        "filters": [],
        "maxQuoteAmount": "2000000",
        "makerCommission": "0",
        "takerCommission": "0.0005",
        "tradeSideType": "1",
    }
