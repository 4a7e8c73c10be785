"""Connecting: TCP, TLS, handshake and one subscription; and doing it again after a loss.

`first` is the first connection of the process, `next` the median of the following ones. The peer
connects with picows, writes the request and waits for the answer.

The loss is a server that closes TCP behind three trades; from the last of them to the first of
the next connection, at the handler. The exchange sends a trade 1 ms after the subscription.
"""

from __future__ import annotations

import statistics
from functools import partial

from .cli import main
from .harness import Bench, Result, Row, Target, compare
from .samples import subscribe_text

__all__ = ["measure"]

_PEER = "picows"
_WHAT = "connect, subscribe"


def measure(bench: Bench) -> list[Row]:
    """Times to connect and to come back, plain and TLS."""
    rows = _measure(bench, "plain", secure=False)
    if bench.authority is None:
        note = "trustme is not installed"
        return [*rows, Row(what=f"{_WHAT}, TLS", contender="all", unit="ms", note=note)]
    return rows + _measure(bench, "TLS", secure=True)


def _measure(bench: Bench, label: str, *, secure: bool) -> list[Row]:
    subscribe = subscribe_text("gateio", "spot.trades.BTCUSDT")
    url = bench.url(secure=secure, kind="gate")
    count = bench.scaled(40)
    turns = bench.turns(
        {
            "trioex": partial(_connect, bench, "trioex connect", url, count=count),
            _PEER: partial(
                _connect, bench, "picows connect", url, count=count, subscribe=subscribe
            ),
        },
        3,
    )
    targets = {"trioex": Target(8, 4, "value")}
    lost = bench.url(secure=secure, kind="trade", count=3, rate=1000, drop=1)
    losses = bench.turns({"trioex": partial(_lose, bench, lost, count=bench.scaled(60))}, 3)
    return [
        *compare(f"{_WHAT}, {label}, first", turns, "first", "ms", peer=_PEER),
        *compare(f"{_WHAT}, {label}, next", turns, "next", "ms", peer=_PEER, targets=targets),
        *compare(f"loss to next message, {label}, p50", losses, "p50", "ms"),
        *compare(
            f"loss to next message, {label}, p99",
            losses,
            "p99",
            "ms",
            targets={"trioex": Target(20, 8, "value")},
        ),
    ]


def _connect(bench: Bench, contender: str, url: str, **spec: object) -> Result:
    result = bench.client(contender, url, **spec)
    if "missing" in result:
        return result
    first, *others = result["ms"]
    return {"first": first, "next": statistics.median(others)}


def _lose(bench: Bench, url: str, **spec: object) -> Result:
    result = bench.client("trioex loss", url, **spec)
    return {"p50": statistics.median(result["ms"]), "p99": result["p99_ms"][0]}


if __name__ == "__main__":
    main("connecting")
