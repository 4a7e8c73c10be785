"""Wire to handler at 1000 trades a second: from just before the server's write to the handler.

All decode the trade: trioex with a whole manager, the peers by hand, on uvloop. `spin` looks for
data without sleeping, which takes a core; it is measured where trioex has it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .cli import main
from .harness import Bench, Result, Row, Target, compare
from .samples import subscribe_text

__all__ = ["measure"]

_PEER = "picows by hand"
_SPIN = "trioex, direct, spin"
_RATE, _WARM, _COUNT = 1000, 100, 1500


def measure(bench: Bench) -> list[Row]:
    """Median and 99th percentile."""
    count = bench.scaled(_COUNT)
    spec = {"work": "trade", "warm": _WARM, "count": count}
    wish: dict[str, Any] = {"kind": "trade", "count": _WARM + count + 20, "rate": _RATE}
    subscribe = subscribe_text("gateio", "spot.trades.BTCUSDT")
    ours = partial(bench.client, "trioex latency", bench.url(**wish), **spec)

    def theirs(contender: str) -> Callable[[], Result]:
        url = bench.url(**wish, ack=0)
        return partial(bench.client, contender, url, subscribe=subscribe, **spec)

    turns = bench.turns(
        {
            "trioex, channel": ours,
            "trioex, direct": partial(ours, handoff="direct"),
            _SPIN: partial(ours, handoff="direct", spin=True),
            _PEER: theirs("picows"),
            "websockets by hand": theirs("websockets"),
            "aiohttp by hand": theirs("aiohttp"),
        },
    )
    direct = "trioex, direct"
    p50, p99 = Target(1.5, 1.0), Target(1.0, 0.8)
    return [
        *compare(
            "wire to handler at 1 kHz, p50",
            turns,
            "p50_us",
            "us",
            peer=_PEER,
            targets={direct: p50, _SPIN: p50},
        ),
        *compare(
            "wire to handler at 1 kHz, p99",
            turns,
            "p99_us",
            "us",
            peer=_PEER,
            targets={direct: p99, _SPIN: p99},
        ),
    ]


if __name__ == "__main__":
    main("latency")
