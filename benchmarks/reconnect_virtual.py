"""Coming back on a virtual clock: by fault, redundancy and round trip of the network.

A run is a function of its seed, so the figures are exact: they are round trips and nothing
else. The time counts from the moment the loss is noticed to the next message of the book; with
two hot legs it is the time in which no leg carried everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs
import trio
import trio.testing

from trioex import Trade, WebSocketManager
from trioex.events import ConnectionEvent, Disconnected, Reconnected
from trioex.simulator import How, open_simulator, virtual_environment

__all__ = ["FAULTS", "MODES", "ROUND_TRIPS", "Row", "measure_one", "measure_virtual"]

FAULTS: tuple[How, ...] = ("drop", "close", "cut", "linger", "silence")
MODES = ("none", "standby", "hot")
ROUND_TRIPS = (0.0, 0.005, 0.05, 0.15)
_PONG_S = 2.0
"""How long the measured manager waits for a pong: `silence` is noticed only so."""


@attrs.frozen
class Row:
    """What one fault did.

    Attributes:
        round_trip_ms: of the simulated network.
        next_ms: from noticing the loss to the next message; for two legs, without a whole one.
        limit_ms: what it may be: four round trips and 10 ms cold, one and 5 ms from standby.
        lost, duplicates: trades that never came, and that came more than once.
    """

    fault: str
    mode: str
    round_trip_ms: float
    next_ms: float
    limit_ms: float
    lost: int
    duplicates: int


def _limit(mode: str, round_trip: float) -> float:
    return {"none": 4 * round_trip + 0.010, "standby": round_trip + 0.005, "hot": 0.0}[mode]


class _Record:
    """What a run delivered, with the time of each."""

    def __init__(self) -> None:
        self.books: list[float] = []
        self.trades: list[Trade] = []
        self.lost_at: float | None = None
        self.outage_ns: int | None = None

    def on_book(self, _: object) -> None:
        self.books.append(trio.current_time())

    def on_event(self, event: ConnectionEvent) -> None:
        if isinstance(event, Disconnected) and self.lost_at is None:
            self.lost_at = trio.current_time()
        if isinstance(event, Reconnected) and self.outage_ns is None:
            self.outage_ns = event.outage_ns

    def seconds(self, mode: str) -> float:
        assert self.lost_at is not None
        assert self.outage_ns is not None
        if mode == "hot":
            return self.outage_ns / 1e9
        # A message of the same instant may still be of the lost connection.
        return next(time for time in self.books if time >= self.lost_at) - self.lost_at


async def _run(fault: How, mode: str, round_trip: float) -> Row:
    record = _Record()
    environment = virtual_environment(seed=1)
    async with open_simulator(
        "gateio", symbols=("BTCUSDT",), environment=environment, latency=round_trip
    ) as simulator:
        config = simulator.config(redundancy=mode, ping_interval=_PONG_S, pong_timeout=_PONG_S)
        async with WebSocketManager(config, connection_handlers=record.on_event) as ws:
            await ws.bind("spot.orderbook.BTCUSDT", record.on_book, depth=50)
            await ws.bind("spot.trades.BTCUSDT", record.trades.append)
            await trio.sleep(3)
            carrying = [each for each in simulator.connections if each.topics]
            simulator.disconnect(fault, carrying[0])
            await trio.sleep(10)
    counts = Counter(trade.sequence for trade in record.trades)
    numbers = sorted(number for number in counts if number is not None)
    return Row(
        fault,
        mode,
        round_trip * 1e3,
        round(record.seconds(mode) * 1e3, 3),
        round(_limit(mode, round_trip) * 1e3, 3),
        numbers[-1] - numbers[0] + 1 - len(numbers),
        sum(count - 1 for count in counts.values()),
    )


def measure_one(fault: How, mode: str, round_trip: float) -> Row:
    """Run one fault on a clock of its own."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    return trio.run(_run, fault, mode, round_trip, clock=clock)


def measure_virtual(faults: Sequence[How] = FAULTS) -> list[dict[str, Any]]:
    """All faults, modes and round trips, as rows of a table."""
    return [
        attrs.asdict(measure_one(fault, mode, round_trip))
        for fault in faults
        for mode in MODES
        for round_trip in ROUND_TRIPS
    ]
