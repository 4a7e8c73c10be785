"""Books that follow deltas: ours, and those of two other packages, used as one would."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from trioex import BookDelta, BookSnapshot, ExchangeEnum
from trioex.channels import BookSource
from trioex.messages import Number
from trioex.synchroniser import BookRules, StateChange, Synchroniser

from .client import Spec

__all__ = ["CHANGES", "LEVELS", "order_book_decimal", "order_book_float", "sorted_dict", "trioex"]

LEVELS = (100, 1000, 5000)
CHANGES = (1, 5, 20, 100)

_PASSES = 3
_MIDDLE = 100_000
_NEAR = 30
"""Ticks from the best price, on average, at which levels change."""
_DELETED = 0.3

Step: TypeAlias = Callable[[BookDelta], Any]
"""Applies a delta, and returns the best bid and the best ask."""
_WHO = ExchangeEnum.MEXC, "spot", "BTCUSDT", 1, 1


def trioex(spec: Spec) -> dict[str, Any]:
    """Ours, as the router uses it."""
    return _measure(spec, float, _trioex)


def order_book_decimal(spec: Spec) -> dict[str, Any]:
    """The C book with the numbers that cryptofeed gives it."""
    return _measure(spec, Decimal, _order_book)


def order_book_float(spec: Spec) -> dict[str, Any]:
    """The C book with numbers that cost least."""
    return _measure(spec, float, _order_book)


def sorted_dict(spec: Spec) -> dict[str, Any]:
    """What one writes oneself."""
    return _measure(spec, float, _sorted_dict)


def _measure(
    spec: Spec, number_type: type[Number], make: Callable[[BookSnapshot], Step]
) -> dict[str, Any]:
    """The fastest of some passes, each with a new book, and the prices they end with."""
    answer: dict[str, Any] = {"tops": []}
    for levels in LEVELS:
        for changes in CHANGES:
            snapshot = _snapshot(levels, number_type)
            count = spec.count * 20 // max(changes, 20)  # so that none takes much longer
            deltas = list(_deltas(levels, changes, count, number_type))
            passes, top = [], None
            for _ in range(_PASSES):
                step = make(snapshot)
                gc.collect()
                begin = time.thread_time_ns()
                for delta in deltas:
                    top = step(delta)
                passes.append(time.thread_time_ns() - begin)
            answer[f"{levels}/{changes}"] = min(passes) / len(deltas) / 1e3
            assert top is not None
            answer["tops"].append([[float(price), float(size)] for price, size in top])
    return answer


# What happens


def _number(value: float, number_type: type[Number]) -> Number:
    return Decimal(str(value)) if number_type is Decimal else value


def _level(tick: int, size: float, number_type: type[Number]) -> tuple[Number, Number]:
    return _number(tick / 100, number_type), _number(round(size, 4), number_type)


def _snapshot(levels: int, number_type: type[Number]) -> BookSnapshot:
    bids = tuple(_level(_MIDDLE - each, 1.0, number_type) for each in range(levels))
    asks = tuple(_level(_MIDDLE + 1 + each, 1.0, number_type) for each in range(levels))
    return BookSnapshot(*_WHO, bids, asks, 0)


def _deltas(
    levels: int, changes: int, count: int, number_type: type[Number]
) -> Iterator[BookDelta]:
    numbers = random.Random(f"{levels} {changes}")
    for version in range(1, count + 1):
        sides: tuple[list[Any], list[Any]] = [], []
        for _ in range(changes):
            away = min(int(numbers.expovariate(1 / _NEAR)), levels - 1)
            size = 0.0 if numbers.random() < _DELETED else 0.1 + numbers.random()
            is_ask = numbers.random() < 0.5
            tick = _MIDDLE + 1 + away if is_ask else _MIDDLE - away
            sides[is_ask].append(_level(tick, size, number_type))
        bids, asks = map(tuple, sides)
        yield BookDelta(*_WHO, bids, asks, version, version)


# Who follows


class _Listener:
    """Nobody: nothing is needed, and the state never changes."""

    def on_need(self, synchroniser: Synchroniser) -> None:
        """Never once the book is LIVE."""

    def on_state(self, synchroniser: Synchroniser, change: StateChange) -> None:
        """Only while the book begins."""

    def on_given_up(self, synchroniser: Synchroniser, reason: str) -> None:
        """Never: there is one."""


def _trioex(snapshot: BookSnapshot) -> Step:
    synchroniser = Synchroniser(*_WHO[:3], BookRules(BookSource.REST), _Listener())
    book = synchroniser.book
    synchroniser.confirmed()
    assert synchroniser.seed(snapshot)
    take = synchroniser.take

    def step(delta: BookDelta) -> Any:
        return (book.best_bid, book.best_ask) if take(delta) else None

    return step


def _order_book(snapshot: BookSnapshot) -> Step:
    from order_book import OrderBook as Book

    book = Book()
    book.bids, book.asks = dict(snapshot.bids), dict(snapshot.asks)
    bids, asks = book.bids, book.asks

    def step(delta: BookDelta) -> Any:
        for side, changes in ((bids, delta.bids), (asks, delta.asks)):
            for price, size in changes:
                if size:
                    side[price] = size
                elif price in side:
                    del side[price]
        return bids.index(0), asks.index(0)

    return step


def _sorted_dict(snapshot: BookSnapshot) -> Step:
    from sortedcontainers import SortedDict

    bids, asks = SortedDict(snapshot.bids), SortedDict(snapshot.asks)

    def change(side: Any, changes: Sequence[tuple[Number, Number]]) -> None:
        for price, size in changes:
            if size:
                side[price] = size
            else:
                side.pop(price, None)

    def step(delta: BookDelta) -> Any:
        change(bids, delta.bids)
        change(asks, delta.asks)
        return bids.peekitem(-1), asks.peekitem(0)

    return step
