"""Coming back on a virtual clock: by fault, redundancy and round trip of the network.

A run is a function of its seed, so the figures are exact: they are round trips and nothing
else. The time counts from the moment the loss is noticed to the next message of the book; with
two hot legs it is the time in which no leg carried everything. Where the exchange lets nobody
in, it counts from when it does again. A fault that costs no connection has no such time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import attrs
import trio
import trio.testing

from trioex import BookDelta, BookSnapshot, Trade, WebSocketManager
from trioex.events import ConnectionEvent, Disconnected, Reconnected
from trioex.simulator import Fault, open_simulator, virtual_environment

__all__ = ["FAULTS", "MODES", "ROUND_TRIPS", "Row", "measure_one", "measure_virtual"]

MODES = ("none", "standby", "hot")
ROUND_TRIPS = (0.0, 0.005, 0.05, 0.15)
_PATIENCE_S = 2.0
"""How long the measured manager waits for pongs, for data and for a connection to open:
`silence`, `half_open`, `mute` and `never_upgrade` are noticed only so."""
_BACKOFF_S = 0.25
"""The most it waits before it tries again."""
_CLOSED_S = 2.0
"""For how long an exchange lets nobody in, where it does not."""


@attrs.frozen
class Scenario:
    """What is done, and what it may cost.

    Attributes:
        faults: done in the same moment.
        is_loss: whether a connection is lost by them.
        may_lose: whether messages cannot come where there is no other connection.
        closed: seconds for which the exchange lets nobody in.
        grace: seconds by which a leg may be late then, since nobody tells it when.
        for_spares: whether that is also so for one that is connected already.
    """

    faults: tuple[Fault, ...]
    is_loss: bool = True
    may_lose: bool = True
    closed: float = 0.0
    grace: float = 0.0
    for_spares: bool = False

    def is_closed(self, mode: str) -> bool:
        """Whether whoever is to carry on in a mode is not let in."""
        return self.closed > 0 and (mode == "none" or (mode == "standby" and self.for_spares))


def _one(kind: Any, **how: Any) -> Fault:
    return Fault(kind, connection="one", **how)


def _shut(kind: Any, grace: float, *, for_spares: bool = False) -> Scenario:
    faults = (Fault(kind, duration=_CLOSED_S), _one("drop"))
    return Scenario(faults, closed=_CLOSED_S, grace=grace, for_spares=for_spares)


_LOSSES = ("drop", "close", "cut", "linger", "silence", "half_open", "garbage_frame")

FAULTS: Mapping[str, Scenario] = {
    **{kind: Scenario((_one(kind),)) for kind in _LOSSES},
    "mute": Scenario((_one("mute", duration=60.0),)),
    "delay": Scenario((_one("delay", duration=3.0, delay=0.2),), is_loss=False, may_lose=False),
    "slow_reader": Scenario((_one("slow_reader", duration=3.0),), is_loss=False, may_lose=False),
    "duplicate": Scenario((_one("duplicate", count=50),), is_loss=False, may_lose=False),
    "reorder": Scenario((_one("reorder", count=50),), is_loss=False),
    "garbage": Scenario((_one("garbage", count=50),), is_loss=False),
    "lost_delta": Scenario((_one("lost_delta", count=50),), is_loss=False),
    "reject_429": _shut("reject_429", grace=1.0),  # Retry-After is in whole seconds
    "refuse_connect": _shut("refuse_connect", grace=_BACKOFF_S),
    "never_upgrade": _shut("never_upgrade", grace=_PATIENCE_S),
    # Asked again after one, two, four halves of the time an answer may take.
    "refuse": _shut("refuse", grace=2 * _PATIENCE_S, for_spares=True),
}


@attrs.frozen
class Row:
    """What one fault did.

    Attributes:
        round_trip_ms: of the simulated network.
        next_ms: from noticing the loss, or from when the exchange lets in again, to the next
            message; with two legs, without a whole one.
        limit_ms: what it may be: four round trips and 10 ms cold, one and 5 ms from standby.
        lost, duplicates: trades and versions of the book that never came, and that came more
            than once. The whole book with which a connection begins stands for those before.
    """

    fault: str
    mode: str
    round_trip_ms: float
    next_ms: float
    limit_ms: float
    lost: int
    duplicates: int


class _Record:
    """What a run delivered, with the time of each."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.versions: list[tuple[int, int]] = []
        self.trades: list[tuple[int, int]] = []
        self.lost_at: float | None = None
        self.outage_ns = 0

    def on_book(self, message: BookDelta | BookSnapshot) -> None:
        self.times.append(trio.current_time())
        if isinstance(message, BookDelta):
            self.versions.append((message.first_version, message.last_version))
        else:
            self.versions.append((0, message.version))

    def on_trade(self, trade: Trade) -> None:
        assert trade.sequence is not None
        self.trades.append((trade.sequence, trade.sequence))

    def on_event(self, event: ConnectionEvent) -> None:
        if isinstance(event, Disconnected) and self.lost_at is None:
            self.lost_at = trio.current_time()
        if isinstance(event, Reconnected):
            self.outage_ns = max(self.outage_ns, event.outage_ns)

    def seconds(self, mode: str, begin: float) -> float:
        """How long nothing came, from `begin` on; nothing where nothing was lost."""
        if mode == "hot" or self.lost_at is None:
            return self.outage_ns / 1e9
        # A message of the same instant may still be of the lost connection.
        return next(time for time in self.times if time >= begin) - begin


