"""OrderBook: one symbol's bids and asks, sorted, with the questions a strategy asks of them.

An `OrderBook` is what handlers get and anybody reads: it only reads. What it reads is a
`MutableBook`, which whoever maintains it (`synchroniser`) holds. The rule of reading: a book that
is not LIVE answers nothing, it raises `BookNotLive`. What is returned is a copy and stays as it is.

Each side is a dict of quantities and a sorted list of keys with the best at its end, where most
changes happen: lists move few items there. An ask's key is its negated price.
"""

from __future__ import annotations

import operator
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from decimal import Context, Decimal, localcontext
from itertools import islice
from typing import Any, NoReturn, TypeVar

import attrs

from .channels import ExchangeEnum, suggestion
from .errors import BookArgumentError, BookNotLive
from .messages import BookDelta, BookSnapshot, BookState, Level, Number, Side

__all__ = ["MutableBook", "OrderBook", "Sweep"]

_CONTEXT = Context(prec=40)
"""For values of exact numbers: the caller's context may round to anything."""
_INFINITY: dict[type[Number], Any] = {float: float("inf"), Decimal: Decimal("inf")}
_LAST_BIT = 2.0**-52
"""By so much, in proportion, a level may be off in a sum of floats."""


D = TypeVar("D")


@attrs.frozen
class Sweep:
    """What an order that takes from the book at once would get.

    Attributes:
        quantity: of it that finds somebody, base coin; less than asked where the book ends.
        cost: of that quantity, quote coin.
        average, worst: price over all of it, and of its last part; None where nobody is there.
        is_cut: whether it is less than asked only as far as is known: what lies beyond
            `OrderBook.horizon` might give more.
    """

    quantity: Number
    cost: Number
    average: Number | None
    worst: Number | None
    is_cut: bool = False


def _same(price: Any) -> Any:
    return price


class _Side:
    """The bids: a key is the price.

    Attributes:
        key: makes a key of a price, and a price of a key.
        keys: sorted, the best last.
        quantities: by price.
        floor: the key of the worst level known, where what lies beyond is not; or None.
        flaw: a level that cannot be, or None.
    """

    __slots__ = ("flaw", "floor", "key", "keys", "quantities")

    def __init__(self, key: Callable[[Any], Any] = _same) -> None:
        self.key = key
        # Any: float or Decimal, one of them throughout, which are not comparable to a checker.
        self.keys: list[Any] = []
        self.quantities: dict[Any, Any] = {}
        self.floor: Any = None
        self.flaw: Level | None = None

    def apply(self, changes: Iterable[Level]) -> None:
        """Set levels; quantity zero deletes, and what is not there need not be deleted."""
        keys, quantities = self.keys, self.quantities
        for price, quantity in changes:
            if quantity > 0:
                quantities[price] = quantity
                if len(quantities) != len(keys):
                    insort(keys, price)
            elif quantity < 0:
                self.flaw = price, quantity
            elif quantities.pop(price, None) is not None:
                del keys[bisect_left(keys, price)]

    def known(self, changes: Iterable[Level]) -> list[Level]:
        """Those of the changes that are not beyond the floor."""
        floor = self.floor
        return [level for level in changes if level[0] >= floor]

    def replace(self, levels: Iterable[Level]) -> None:
        """Forget everything and take these."""
        self.flaw = self.floor = None
        self.quantities = {price: quantity for price, quantity in levels if quantity}
        self.keys = sorted(map(self.key, self.quantities))
        for price, quantity in self.quantities.items():
            if quantity < 0:
                self.flaw = price, quantity

    def trim(self, most: int) -> None:
        """Keep the best `most` levels."""
        excess = len(self.keys) - most
        if excess > 0:
            for key in self.keys[:excess]:
                del self.quantities[self.key(key)]
            del self.keys[:excess]

    def best(self) -> Level | None:
        """The best level, or None."""
        if not self.keys:
            return None
        price = self.key(self.keys[-1])
        return price, self.quantities[price]

    def levels(self, count: int | None = None) -> list[Level]:
        """The best `count` levels, or all, best first."""
        quantities = self.quantities
        return [(price, quantities[price]) for price in islice(self.prices(), count)]

    def prices(self) -> Iterator[Any]:
        """All prices, best first."""
        return iter(reversed(self.keys))


