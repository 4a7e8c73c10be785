"""Coming back: from the loss of a connection to the next message, lost and delivered twice.

    python -m benchmarks reconnect                           the figures of the design, few drops
    python -m benchmarks.reconnect [--json] [--drops N]      loopback, TLS, the real clock
    python -m benchmarks.reconnect --virtual [--json]        in memory, simulated round trips

The stream is Gate.io's `spot.obu`: the exchange sends the whole book as soon as it is asked,
so the next message waits for no market. What was lost or delivered twice is counted on trades,
whose numbers run on by one. On loopback the simulated exchange is a process of its own; the
time counts from its decision to drop.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import attrs
import trio

from trioex import BookSnapshot, Trade, WebSocketManager
from trioex.events import ConnectionEvent, Disconnected
from trioex.simulator import How

from .client import Spec
from .harness import Bench, Row, Target, compare
from .reconnect_virtual import measure_virtual

__all__ = ["Watcher", "lose", "main", "measure", "percentile"]

KINDS: tuple[How, ...] = ("drop", "close", "cut")
MODES = {"cold": "none", "standby": "standby", "hot": "hot"}


_DROPS, _TURNS = 30, 2
"""In each mode, as a part of all benchmarks; the p99 of so few is the longest of them."""


def measure(bench: Bench) -> list[Row]:
    """Milliseconds to the next message, and what was lost or came twice."""
    drops, ours = bench.scaled(_DROPS), "trioex"
    modes = {
        mode: bench.turns(
            {ours: partial(bench.client, "trioex reconnect", "", work=mode, count=drops)},
            _TURNS,
        )
        for mode in MODES
    }
    targets = {"cold": Target(20, 8, "value"), "standby": Target(5, 2, "value")}
    nothing = {ours: Target(0, 0, "value")}
    rows = []
    for mode, target in targets.items():
        what = f"loss to next message, {mode}"
        rows += compare(f"{what}, p50", modes[mode], "p50_ms", "ms")
        rows += compare(f"{what}, p99", modes[mode], "p99_ms", "ms", targets={ours: target})
    return [
        *rows,
        *compare("lost messages, hot", modes["hot"], "lost", "messages", targets=nothing),
        *compare("messages twice, hot", modes["hot"], "duplicates", "messages"),
    ]


def lose(spec: Spec) -> dict[str, float]:
    """One mode, all kinds of loss: what one contender's process does."""
    logging.disable()  # every loss is logged
    outcome = trio.run(_measure, spec.work, KINDS, spec.count)
    found: dict[str, float] = {"lost": outcome.lost, "duplicates": outcome.duplicates}
    if outcome.seconds:
        found["p50_ms"] = percentile(outcome.seconds, 0.5) * 1e3
        found["p99_ms"] = percentile(outcome.seconds, 0.99) * 1e3
    return found


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which `part` of them lie, by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(part * (len(ordered) - 1)))]


class Watcher:
    """Handlers that note when a book began anew and which trades came."""

    def __init__(self) -> None:
        self._began = trio.Event()
        self._time = 0
        self._flowed = trio.Event()
        self._noticed = trio.Event()
        self.trades: list[Trade] = []

    def on_book(self, message: object) -> None:
        """Note a whole book: it is the first message of each new subscription."""
        if isinstance(message, BookSnapshot):
            self._time = time.perf_counter_ns()
            self._began.set()
        self._flowed.set()

    def on_event(self, event: ConnectionEvent) -> None:
        """Note a loss."""
        if isinstance(event, Disconnected):
            self._noticed.set()

    async def noticed(self, lose: Callable[[], Awaitable[int]]) -> None:
        """Cause a loss and wait until the manager knows, so that no other one comes before."""
        self._noticed = trio.Event()
        await lose()
        await self._noticed.wait()

    async def data(self) -> None:
        """Wait for a message: data flowed, so the next loss is a first one again."""
        self._flowed = trio.Event()
        await self._flowed.wait()

    async def after(self, lose: Callable[[], Awaitable[int]]) -> float:
        """Cause a loss and return the seconds until the book begins anew."""
        self._began = trio.Event()
        lost_at = await lose()
        await self._began.wait()
        return (self._time - lost_at) / 1e9

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
    drops: int
    seconds: list[float]
    lost: int
    duplicates: int


async def _whole(ws: WebSocketManager, legs: int) -> None:
    """Wait until everything lost is back, so that the next loss is a first one again."""
    while True:
        (line,) = ws.statistics().lines
        if len(line.legs) == legs and all(
            leg.is_open and leg.confirmed == leg.wanted for leg in line.legs
        ):
            return
        await trio.sleep(0.001)


async def _measure(mode: str, kinds: Sequence[How], drops: int) -> Outcome:
    """Lose a connection so many times, in one way after another."""
    from .exchange import open_exchange  # needs trustme

    watcher = Watcher()
    async with open_exchange() as exchange:
        config = exchange.config(redundancy=MODES[mode])
        async with WebSocketManager(config, connection_handlers=watcher.on_event) as ws:
            await ws.bind("spot.orderbook_delta.BTCUSDT", watcher.on_book, depth=50)
            await ws.bind("spot.trades.BTCUSDT", watcher.trades.append)
            seconds: list[float] = []
            for number in range(drops):
                await _whole(ws, 1 if mode == "cold" else 2)
                await watcher.data()
                kind = kinds[number % len(kinds)]
                lose = partial(exchange.drop, kind, number)
                if mode == "hot":  # nothing begins anew: it is counted, not timed
                    await watcher.noticed(lose)
                else:
                    seconds.append(await watcher.after(lose))
            await trio.sleep(0.3)
    kind = ", ".join(kinds)
    return Outcome(mode, kind, drops, seconds, watcher.lost(), watcher.duplicates())


def _summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    def milliseconds(some: Sequence[Outcome], part: float) -> float | None:
        values = [seconds for each in some for seconds in each.seconds]
        return round(percentile(values, part) * 1e3, 3) if values else None

    cold, standby, hot = ([each for each in outcomes if each.mode == mode] for mode in MODES)
    return {
        "cold_p50_ms": milliseconds(cold, 0.50),
        "cold_p99_ms": milliseconds(cold, 0.99),
        "standby_p50_ms": milliseconds(standby, 0.50),
        "standby_p99_ms": milliseconds(standby, 0.99),
        "hot_lost": sum(each.lost for each in hot),
        "hot_duplicates": sum(each.duplicates for each in hot),
        "duplicates": sum(each.duplicates for each in outcomes),
        "kinds": [
            {
                "mode": each.mode,
                "kind": each.kind,
                "drops": each.drops,
                "p50_ms": milliseconds([each], 0.50),
                "p99_ms": milliseconds([each], 0.99),
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
    outcomes = [
        trio.run(_measure, mode, (kind,), options.drops) for mode in MODES for kind in KINDS
    ]
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
