"""How books look: lines of text, made of what is known of them. Nothing here writes.

A book that is not LIVE has no prices to show, only why. ASCII, but for the bars where the
terminal can do better.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from decimal import Context
from itertools import accumulate
from typing import Any, Literal, TypeAlias

import attrs

from ..messages import Level, Number
from ..orderbook import OrderBook
from .tally import Tally, Totals, latency_words, overall_latency
from .text import number

__all__ = [
    "OVERHEAD",
    "Bars",
    "Drawing",
    "book_line",
    "ladder",
    "progress",
    "row",
    "summary",
    "table",
    "worst",
]

Bars: TypeAlias = Literal["cumulative", "level"]

OVERHEAD = 6
"""Lines of a ladder that are no levels."""
_CONTEXT = Context(prec=20)
"""Of exact numbers that were derived."""
_NARROWEST = 8
"""Columns of a bar, however narrow the terminal: what is too long is cut there."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_TROUBLE = ("REFUSED", "GAP", "STALE", "SYNCING", "LIVE")


@attrs.frozen(kw_only=True)
class Drawing:
    """How to draw.

    Attributes:
        levels: a side, at most.
        bars: of what a level has, or of all up to it.
        width: of the terminal, in columns.
        blocks: whether bars are of block characters, eight steps to a column.
    """

    levels: int = 10
    bars: Bars = "cumulative"
    width: int = 80
    blocks: bool = False


# One book


def ladder(tally: Tally, drawing: Drawing) -> list[str]:
    """The book with its asks above its bids, and what is to be said about it."""
    book = tally.book
    resyncs = _count(tally.resyncs, "resync")
    version = f"version {tally.version}  " if tally.version >= 0 else ""
    head = [
        f"{_whose(tally)}  {tally.state}  {version}{resyncs}",
        f"{tally.rate:.1f} updates/s  latency {latency_words(tally.latency)}",
    ]
    if book is None or not book.is_live:
        return head + textwrap.wrap(f"no prices: {tally.reason}", max(drawing.width, 20))
    asks, bids = book.asks(drawing.levels), book.bids(drawing.levels)
    facts = _Facts.of(book, drawing.levels)
    ask_rows, bid_rows = _sides(asks, bids, drawing)
    return [
        *head,
        f"mid {facts.mid}  microprice {facts.microprice}  imbalance {facts.imbalance}",
        "",
        ask_rows[0],
        *reversed(ask_rows[1:]),
        f"---  spread {facts.spread} ({facts.basis_points} bp)",
        *bid_rows[1:],
    ]


def book_line(tally: Tally, drawing: Drawing) -> str:
    """The book in one line: its best prices, or why there are none."""
    start = f"{_whose(tally)}  {tally.state}"
    book = tally.book
    if book is None or not book.is_live:
        return f"{start}  {' '.join(tally.reason.split())}"
    facts = _Facts.of(book, drawing.levels)
    return (
        f"{start}  {facts.bid} / {facts.ask}  spread {facts.spread} ({facts.basis_points} bp)  "
        f"imbalance {facts.imbalance}  version {tally.version}  "
        f"{_count(tally.resyncs, 'resync')}  {tally.rate:.1f} updates/s  "
        f"latency {latency_words(tally.latency)}"
    )


def row(book: OrderBook, levels: int, reason: str = "") -> dict[str, Any]:
    """The book as an object of JSON; what it does not tell while it is not LIVE is null.

    Args:
        reason: why it is not LIVE, where that is known better than by the book.
    """
    live = book.is_live
    mid, spread = (book.mid, _exact_spread(book)) if live else (None, None)
    return {
        "type": "book",
        "exchange": book.exchange,
        "market": book.market,
        "symbol": book.symbol,
        "exchange_time": book.exchange_time,
        "receive_time": book.receive_time,
        "state": book.state,
        "reason": reason or book.reason,
        "version": book.version,
        "resyncs": book.resyncs,
        "mid": _rounded(mid),
        "spread": spread,
        "spread_bp": _rounded(_basis_points(spread, mid)),
        "microprice": _rounded(book.microprice if live else None),
        "imbalance": _rounded(book.imbalance(levels) if live else None),
        "bids": book.bids(levels) if live else None,
        "asks": book.asks(levels) if live else None,
    }


def _exact_spread(book: OrderBook) -> Number | None:
    """A difference of two floats is wrong in its last digits: it has no more places than they."""
    bid, ask, spread = book.best_bid, book.best_ask, book.spread
    if bid is None or ask is None or spread is None:
        return None
    return round(spread, _places((bid[0], ask[0]))) if isinstance(spread, float) else spread


def _rounded(value: Number | None) -> Number | None:
    """Without the digits that are an accident of the arithmetic."""
    if isinstance(value, float):
        return float(f"{value:.12g}")
    return None if value is None else _CONTEXT.plus(value)


@attrs.frozen
class _Facts:
    """What is said of a LIVE book, as text; `-` where a side is empty."""

    bid: str
    ask: str
    mid: str
    spread: str
    basis_points: str
    microprice: str
    imbalance: str

    @classmethod
    def of(cls, book: OrderBook, levels: int) -> _Facts:
        bid, ask = book.best_bid, book.best_ask
        prices = [level[0] for level in (*book.bids(levels), *book.asks(levels))]
        places = _places(prices)
        mid, spread = book.mid, book.spread
        basis_points, imbalance = _basis_points(spread, mid), book.imbalance(levels)
        return cls(
            bid=_fixed(None if bid is None else bid[0], places),
            ask=_fixed(None if ask is None else ask[0], places),
            # Half a step of the price, and a tenth of that.
            mid=_fixed(mid, places + 1),
            spread=_fixed(spread, places),
            basis_points=_fixed(basis_points, 4 if basis_points and basis_points < 1 else 2),
            microprice=_fixed(book.microprice, places + 2),
            imbalance="-" if imbalance is None else f"{imbalance:+.2f}",
        )