class _Asks(_Side):
    """The asks: a key is the negated price."""

    __slots__ = ()

    def apply(self, changes: Iterable[Level]) -> None:
        key, keys, quantities = self.key, self.keys, self.quantities
        for price, quantity in changes:
            if quantity > 0:
                quantities[price] = quantity
                if len(quantities) != len(keys):
                    insort(keys, key(price))
            elif quantity < 0:
                self.flaw = price, quantity
            elif quantities.pop(price, None) is not None:
                del keys[bisect_left(keys, key(price))]

    def known(self, changes: Iterable[Level]) -> list[Level]:
        ceiling = self.key(self.floor)
        return [level for level in changes if level[0] <= ceiling]

    def prices(self) -> Iterator[Any]:
        return map(self.key, reversed(self.keys))


class MutableBook:
    """The levels of one order book, and where it is, for whoever maintains it.

    Nothing here looks at versions.

    Attributes: as those of `OrderBook`, and
        bids, asks: the sides.
        change: the last delta; None where the book was built anew since.
    """

    __slots__ = (
        "asks",
        "bids",
        "change",
        "depth",
        "number_type",
        "reason",
        "resyncs",
        "state",
        "times",
        "version",
    )

    def __init__(self, number_type: type[Number] = float, depth: int | None = None) -> None:
        self.number_type = number_type
        self.depth = depth
        self.version = -1
        self.resyncs = 0
        self.reason = "no snapshot has come yet"
        self.state = BookState.SYNCING
        self.bids = _Side()
        # The minus sign would round exact numbers by the caller's context.
        self.asks = _Asks(Decimal.copy_negate if number_type is Decimal else operator.neg)
        self.change: BookDelta | None = None
        self.times = (0, 0)

    def apply(self, delta: BookDelta) -> None:
        """Set the levels of a delta; ask `flaw` afterwards."""
        bids, asks = self.bids, self.asks
        if delta.bids:
            bids.apply(delta.bids if bids.floor is None else bids.known(delta.bids))
        if delta.asks:
            asks.apply(delta.asks if asks.floor is None else asks.known(delta.asks))
        self.version = delta.last_version
        self.change = delta
        depth = self.depth
        if depth is not None:
            if len(bids.keys) > depth:
                bids.trim(depth)
            if len(asks.keys) > depth:
                asks.trim(depth)

    def replace(self, snapshot: BookSnapshot, *, limit: int | None = None) -> None:
        """Become a snapshot; ask `flaw` afterwards.

        Args:
            limit: levels a side the snapshot has at most. A side that has so many ends there,
                not at the end of the market: what lies beyond is never taken for known.
        """
        for side, levels in ((self.bids, snapshot.bids), (self.asks, snapshot.asks)):
            side.replace(levels)
            if self.depth is not None:
                side.trim(self.depth)
            if limit is not None and len(levels) >= limit and side.keys:
                side.floor = side.keys[0]
        self.version = snapshot.version
        self.times = snapshot.exchange_time, snapshot.receive_time
        self.change = None

    def renewed(self) -> None:
        """The last changes together made a new book, not the last one alone."""
        if self.change is not None:
            self.times = self.change.exchange_time, self.change.receive_time
            self.change = None

    def mark(self, state: BookState, reason: str = "") -> None:
        """Say where it is, and why it is not LIVE."""
        self.state = state
        self.reason = reason

    def flaw(self) -> str | None:
        """What cannot be in a book, in words, or None where all is well."""
        bids, asks = self.bids, self.asks
        if (
            bids.flaw is None
            and asks.flaw is None
            and bids.keys
            and asks.keys
            and bids.keys[0] > 0
            and asks.key(asks.keys[-1]) > bids.keys[-1]
        ):
            return None  # as nearly always, and asked for behind each change
        if bids.flaw is not None or asks.flaw is not None:
            price, quantity = bids.flaw or asks.flaw or (0, 0)
            return f"a level has the quantity {quantity} (at {price})"
        for name, side in (("bids", bids), ("asks", asks)):
            if side.floor is not None and not side.keys:
                # Not that nobody bids: who comes next lies beyond the snapshot.
                return f"none is left of the {name} that are known, to {side.key(side.floor)}"
        if bids.keys and bids.keys[0] <= 0:
            return f"a bid has the price {bids.keys[0]}"
        if asks.keys:
            ask = asks.key(asks.keys[-1])
            if bids.keys and bids.keys[-1] >= ask:
                return f"it is crossed: bid {bids.keys[-1]}, ask {ask}"
            if ask <= 0:
                return f"an ask has the price {ask}"
        return None

    def nears_the_end(self, least: int) -> bool:
        """Whether fewer than `least` levels are left of those known, on a side."""
        bids, asks = self.bids, self.asks
        return (bids.floor is not None and len(bids.keys) < least) or (
            asks.floor is not None and len(asks.keys) < least
        )

    def is_partial(self) -> bool:
        """Whether levels may lie beyond those of a snapshot, and their changes be left out."""
        return self.bids.floor is not None or self.asks.floor is not None

    def end_of(self, side: _Side) -> Any:
        """The price of the worst level known of a side; None where nothing lies beyond."""
        if side.floor is not None:
            return side.key(side.floor)
        is_full = self.depth is not None and len(side.keys) >= self.depth
        return side.key(side.keys[0]) if is_full and side.keys else None


