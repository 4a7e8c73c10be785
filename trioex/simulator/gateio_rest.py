"""The REST of Gate.io spot v4 that a client of public streams needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .board import MILLISECOND
from .gateio_streams import OrderBookUpdate, dump, levels, pair_of, symbol_of
from .market import Market, SymbolMarket
from .session import Body, Query

__all__ = ["book_of", "rest"]

_BOOK = "/api/v4/spot/order_book"
_BOOK_PERIOD = 100 * MILLISECOND


def rest(market: Market, refused: set[str], path: str, query: Query, now: int) -> Body | None:
    """Answer a GET below `/api/v4`."""
    if path == "/api/v4/spot/time":
        return 200, dump({"server_time": now // MILLISECOND}).encode()
    if path == "/api/v4/spot/currency_pairs":
        rows = [_listing(each) for each in market if each.listing.symbol not in refused]
        return 200, dump(rows).encode()
    if path == _BOOK:
        return _book(market, refused, query, now)
    return None


def book_of(path: str, query: Query) -> str | None:
    """The symbol whose book a GET asks for; None where it asks for something else."""
    return query.get("currency_pair", "").replace("_", "") if path == _BOOK else None


def _book(market: Market, refused: set[str], query: Query, now: int) -> Body:
    pair = query.get("currency_pair", "")
    symbol = symbol_of(pair)
    limit = query.get("limit", "10")
    if symbol is None or symbol not in market or symbol in refused:
        return _error("INVALID_CURRENCY_PAIR", f"Invalid currency pair {pair}")
    if not limit.isdecimal() or not 1 <= int(limit) <= 1000:
        return _error("INVALID_PARAM_VALUE", f"Invalid request parameter `limit` value: {limit}")
    one = market[symbol]
    # A cached copy, made at the end of a push: so were those of the session recorded in 2021.
    book = one.past(OrderBookUpdate.window(symbol, _BOOK_PERIOD, now))
    bids, asks = book.top(int(limit))
    body: dict[str, Any] = {"id": book.version} if query.get("with_id") == "true" else {}
    body |= {"current": now // MILLISECOND, "update": book.updated // MILLISECOND}
    body |= {"asks": levels(one, asks.items()), "bids": levels(one, bids.items())}
    return 200, dump(body).encode()


def _error(label: str, text: str) -> Body:
    return 400, dump({"label": label, "message": text}).encode()


def _listing(market: SymbolMarket) -> Mapping[str, Any]:
    listing = market.listing
    return {
        "id": pair_of(market),
        "base": listing.base,
        "base_name": listing.base,
        "quote": listing.quote,
        "quote_name": listing.quote,
        "fee": "0.2",
        "min_base_amount": listing.quantity(1),
        "min_quote_amount": "3",
        "max_quote_amount": "5000000",
        "amount_precision": listing.quantity_decimals,
        "precision": listing.price_decimals,
        "trade_status": "tradable",
        "sell_start": 0,
        "buy_start": 0,
        "delisting_time": 0,
        "trade_url": f"https://www.gate.io/trade/{pair_of(market)}",
        "st_tag": False,
    }
