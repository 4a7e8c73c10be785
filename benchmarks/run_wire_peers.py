"""Frames of Gate.io to books: cryptofeed and ccxt pro, without their sockets.

Only what they document or leave public is used: their handlers of frames, and their books.
"""

from __future__ import annotations

import asyncio
import gc
import json
from functools import partial
from typing import Any

from .client import Spec
from .recorded import Passes, Session, top

__all__ = ["ccxt_handler", "ccxt_pro", "cryptofeed", "market"]


class _Answers:
    """In the place of cryptofeed's two connections: it asks for a snapshot with the first update.

    Args:
        session: has the snapshots.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def read(self, url: str) -> str:
        """Answer a GET."""
        pair = url.partition("currency_pair=")[2].partition("&")[0]
        return self._session.snapshots[pair].decode()

    async def write(self, _request: str) -> None:
        """Take a subscription."""


def cryptofeed(spec: Spec) -> dict[str, Any]:
    """Its handler of frames, awaited as its connection does."""
    from cryptofeed.defines import L2_BOOK
    from cryptofeed.exchanges import Gateio
    from cryptofeed.symbols import Symbols

    session, tops = Session.load(), dict[str, Any]()
    passes, answers = Passes(spec, session), _Answers(session)
    names = {pair.replace("_", "-"): pair for pair in session.snapshots}
    Symbols.set(Gateio.id, names, {"instrument_type": dict.fromkeys(names, "spot")})

    async def on_book(book: Any, _received: float) -> None:
        tops[book.symbol] = book.book.bids.index(0), book.book.asks.index(0)

    async def follow() -> None:
        feed = Gateio(subscription={L2_BOOK: list(names)}, callbacks={L2_BOOK: on_book})
        feed.http_conn = answers
        for _ in range(passes.count):
            await feed.subscribe(answers)  # forgets the books it has
            for frame in session.first:
                await feed.message_handler(frame.decode(), None, 1.0)
            gc.collect()
            passes.begin()
            for frame in session.updates:
                await feed.message_handler(frame.decode(), None, 1.0)
            passes.end()

    asyncio.run(follow())
    return passes.result({symbol.replace("-", ""): top(*each) for symbol, each in tops.items()})


def ccxt_pro(spec: Spec) -> dict[str, Any]:
    """ccxt pro as a program uses it: a task a book that awaits `watch_order_book` in a loop."""
    return asyncio.run(_ccxt_pro(spec, is_awaited=True))


def ccxt_handler(spec: Spec) -> dict[str, Any]:
    """Its handler of messages alone; nobody learns that a book has changed."""
    return asyncio.run(_ccxt_pro(spec, is_awaited=False))


async def _ccxt_pro(spec: Spec, *, is_awaited: bool) -> dict[str, Any]:
    from aiohttp import WSMessage, WSMsgType
    from ccxt.pro import gate

    session, tops, reads = Session.load(), dict[str, Any](), 0
    passes, exchange = Passes(spec, session), gate()
    message = partial(WSMessage, WSMsgType.TEXT, extra=None)

    async def watch(symbol: str) -> None:
        nonlocal reads
        while True:
            book = await exchange.watch_order_book(symbol)
            tops[symbol] = book["bids"][0], book["asks"][0]
            reads += 1

    exchange.set_markets([market(exchange, pair) for pair in session.snapshots])
    client = exchange.client(exchange.urls["api"]["spot"])
    client.connected.resolve(client.url)  # as far as it can tell
    symbols = [pair.replace("_", "/") for pair in session.snapshots]
    client.subscriptions |= {f"orderbook:{symbol}": True for symbol in symbols}
    watching = [asyncio.create_task(watch(symbol)) for symbol in symbols if is_awaited]
    await asyncio.sleep(0)
    for _ in range(passes.count):
        books = _begin(exchange, session)
        for frame in session.first:
            client.handle_message(message(frame.decode()))
        await asyncio.sleep(0.001)
        followed = [books[pair] for pair in session.pairs]
        reads = 0
        gc.collect()
        passes.begin()
        for number, (frame, book) in enumerate(zip(session.updates, followed, strict=True), 1):
            client.handle_message(message(frame.decode()))
            while is_awaited and reads < number:  # noqa: ASYNC110  the task that reads runs then
                await asyncio.sleep(0)
            if not is_awaited:
                tops[book["symbol"]] = book["bids"][0], book["asks"][0]
        passes.end()
    for task in watching:
        task.cancel()
    await exchange.close()
    return passes.result({name.replace("/", ""): top(*each) for name, each in tops.items()})


def market(exchange: Any, pair: str) -> Any:
    """A spot market of ccxt, by the exchange's name of it."""
    base, quote = pair.split("_")
    return exchange.safe_market_structure(
        {
            "id": pair,
            "symbol": f"{base}/{quote}",
            "base": base,
            "quote": quote,
            "type": "spot",
            "spot": True,
            "precision": {"price": 1e-8, "amount": 1e-8},
        }
    )


def _begin(exchange: Any, session: Session) -> dict[str, Any]:
    """New books in the exchange, by the names that frames have."""
    books = {}
    for pair, body in session.snapshots.items():
        symbol, said = pair.replace("_", "/"), json.loads(body)
        snapshot = exchange.parse_order_book(said, symbol)
        snapshot["nonce"] = said["id"]
        books[pair] = exchange.orderbooks[symbol] = exchange.order_book(snapshot, 100)
    return books
