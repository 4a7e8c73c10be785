"""From the socket to a typed message and to a kept book: trioex, as a program uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import attrs
import trio

from trioex import BookDelta, OrderBook, Trade, WebSocketManager

from .client import Spec, Tally
from .run_trioex import make_config
from .samples import BOOK_VERSION

__all__ = ["rest_url", "trioex"]

Look = Callable[[Any], list[Any]]
"""The content of a last message, in a form in which all contenders' are the same."""


def rest_url(spec: Spec) -> str:
    """Where the server of the messages answers GETs."""
    return f"http://{urlsplit(spec.url).netloc}/api/v4"


def trioex(spec: Spec) -> dict[str, Any]:
    """A manager with one binding and a sync handler."""
    channel, make, look = _WORK[spec.work]
    tally = Tally(spec)
    config = attrs.evolve(make_config(spec, "gateio"), rest_url=rest_url(spec))

    async def main() -> None:
        done = trio.Event()
        tally.on_done = done.set
        async with WebSocketManager(config) as manager:
            settings = {"source": "rest"} if spec.work == "book" else {}
            manager.bind(channel, make(tally), **settings)
            await done.wait()
            tally.result["last"] = look(tally.last)

    trio.run(main)
    return tally.result


def _plain(tally: Tally) -> Callable[[Any], None]:
    return tally


def _book(tally: Tally) -> Callable[[Any], None]:
    def on_book(book: OrderBook) -> None:
        tally.upto(book.version - BOOK_VERSION + 1, (book.best_bid, book.best_ask, book.version))

    return on_book


def _of_trade(trade: Trade) -> list[Any]:
    return [str(trade.trade_id), str(trade.side), float(trade.price), float(trade.quantity)]


def _of_delta(delta: BookDelta) -> list[Any]:
    return [delta.last_version, *map(float, (*max(delta.bids), *min(delta.asks)))]


def _of_book(seen: Any) -> list[Any]:
    bid, ask, version = seen
    return [version, *map(float, (*bid, *ask))]


_WORK: dict[str, tuple[str, Callable[[Tally], Callable[[Any], None]], Look]] = {
    "trades": ("spot.trades.BTCUSDT", _plain, _of_trade),
    "delta": ("spot.orderbook_delta.BTCUSDT", _plain, _of_delta),
    "book": ("spot.orderbook.BTCUSDT", _book, _of_book),
}