class OrderBook:
    """The order book of one symbol.

    Prices are quote coin for one base coin, quantities base coin; `float`, or `Decimal` where
    the manager was configured so. A level is a `(price, quantity)` pair.

    Every question raises `BookNotLive` while the book is not LIVE; `state`, `reason`, `version`,
    the times and `repr` can always be read.

    Attributes:
        exchange, market, symbol: what it is the book of.
    """

    __slots__ = ("_data", "exchange", "market", "symbol")

    def __init__(self, exchange: ExchangeEnum, market: str, symbol: str, data: MutableBook) -> None:
        self.exchange = exchange
        self.market = market
        self.symbol = symbol
        self._data = data

    def __repr__(self) -> str:
        levels = f"{len(self._data.bids.keys)} x {len(self._data.asks.keys)}"
        why = f" ({self.reason})" if self.reason else ""
        return (
            f"<OrderBook {self.exchange} {self.market} {self.symbol} {self.state.name}{why}, "
            f"version {self.version}, {levels}>"
        )

    def __len__(self) -> int:
        """How many levels it holds, both sides together."""
        return len(self._data.bids.keys) + len(self._data.asks.keys)

    def __bool__(self) -> bool:
        return True  # also one without levels

    # Always to be had

    @property
    def state(self) -> BookState:
        """Where it is."""
        return self._data.state

    @property
    def reason(self) -> str:
        """Why it is not LIVE, in words; empty while it is."""
        return self._data.reason

    @property
    def version(self) -> int:
        """The exchange's version of its last change; -1 before the first."""
        return self._data.version

    @property
    def resyncs(self) -> int:
        """How often it was found not to be the exchange's book, and was built anew."""
        return self._data.resyncs

    @property
    def number_type(self) -> type[Number]:
        """`float` or `Decimal`."""
        return self._data.number_type

    @property
    def depth(self) -> int | None:
        """Levels a side the exchange maintains, or None for all there are."""
        return self._data.depth

    @property
    def is_live(self) -> bool:
        """Whether it may be read: it is the exchange's book at `version`."""
        return self._data.state is BookState.LIVE

    @property
    def exchange_time(self) -> int:
        """When its last change happened, by the exchange; ns since the epoch, or 0."""
        data = self._data
        return data.times[0] if data.change is None else data.change.exchange_time

    @property
    def receive_time(self) -> int:
        """When its last change was read; ns since the epoch, or 0."""
        data = self._data
        return data.times[1] if data.change is None else data.change.receive_time

    # Questions

    @property
    def best_bid(self) -> Level | None:
        """The highest bid, or None where there is none."""
        data = self._data
        if data.state is not BookState.LIVE:
            self._refuse()
        bids = data.bids
        keys = bids.keys
        return (keys[-1], bids.quantities[keys[-1]]) if keys else None

    @property
    def best_ask(self) -> Level | None:
        """The lowest ask, or None where there is none."""
        data = self._data
        if data.state is not BookState.LIVE:
            self._refuse()
        asks = data.asks
        if not asks.keys:
            return None
        price = asks.key(asks.keys[-1])
        return price, asks.quantities[price]

    def bids(self, count: int | None = None) -> list[Level]:
        """The best `count` bids, or all of them, highest price first."""
        return self._read(self._data.bids).levels(_checked(count))

    def asks(self, count: int | None = None) -> list[Level]:
        """The best `count` asks, or all of them, lowest price first."""
        return self._read(self._data.asks).levels(_checked(count))

    @property
    def change(self) -> BookDelta | BookSnapshot:
        """What happened last: levels that changed, or the whole book where it was built anew."""
        self._read(self._data.bids)
        change = self._data.change
        return self.snapshot() if change is None else change

    @property
    def horizon(self) -> tuple[Number | None, Number | None]:
        """The lowest bid and the highest ask that are known; None on a side known to its end.

        Beyond it there may be levels: those the exchange does not maintain (`depth`), or those
        that a snapshot by REST had no room for.
        """
        data = self._data
        return data.end_of(self._read(data.bids)), data.end_of(data.asks)

    @property
    def mid(self) -> Number | None:
        """Half-way between best bid and best ask; None where a side is empty."""
        top = self._top()
        if top is None:
            return None
        return self._derive(_mid, *top)

    @property
    def spread(self) -> Number | None:
        """Best ask less best bid, quote coin; None where a side is empty."""
        top = self._top()
        if top is None:
            return None
        return self._derive(_spread, *top)

    @property
    def microprice(self) -> Number | None:
        """The mid, weighted: the more is bid, the nearer the ask. None where a side is empty."""
        top = self._top()
        if top is None:
            return None
        return self._derive(_microprice, *top)

    def imbalance(self, count: int = 1) -> Number | None:
        """How much more is bid than asked in the best `count` levels: from -1 to 1.

        None where both sides are empty.
        """
        return self._derive(_imbalance, self.bids(count), self.asks(count))

    def volume_to(self, side: Side | str, price: Number) -> Number:
        """How much a taker could get down or up to a price, itself included, base coin.

        It is as much as is known: beyond `horizon` there may be more.

        Args:
            side: of the taker: BUY takes asks, SELL takes bids.
            price: an int or a float will do for exact numbers, and the other way round.
        """
        levels, limit = self._taken(side), self._number("a price", price)
        return self._derive(_volume_to, levels, levels.key(limit), self.number_type(0))

    def sweep(self, side: Side | str, quantity: Number) -> Sweep:
        """What a taker would pay or get for a quantity of base coin, taken from the book at once.

        Args:
            side: of the taker: BUY takes asks, SELL takes bids.
            quantity: an int or a float will do for exact numbers, and the other way round.
        """
        levels, wanted = self._taken(side), self._number("a quantity", quantity)
        ends = self._data.end_of(levels) is not None
        return self._derive(_sweep, levels, wanted, self.number_type(0), ends)

    def snapshot(self, count: int | None = None) -> BookSnapshot:
        """An immutable copy of the best `count` levels a side, or of all."""
        bids, asks = tuple(self.bids(count)), tuple(self.asks(count))
        return BookSnapshot(
            self.exchange,
            self.market,
            self.symbol,
            self.exchange_time,
            self.receive_time,
            bids,
            asks,
            self.version,
            self.depth if count is None else count,
        )

    def _top(self) -> Any:
        """Best bid, its quantity, best ask, its quantity; None where a side is empty."""
        bid, ask = self._read(self._data.bids).best(), self._data.asks.best()
        return None if bid is None or ask is None else (*bid, *ask)

    def _taken(self, side: Side | str) -> _Side:
        return self._read(self._data.asks if _parsed(side) is Side.BUY else self._data.bids)

    def _number(self, what: str, given: object) -> Any:
        """A price or a quantity in the book's own type; a float by its shortest decimal form."""
        kind = self.number_type
        if isinstance(given, (int, float, Decimal)) and not isinstance(given, bool):
            exact = kind is float or not isinstance(given, float)
            try:
                number = kind(given if exact else str(given))
                if 0 <= number < _INFINITY[kind]:
                    return number
            except (ArithmeticError, ValueError):
                pass  # too large for a float, or no number
        raise BookArgumentError(f"{what} is a finite number from 0 up, not {given!r}")

    def _derive(self, formula: Callable[..., D], *facts: Any) -> D:
        if self.number_type is float:
            return formula(*facts)
        with localcontext(_CONTEXT):
            return formula(*facts)

    def _read(self, side: _Side) -> _Side:
        if self._data.state is not BookState.LIVE:
            self._refuse()
        return side

    def _refuse(self) -> NoReturn:
        raise BookNotLive(
            f"the order book of {self.exchange} {self.symbol} is {self.state.name}: "
            f"{self.reason}; read it when `is_live`, handlers are called again when it is"
        )