def _count(ranges: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """How many numbers are missing in between, and how many came more than once."""
    lost = duplicates = 0
    for (_, last), (first, _) in pairwise(ranges):
        if first:
            lost += max(0, first - last - 1)
            duplicates += max(0, last - first + 1)
    return lost, duplicates


def _limit(scenario: Scenario, mode: str, round_trip: float) -> float:
    if mode == "hot" or not scenario.is_loss:
        return 0.0
    limit = round_trip + 0.005 if mode == "standby" else 4 * round_trip + 0.010
    return limit + scenario.grace * scenario.is_closed(mode)


async def _run(fault: str, mode: str, round_trip: float) -> Row:
    scenario, record = FAULTS[fault], _Record()
    environment = virtual_environment(seed=1)
    async with open_simulator(
        "gateio", symbols=("BTCUSDT",), environment=environment, latency=round_trip
    ) as simulator:
        config = simulator.config(
            redundancy=mode,
            ping_interval=_PATIENCE_S,
            pong_timeout=_PATIENCE_S,
            data_timeout=_PATIENCE_S,
            connect_timeout=_PATIENCE_S,
            subscribe_timeout=_PATIENCE_S,
            backoff_most=_BACKOFF_S,
        )
        async with WebSocketManager(config, connection_handlers=record.on_event) as ws:
            await ws.bind("spot.orderbook_delta.BTCUSDT", record.on_book, depth=50)
            await ws.bind("spot.trades.BTCUSDT", record.on_trade)
            await trio.sleep(2)
            opens_at = trio.current_time() + scenario.closed
            for each in scenario.faults:
                simulator.apply(each)
            await trio.sleep(8)
    assert (record.lost_at is not None) == scenario.is_loss, f"{fault} in {mode}"
    begin = opens_at if scenario.is_closed(mode) else record.lost_at or 0.0
    counts = [_count(record.versions), _count(sorted(record.trades))]
    return Row(
        fault,
        mode,
        round_trip * 1e3,
        round(record.seconds(mode, begin) * 1e3, 3),
        round(_limit(scenario, mode, round_trip) * 1e3, 3),
        sum(lost for lost, _ in counts),
        sum(duplicates for _, duplicates in counts),
    )


def measure_one(fault: str, mode: str, round_trip: float) -> Row:
    """Run one fault on a clock of its own."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    return trio.run(_run, fault, mode, round_trip, clock=clock)


def measure_virtual() -> list[dict[str, Any]]:
    """All faults, modes and round trips, as rows of a table."""
    return [
        attrs.asdict(measure_one(fault, mode, round_trip))
        for fault in FAULTS
        for mode in MODES
        for round_trip in ROUND_TRIPS
    ]
