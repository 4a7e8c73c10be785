"""Coming back: from the loss of a connection to the next message, lost and delivered twice.

    python -m benchmarks.reconnect [--json] [--drops N]      loopback, TLS, the real clock
    python -m benchmarks.reconnect --virtual [--json]        in memory, simulated round trips

The stream is Gate.io's `spot.obu`: the exchange sends the whole book as soon as it is asked,
so the next message waits for no market. What was lost or delivered twice is counted on trades,
whose numbers run on by one.

On loopback the simulated exchange shares the process with the client: its work is in the
figures too.
"""

from __future__ import annotations

import argparse
import json
import ssl
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import trio
import trustme

from trioex import Trade, WebSocketManager
from trioex.simulator import Connection, How, Simulator, open_simulator

from .reconnect_virtual import measure_virtual

__all__ = ["Watcher", "main", "percentile"]

KINDS: tuple[How, ...] = ("drop", "close", "cut")
MODES = {"cold": "none", "standby": "standby", "hot": "hot"}
BOOK = {"depth": 50}


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which `part` of them lie, by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(part * (len(ordered) - 1)))]


class Watcher:
    """Handlers that note when messages come and which trades.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next: trio.Event | None = None
        self._time = 0.0
        self.trades: list[Trade] = []

    def on_book(self, _: object) -> None:
        """Note the time of the first message after a loss."""
        if self._next is not None:
            self._time = self._clock()
            self._next.set()
            self._next = None

    async def after(self, loss: Callable[[], object]) -> float:
        """Cause a loss and return the seconds until the next message."""
        event = self._next = trio.Event()
        begin = self._clock()
        loss()
        await event.wait()
        return self._time - begin

    def lost(self) -> int:
        """Trades that never came, by their numbers."""
        numbers = sorted({each.sequence for each in self.trades if each.sequence is not None})
        return numbers[-1] - numbers[0] + 1 - len(numbers) if numbers else 0

    def duplicates(self) -> int:
        """Trades that came more than once."""
        return sum(count - 1 for count in Counter(t.sequence for t in self.trades).values())


@attrs.frozen
class Outcome:
    """What one mode did under one kind of loss."""

    mode: str
    kind: str
    seconds: list[float]
    lost: int
    duplicates: int


def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


async def _whole(ws: WebSocketManager, legs: int) -> None:
    """Wait until everything lost is back, so that the next loss is a first one again."""
    while True:
        (line,) = ws.statistics().lines
        if len(line.legs) == legs and all(
            leg.is_open and leg.confirmed == leg.wanted for leg in line.legs
        ):
            return
        await trio.sleep(0.001)


async def _measure(mode: str, kind: How, drops: int) -> Outcome:
    server, client = _contexts()
    watcher = Watcher(time.perf_counter)
    async with open_simulator(
        "gateio", symbols=("BTCUSDT",), transport="tls", ssl_context=server,
        client_ssl_context=client,
    ) as simulator:  # fmt: skip
        config = simulator.config(redundancy=MODES[mode], backoff_first=0.01)
        async with WebSocketManager(config) as ws:
            await ws.bind("spot.orderbook.BTCUSDT", watcher.on_book, **BOOK)
            await ws.bind("spot.trades.BTCUSDT", watcher.trades.append)
            seconds = []
            for number in range(drops):
                await _whole(ws, 1 if mode == "cold" else 2)
                await watcher.after(lambda: None)  # data flowed: the next loss is a first one
                victim = _victim(simulator, number)
                seconds.append(await watcher.after(lambda v=victim: simulator.disconnect(kind, v)))
            await trio.sleep(0.3)
    return Outcome(mode, kind, seconds, watcher.lost(), watcher.duplicates())


def _victim(simulator: Simulator, number: int) -> Connection:
    """The connection that carries the topics; of two that do, each in turn."""
    carrying = [each for each in simulator.connections if each.topics]
    return carrying[number % len(carrying)]


def _summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    def milliseconds(mode: str, part: float) -> float:
        values = [s for each in outcomes if each.mode == mode for s in each.seconds]
        return round(percentile(values, part) * 1e3, 3)

    hot = [each for each in outcomes if each.mode == "hot"]
    return {
        "cold_p50_ms": milliseconds("cold", 0.50),
        "cold_p99_ms": milliseconds("cold", 0.99),
        "standby_p50_ms": milliseconds("standby", 0.50),
        "standby_p99_ms": milliseconds("standby", 0.99),
        "hot_lost": sum(each.lost for each in hot),
        "hot_duplicates": sum(each.duplicates for each in hot),
        "duplicates": sum(each.duplicates for each in outcomes),
        "kinds": [
            {
                "mode": each.mode,
                "kind": each.kind,
                "drops": len(each.seconds),
                "p50_ms": round(statistics.median(each.seconds) * 1e3, 3),
                "p99_ms": round(percentile(each.seconds, 0.99) * 1e3, 3),
                "lost": each.lost,
                "duplicates": each.duplicates,
            }
            for each in outcomes
        ],
    }


def _print(rows: Sequence[dict[str, Any]]) -> None:
    heads = list(rows[0])
    cells = [[str(row[head]) for head in heads] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    for line in (heads, *cells):
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reconnect",
        description="From the loss of a connection to the next message.",
        epilog="example: python -m benchmarks.reconnect --drops 50",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--drops", type=int, default=200, help="of each kind in each mode (200)")
    parser.add_argument(
        "--virtual", action="store_true", help="in memory, on a virtual clock, by round trip"
    )
    options = parser.parse_args(arguments)
    if options.virtual:
        rows = measure_virtual()
        print(json.dumps(rows, indent=1)) if options.json else _print(rows)
        return
    outcomes = [trio.run(_measure, mode, kind, options.drops) for mode in MODES for kind in KINDS]
    summary = _summary(outcomes)
    if options.json:
        print(json.dumps(summary, indent=1))
        return
    _print(summary.pop("kinds"))
    print()
    for name, value in summary.items():
        print(f"{name:16} {value}")


if __name__ == "__main__":
    main()
