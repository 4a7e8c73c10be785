"""Wire to typed message: CPU from the socket to a handler that gets a struct.

trioex does all a manager does: routing by symbol, decoding into `BookDelta`, checking, calling.
The peer is written by hand for one channel: picows, msgspec into the venue's own layout for
Gate.io, `FromString` and field access for MEXC. It routes nothing and checks nothing.
"""

from __future__ import annotations

from functools import partial

from .cli import main
from .harness import Bench, Row, Target, compare
from .samples import subscribe_text

__all__ = ["measure"]

_PEER = "picows by hand"
_COUNTS = {"gate": 80_000, "mexc": 30_000}
_NAMES = {"gate": "gateio", "mexc": "mexc"}
_TARGET = Target(1.3, 1.0)


def measure(bench: Bench) -> list[Row]:
    """CPU times and rates of both venues."""
    return [row for kind in _COUNTS for row in _measure(bench, kind)]


def _measure(bench: Bench, kind: str) -> list[Row]:
    exchange = _NAMES[kind]
    count = bench.scaled(_COUNTS[kind])
    warm = count // 10
    spec = {"work": kind, "warm": warm, "count": count}
    sent = int((warm + count) * 1.05) + 2000
    ours = bench.url(kind=kind, count=sent, fresh=1)
    theirs = bench.url(kind=kind, count=sent, fresh=1, ack=0)
    subscribe = subscribe_text(exchange, "spot.orderbook_delta.BTCUSDT")
    turns = bench.turns(
        {
            "trioex, channel": partial(bench.client, "trioex typed", ours, **spec),
            "trioex, direct": partial(bench.client, "trioex typed", ours, handoff="direct", **spec),
            _PEER: partial(bench.client, "picows", theirs, subscribe=subscribe, **spec),
        }
    )
    targets = dict.fromkeys(("trioex, channel", "trioex, direct"), _TARGET)
    label = f"{exchange} book update"
    return [
        *compare(
            f"wire to typed, CPU, {label}", turns, "cpu_us", "us", peer=_PEER, targets=targets
        ),
        *compare(f"wire to typed, {label}", turns, "rate", "/s", peer=_PEER),
    ]


if __name__ == "__main__":
    main("typed")