def _sides(
    asks: Sequence[Level], bids: Sequence[Level], drawing: Drawing
) -> tuple[list[str], list[str]]:
    """Both sides, best first, each below a line of headings."""
    levels = [*asks, *bids]
    price_places = _places(price for price, _ in levels)
    quantity_places = _places(quantity for _, quantity in levels)
    sums = [*_sums(asks), *_sums(bids)]
    cells = [
        (
            _fixed(price, price_places),
            _fixed(quantity, quantity_places),
            _fixed(up_to, quantity_places),
        )
        for (price, quantity), up_to in zip(levels, sums, strict=True)
    ]
    headings = ("price", "quantity", "total")
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    columns = max(drawing.width - sum(widths) - 3 - 2 * 4, _NARROWEST)
    shown = sums if drawing.bars == "cumulative" else [quantity for _, quantity in levels]
    most: Any = max(shown, default=1)
    draw: Callable[[float], str] = _block_bar(columns) if drawing.blocks else _ascii_bar(columns)
    lines = [
        f"{side}  {_aligned(cell, widths)}  {draw(float(length / most))}"
        for side, cell, length in zip(
            ["ask"] * len(asks) + ["bid"] * len(bids), cells, shown, strict=True
        )
    ]
    heading = f"     {_aligned(headings, widths)}"
    return (
        [heading, *(lines[: len(asks)] or ["ask  none"])],
        [heading, *(lines[len(asks) :] or ["bid  none"])],
    )


def _sums(side: Iterable[Level]) -> list[Any]:
    quantities: Iterable[Any] = (quantity for _, quantity in side)
    return list(accumulate(quantities))


def _ascii_bar(columns: int) -> Callable[[float], str]:
    return lambda share: "#" * max(round(share * columns), 1)


def _block_bar(columns: int) -> Callable[[float], str]:
    def draw(share: float) -> str:
        whole, rest = divmod(max(round(share * columns * 8), 1), 8)
        return "█" * whole + (_EIGHTHS[rest] if rest else "")

    return draw


# Many books


def progress(totals: Totals) -> str:
    """How many of them are where."""
    states = totals.states
    words = f"{states.get('LIVE', 0)} of {totals.books} books live"
    for state in _TROUBLE[:-1]:
        count = states.get(state, 0)
        if count or state in ("REFUSED", "GAP"):
            words += f", {count} {state.lower()}"
    return f"{words}, {totals.rate:.1f} updates/s"


def table(tallies: Sequence[Tally], rows: int) -> list[str]:
    """All of them in their order, or where there are more than `rows`, the worst."""
    left = 0
    if len(tallies) > rows:
        left = len(tallies) - rows
        tallies = worst(tallies, rows)
    headings = ("symbol", "state", "updates/s", "p50 ms", "resyncs", "bid", "ask")
    cells = [_cells(each) for each in tallies]
    widths = [
        max(map(len, column)) for column in zip(headings, *(c[:7] for c in cells), strict=True)
    ]
    lines = [
        f"{_left_aligned(line[:2], widths)}  {_aligned(line[2:7], widths[2:])}  {line[7]}".rstrip()
        for line in [(*headings, ""), *cells]
    ]
    return [*lines, f"and {left} more"] if left else lines


def worst(tallies: Iterable[Tally], count: int) -> list[Tally]:
    """Those without a LIVE book, then the slowest."""
    return sorted(tallies, key=_worst_first)[:count]


def _worst_first(tally: Tally) -> tuple[int, float]:
    # Without a latency it is the slowest of all.
    late = float("inf") if tally.latency is None else tally.latency.p50
    return _TROUBLE.index(tally.state), -late


def _cells(tally: Tally) -> tuple[str, ...]:
    book, latency = tally.book, tally.latency
    bid = ask = "-"
    if book is not None and book.is_live:
        facts = _Facts.of(book, 1)
        bid, ask = facts.bid, facts.ask
    late = "-" if latency is None or latency.lowest <= -1 else f"{max(latency.p50, 0.0):.1f}"
    reason = " ".join(tally.reason.split())
    return (
        tally.symbol,
        tally.state,
        f"{tally.rate:.1f}",
        late,
        f"{tally.resyncs}",
        bid,
        ask,
        reason,
    )


def summary(tallies: Sequence[Tally], elapsed: float) -> str:
    """What happened in all that time."""
    totals = Totals.of(tallies)
    latency = latency_words(overall_latency(tallies), tail=True)
    return (
        f"{_count(totals.updates, 'update')} of {_count(totals.books, 'book')} "
        f"in {elapsed:.1f} s, {_count(totals.resyncs, 'resync')}, "
        f"latency {latency}"
    )


# Words and numbers


def _whose(tally: Tally) -> str:
    book = tally.book
    return tally.symbol if book is None else f"{book.exchange} {book.market} {book.symbol}"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _places(values: Iterable[Number]) -> int:
    """Decimal places of the one that has most of them."""
    return max((len(number(each).partition(".")[2]) for each in values), default=0)


def _fixed(value: Number | None, places: int) -> str:
    return "-" if value is None else f"{value:.{places}f}"


def _basis_points(spread: Number | None, mid: Number | None) -> float | None:
    return float(spread) / float(mid) * 1e4 if spread is not None and mid else None


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _left_aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=False))
