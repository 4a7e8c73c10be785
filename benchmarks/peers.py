"""Wire to typed message beside whole peers: cryptofeed and ccxt pro, each with its own sockets.

CPU of the reading process a message, from the loopback server's socket to the user's handler,
for Gate.io's trades and order book updates of 342 bytes, six changes in each. trioex is a manager
with a sync handler, cryptofeed a feed with a callback, ccxt pro a task that awaits in a loop;
`run_whole_peers` says how each is set up. No TLS, as in `typed`: it would cost all of them about
the same. All must have received every message and end with the same content.

`trade` and `book update` ask for the message. cryptofeed and ccxt have no message for a change of
a book: they hand out the book that they keep, and nobody reads it here. In `kept book` everybody
keeps one, begun with the same snapshot by REST, and the handler reads both best prices; the design
asks nothing of that row. ccxt hands out a book once for all that it drained in one go.

The clock starts between two messages that come apart, when all of those before have been taken, so
that nobody has read ahead of it.

A ratio says how many times as long as trioex another one takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from .cli import main
from .harness import Bench, Row, Target, Turns, compare

__all__ = ["measure", "require_all"]

_OURS = "trioex, direct"
_CONTENDERS: Mapping[str, tuple[str, str]] = {
    _OURS: ("trioex whole", "direct"),
    "trioex, channel": ("trioex whole", "channel"),
    "cryptofeed": ("cryptofeed whole", ""),
    "ccxt pro": ("ccxt pro whole", ""),
}
_COUNT, _TURNS = 12_000, 3
_TARGETS = {
    "cryptofeed": Target(5, 10, better="higher"),
    "ccxt pro": Target(15, 40, better="higher"),
}
_WORK = {
    "trades": ("wire to typed, whole, a trade", _TARGETS),
    "delta": ("wire to typed, whole, a book update", _TARGETS),
    "book": ("wire to kept book, whole", None),
}


def measure(bench: Bench) -> list[Row]:
    """Microseconds a message, in CPU time."""
    rows = []
    for work, (what, targets) in _WORK.items():
        turns = bench.turns(_runs(bench, work), _TURNS)
        require_all(turns)
        rows += compare(what, turns, "cpu_us", "us", peer=_OURS, targets=targets)
    return rows


def _runs(bench: Bench, work: str) -> dict[str, partial[Mapping[str, object]]]:
    count = bench.scaled(_COUNT)
    warm = count // 10
    runs = {}
    for name, (contender, handoff) in _CONTENDERS.items():
        url = bench.url(
            kind="trades" if work == "trades" else "book",
            count=warm + count,
            fresh=1,
            pause=warm,
            snapshot=int(work == "book" or (work == "delta" and not name.startswith("trioex"))),
        )
        runs[name] = partial(
            bench.client, contender, url, work=work, warm=warm, count=count, handoff=handoff
        )
    return runs


def require_all(turns: Turns) -> None:
    """All contenders must have received as many messages, with the same content in the last.

    Raises:
        RuntimeError: they have not.
    """
    (ours, *_), *_ = turns.values()
    for name, results in turns.items():
        for result in results:
            if "missing" not in result and any(
                result[key] != ours[key] for key in ("received", "last")
            ):
                said = f"{result['received']} messages, the last one {result['last']}"
                raise RuntimeError(f"{name} has {said}; trioex has {ours['received']}, {ours}")


if __name__ == "__main__":
    main("peers")
