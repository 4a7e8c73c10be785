"""From the bytes of a frame to a book that followed it, its best prices read.

The frames are the book updates of a session of Gate.io that was recorded (`tests/data/captures`),
fed one by one, and the books begin with the snapshots recorded with them. No sockets.

trioex does all that a manager does between the reader and a handler: the route, the decoder, the
merger, the synchroniser, the call. cryptofeed's `Gateio.message_handler` is awaited, with a
callback that reads the top; its books hold Decimals, and nothing else can be had, so trioex is
measured with them too. The client of ccxt pro is handed messages as aiohttp makes them: once with
a task a book that awaits `watch_order_book` in a loop, which is how a program learns of a change,
and once the handler alone. What it takes to read a frame from a socket is in none of them; that,
and what the design asks for, is in `peers`.

A ratio says how many times as long as trioex another one takes.
"""

from __future__ import annotations

from functools import partial

from .book import require_same
from .cli import main
from .harness import Bench, Row, compare

__all__ = ["measure"]

_OURS = "trioex"
_CONTENDERS = (_OURS, "trioex, Decimal", "cryptofeed", "ccxt pro", "ccxt pro, handler")
_PASSES, _TURNS = 20, 3


def measure(bench: Bench) -> list[Row]:
    """Microseconds a frame, in CPU time."""
    passes = bench.scaled(_PASSES)
    turns = bench.turns(
        {
            name: partial(bench.client, f"wire {name}", "", warm=2, count=passes)
            for name in _CONTENDERS
        },
        _TURNS,
    )
    require_same(turns)
    return compare("wire to book, a recorded frame", turns, "us", "us", peer=_OURS)


if __name__ == "__main__":
    main("wire_to_book")
