"""From a delta to both best prices: books of several sizes, deltas of several sizes.

All contenders get the same deltas, a third of whose changes delete, most of them near the top.
trioex checks versions, crossing and quantities on the way, the others nothing. `order_book` is
the book of cryptofeed, written in C: with Decimals, as cryptofeed gives it, and with floats.
sortedcontainers has a `SortedDict` a side. What a delta is parsed from is in none of them.

A ratio says how many times as long as trioex another one takes.
"""

from __future__ import annotations

from functools import partial

from .cli import main
from .harness import Bench, Row, Target, Turns, compare
from .run_books import CHANGES, LEVELS

__all__ = ["measure", "require_same"]

_OURS = "trioex"
_CONTENDERS = (_OURS, "order_book, Decimal", "order_book, float", "sortedcontainers")
_DELTAS, _TURNS = 1000, 3
_TARGET = {(1000, 5): Target(4, 2, "value")}


def measure(bench: Bench) -> list[Row]:
    """Microseconds a delta, in CPU time."""
    count = bench.scaled(_DELTAS)
    turns = bench.turns(
        {name: partial(bench.client, f"book {name}", "", count=count) for name in _CONTENDERS},
        _TURNS,
    )
    require_same(turns)
    rows = []
    for levels in LEVELS:
        for changes in CHANGES:
            target = _TARGET.get((levels, changes))
            rows += compare(
                f"book of {levels} levels a side, {changes} changed",
                turns,
                f"{levels}/{changes}",
                "us",
                peer=_OURS,
                targets={_OURS: target} if target else None,
            )
    return rows


def require_same(turns: Turns) -> None:
    """All contenders must have read the same prices in the end.

    Raises:
        RuntimeError: they have not.
    """
    (ours, *_), *others = turns.values()
    for (first, *_), name in zip(others, list(turns)[1:], strict=True):
        if "missing" not in first and first["tops"] != ours["tops"]:
            raise RuntimeError(f"{name} ends with {first['tops']}, not with {ours['tops']}")


if __name__ == "__main__":
    main("book")
