"""Frames of Gate.io to books: trioex, from the router on."""

from __future__ import annotations

import gc
from decimal import Decimal
from typing import Any

from trioex import Channel, ExchangeEnum, OrderBook
from trioex.channels import BookSource, Parameters
from trioex.config import ErrorPolicy
from trioex.exchanges.base import BookPlan
from trioex.exchanges.gateio.spot import GateioSpot
from trioex.messages import Number
from trioex.router import Outlet, Router
from trioex.synchroniser import StateChange, Synchroniser

from .client import Spec
from .recorded import Passes, Session, top
from .routing import Source

__all__ = ["trioex_decimal", "trioex_float"]


def _nothing(*_: object) -> None:
    """What is called where nothing is to be done."""


class _Books:
    """Makes synchronisers, and gives them the snapshots of the session."""

    def __init__(self, venue: GateioSpot, number_type: type[Number]) -> None:
        self._venue = venue
        self._number_type = number_type
        self.kept: dict[str, Synchroniser] = {}

    def keep(self, plan: BookPlan) -> Synchroniser:
        """Begin to keep a book."""
        assert plan.channel.symbol is not None
        symbol, number_type = plan.channel.symbol, self._number_type
        made = Synchroniser(
            ExchangeEnum.GATEIO, "spot", symbol, plan.rules, self, number_type=number_type
        )
        return self.kept.setdefault(symbol, made)

    def drop(self, synchroniser: Synchroniser) -> None:
        """Nobody reads it any more."""

    def on_need(self, synchroniser: Synchroniser) -> None:
        """The snapshots are given without being asked for."""

    def on_state(self, synchroniser: Synchroniser, change: StateChange) -> None:
        """It is looked at in the end."""

    def on_given_up(self, synchroniser: Synchroniser, reason: str) -> None:
        """Never: there is one."""

    def seed(self, router: Router, symbol: str, body: bytes) -> None:
        """Give a book its snapshot."""
        snapshot = self._venue.parse_book(body, symbol, 1, self._number_type)
        router.seed(self.kept[symbol], snapshot)


def trioex_float(spec: Spec) -> dict[str, Any]:
    """Ours."""
    return _trioex(spec, float)


def trioex_decimal(spec: Spec) -> dict[str, Any]:
    """Ours with exact numbers."""
    return _trioex(spec, Decimal)


def _trioex(spec: Spec, number_type: type[Number]) -> dict[str, Any]:
    session, tops = Session.load(), dict[str, Any]()
    passes, source = Passes(spec, session), Source(0)

    def on_book(book: OrderBook) -> None:
        tops[book.symbol] = book.best_bid, book.best_ask

    for _ in range(passes.count):
        router = _router(session, number_type, on_book)
        for frame in session.first:
            router.feed(router.begin([frame]), True, 1, source)
        gc.collect()
        passes.begin()
        for frame in session.updates:
            router.feed(router.begin([frame]), True, 1, source)
        passes.end()
        assert router.frames == len(session.first) + len(session.updates)
        assert not router.unrouted + router.undecodable + router.duplicates
    return passes.result({symbol: top(*each) for symbol, each in tops.items()})


def _router(session: Session, number_type: type[Number], on_book: Any) -> Router:
    venue = GateioSpot()
    router = Router(venue, number_type, _nothing)
    router.books = books = _Books(venue, number_type)
    for number, (pair, body) in enumerate(session.snapshots.items()):
        symbol = pair.replace("_", "")
        channel = Channel.parse(f"spot.orderbook.{symbol}")
        plan = venue.book(channel, Parameters(source=BookSource.REST))
        router.bind(plan.topic, _outlet(number, on_book))
        router.join(0, plan.topic)
        router.confirmed(plan.topic)
        books.seed(router, symbol, body)
    return router


def _outlet(number: int, on_book: Any) -> Outlet:
    return Outlet(
        number,
        on_book,
        label="benchmark",
        on_error=ErrorPolicy.RAISE,
        of_books=True,
    )
