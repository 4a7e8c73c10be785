"""From the socket to a typed message and to a kept book: cryptofeed and ccxt pro.

Each is used as its documents say, on uvloop, with the connection it opens itself. Only public
attributes are set, and only to have it speak to the benchmark's server: addresses, and the list
of markets, which would otherwise be fetched.

`WSAsyncConn` of cryptofeed 2.4.1 refuses an address that is not `wss://` when it is made, and
only then: it is made with Gate.io's own, and its `address` is set before it connects.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvloop

from .client import Spec, Tally
from .run_whole import rest_url
from .run_wire_peers import market
from .samples import BOOK_VERSION

__all__ = ["ccxt_pro", "cryptofeed"]

_TRADES_KEPT = 10_000
"""By default ccxt keeps a thousand, and loses the others where more come before its user reads."""


def cryptofeed(spec: Spec) -> dict[str, Any]:
    """A feed with one callback; numbers are Decimals, as it has no others."""
    return uvloop.run(_cryptofeed(spec))


async def _cryptofeed(spec: Spec) -> dict[str, Any]:
    from cryptofeed.connection import RestEndpoint
    from cryptofeed.defines import ASK, BID, L2_BOOK, TRADES
    from cryptofeed.exchanges import Gateio
    from cryptofeed.symbols import Symbols

    tally, done = Tally(spec), asyncio.Event()
    tally.on_done = done.set

    async def on_trade(trade: Any, _received: float) -> None:
        tally(trade)

    async def on_book(book: Any, _received: float) -> None:
        tally(book)  # the snapshot has the first update in it, which calls nobody

    async def on_top(book: Any, _received: float) -> None:
        tally((book.book.bids.index(0), book.book.asks.index(0), book))

    def last() -> list[Any]:
        if spec.work == "trades":
            trade = tally.last
            return [trade.id, trade.side, float(trade.price), float(trade.amount)]
        if spec.work == "book":
            bid, ask, book = tally.last
        else:
            book = tally.last
            bid, ask = max(book.delta[BID]), min(book.delta[ASK])
        return [book.raw["result"]["u"], *map(float, (*bid, *ask))]

    Symbols.set(Gateio.id, {"BTC-USDT": "BTC_USDT"}, {"instrument_type": {"BTC-USDT": "spot"}})
    kind = TRADES if spec.work == "trades" else L2_BOOK
    callback = {"trades": on_trade, "delta": on_book, "book": on_top}[spec.work]
    feed = Gateio(subscription={kind: ["BTC-USDT"]}, callbacks={kind: callback})
    (endpoint,) = feed.rest_endpoints
    address = rest_url(spec).removesuffix("/api/v4")
    feed.rest_endpoints = [RestEndpoint(address, routes=endpoint.routes)]
    feed.start(asyncio.get_running_loop())
    for handler in feed.connection_handlers:
        handler.conn.address = spec.url  # it connects when this task waits
    await done.wait()
    tally.result["last"] = last()
    feed.stop()
    await feed.shutdown()
    return tally.result


def ccxt_pro(spec: Spec) -> dict[str, Any]:
    """A task that awaits `watch_trades` or `watch_order_book` in a loop.

    Messages that it drains in one go it hands out together: trades all of them, of a book the
    state behind the last. That is to its advantage here, where thousands are waiting.
    """
    return uvloop.run(_ccxt_pro(spec))


async def _ccxt_pro(spec: Spec) -> dict[str, Any]:
    from ccxt.pro import gate

    tally, symbol = Tally(spec), "BTC/USDT"
    exchange = gate()
    exchange.set_markets([market(exchange, "BTC_USDT")])
    exchange.options["tradesLimit"] = _TRADES_KEPT
    exchange.urls["api"]["spot"] = f"{spec.url}&site=gateeu"
    exchange.urls["api"]["public"]["spot"] = rest_url(spec)

    async def watch_trades() -> None:
        while True:
            for trade in await exchange.watch_trades(symbol):
                tally(trade)

    async def watch_book() -> None:
        while True:
            book = await exchange.watch_order_book(symbol, 100)
            tally.upto(book["nonce"] - BOOK_VERSION + 1, book)

    async def watch_top() -> None:
        while True:
            book = await exchange.watch_order_book(symbol, 100)
            seen = book["bids"][0], book["asks"][0], book["nonce"]
            tally.upto(book["nonce"] - BOOK_VERSION + 1, seen)

    def last() -> list[Any]:
        if spec.work == "trades":
            trade = tally.last
            return [trade["id"], trade["side"], trade["price"], trade["amount"]]
        if spec.work == "book":
            bid, ask, version = tally.last
        else:
            book = tally.last
            bid, ask, version = book["bids"][0], book["asks"][0], book["nonce"]
        return [version, *map(float, (*bid[:2], *ask[:2]))]

    watch = {"trades": watch_trades, "delta": watch_book, "book": watch_top}[spec.work]
    watching = asyncio.create_task(watch())
    tally.on_done = watching.cancel
    await asyncio.wait([watching])
    if not watching.cancelled():
        watching.result()  # raises what ended it
    tally.result["last"] = last()
    await exchange.close()
    return tally.result