# Arguments


def _checked(count: int | None) -> int | None:
    if count is None:
        return None
    try:
        number = operator.index(count)
    except TypeError:
        number = -1
    if number < 0:
        raise BookArgumentError(f"a number of levels is an int from 0 up, not {count!r}")
    return number


def _parsed(side: Side | str) -> Side:
    if isinstance(side, Side):
        return side
    try:
        return Side(side)
    except ValueError:
        known = [str(each) for each in Side]
        hint = suggestion(str(side).lower(), known)
        raise BookArgumentError(
            f"{side!r} is no side of a taker{hint}; there are {' and '.join(map(repr, known))}"
        ) from None


# Formulas, of floats or of exact numbers


def _mid(bid: Any, _: Any, ask: Any, __: Any) -> Number:
    mid: Number = (bid + ask) / 2
    return mid


def _spread(bid: Any, _: Any, ask: Any, __: Any) -> Number:
    spread: Number = ask - bid
    return spread


def _microprice(bid: Any, bid_quantity: Any, ask: Any, ask_quantity: Any) -> Number:
    total = bid_quantity + ask_quantity
    microprice: Number = (bid * ask_quantity + ask * bid_quantity) / total
    return microprice


def _imbalance(bids: list[Level], asks: list[Level]) -> Number | None:
    bid: Any = sum(quantity for _, quantity in bids)
    ask: Any = sum(quantity for _, quantity in asks)
    if not bid + ask:
        return None
    imbalance: Number = (bid - ask) / (bid + ask)
    return imbalance


def _volume_to(levels: _Side, limit: Any, zero: Any) -> Number:
    total: Any = zero
    key, quantities = levels.key, levels.quantities
    for price in levels.prices():
        if key(price) < limit:
            break
        total += quantities[price]
    volume: Number = total
    return volume


def _sweep(levels: _Side, wanted: Any, zero: Any, ends: bool) -> Sweep:
    # Floats that stand for decimals do not add up: .7 + .1 is less than .8, and a further level
    # for the last bit of the sum would be a wrong answer. What they cannot tell apart is equal.
    unsure = zero if isinstance(wanted, Decimal) else wanted * _LAST_BIT
    quantities = levels.quantities
    filled, cost, worst, error = zero, zero, None, zero
    for price in levels.prices():
        if filled >= wanted - error:
            break
        part = min(wanted - filled, quantities[price])
        filled, cost, worst, error = filled + part, cost + part * price, price, error + unsure
    if filled >= wanted - error:
        filled = wanted
    return Sweep(filled, cost, cost / filled if filled else None, worst, ends and filled < wanted)
