"""The program under load: managers with bindings that check every number they get.

    python -m benchmarks.load_client SPEC

SPEC is JSON, made by `load`. It connects, prints `ready`, measures until it has all that the line
on its standard input says was sent, and prints what it measured.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import trio

from trioex import BookDelta, ExchangeEnum, Trade, WebSocketConfig, WebSocketManager
from trioex.events import ConnectionEvent, SlowConsumer
from trioex.exchanges import open_venue
from trioex.instrumentation import Histogram

from .load_server import FIRST, Load

__all__ = ["Job", "main", "resident_mib"]

_IDLE_S = 5.0
"""For so long nothing comes: then nothing will."""


@attrs.frozen(kw_only=True)
class Job:
    """How the messages are handled.

    Attributes:
        slow_ms: how long an async handler of the first binding of each connection takes a
            message; 0 for none.
        overflow, queue_size: of that binding.
        channel_kib: `frame_channel_bytes`, or 0 for the default.
    """

    port: int
    load: Load
    handoff: str = "channel"
    slow_ms: float = 0.0
    overflow: str = "block"
    queue_size: int = 1000
    channel_kib: int = 0


class Check:
    """Counts what one binding gets: what is missing, and what came twice."""

    __slots__ = ("_latency", "duplicates", "last", "lost", "received")

    def __init__(self, latency: Histogram) -> None:
        self.last = FIRST
        self.received = self.lost = self.duplicates = 0
        self._latency = latency

    def trade(self, trade: Trade) -> None:
        """Check a trade."""
        number = trade.sequence
        assert number is not None
        self.received += 1
        if number != self.last + 1:
            self._differs(number)
        self.last = number
        if not number & 7:  # each eighth: a record costs as much as the check
            self._latency.record(time.time_ns() - trade.exchange_time)

    def delta(self, delta: BookDelta) -> None:
        """Check an update of a book."""
        number = delta.last_version
        self.received += 1
        if number != self.last + 1:
            self._differs(number)
        self.last = number
        if not number & 7:
            self._latency.record(time.time_ns() - int(float(delta.asks[0][1]) * 1e9))

    def _differs(self, number: int) -> None:
        if number > self.last:
            self.lost += number - self.last - 1
        else:
            self.duplicates += 1


class Program:
    """What runs in the client."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._latency = Histogram()
        self._checks: list[Check] = []
        self._slow: list[Check] = []
        self._managers: list[WebSocketManager] = []
        self._bindings: list[Any] = []
        self._events: Counter[str] = Counter()
        self._fullest = 0
        self._culprits: Counter[str | None] = Counter()
        self._samples: list[tuple[float, float, int, int]] = []
        self._sent: int | None = None
        self._begin = 0.0

    async def run(self) -> None:
        """Connect, measure, print."""
        async with trio.open_nursery() as nursery:
            for number in range(self._job.load.connections):
                manager = self._make(number)
                self._managers.append(await nursery.start(manager.run))
            gc.collect()
            print("ready", flush=True)
            nursery.start_soon(self._listen)
            result = await self._measure()
            for manager in self._managers:
                nursery.start_soon(manager.aclose)
        print(json.dumps(result), flush=True)
        os._exit(0)  # a thread may still wait for standard input

    def _make(self, number: int) -> WebSocketManager:
        job, load = self._job, self._job.load
        extra = {"frame_channel_bytes": job.channel_kib << 10} if job.channel_kib else {}
        config = WebSocketConfig(
            exchange="gateio",
            url=f"ws://127.0.0.1:{job.port}/",
            handoff="direct" if job.handoff == "direct" else "channel",
            close_timeout=0.2,
            **extra,
        )
        manager = WebSocketManager(config, connection_handlers=self._on_event)
        symbols = list(open_venue(ExchangeEnum.GATEIO, "spot").instruments)
        kind = "trades" if load.kind == "trades" else "orderbook_delta"
        for index in range(load.bindings):
            symbol = symbols[(number * load.bindings + index) % len(symbols)]
            channel = f"spot.{kind}.{symbol}"
            check = Check(self._latency)
            take = check.trade if load.kind == "trades" else check.delta
            self._checks.append(check)
            if index == 0 and job.slow_ms:
                self._slow.append(check)
                binding = manager.bind(
                    channel,
                    self._slowly(take),
                    overflow=job.overflow,
                    queue_size=job.queue_size,
                    on_error="unbind",
                )
            else:
                binding = manager.bind(channel, take)
            self._bindings.append(binding)
        return manager

    def _slowly(self, take: Callable[[Any], None]) -> Callable[[Any], Awaitable[None]]:
        seconds = self._job.slow_ms / 1e3

        async def handle(message: object) -> None:
            take(message)
            await trio.sleep(seconds)

        return handle

    def _on_event(self, event: ConnectionEvent) -> None:
        self._events[type(event).__name__] += 1
        if isinstance(event, SlowConsumer):
            self._culprits[event.channel] += 1
            self._fullest = max(self._fullest, event.waiting_bytes)

    async def _listen(self) -> None:
        """Learn how many were sent, when all are."""
        line = b""
        async with trio.lowlevel.FdStream(os.dup(0)) as stdin:
            while b"\n" not in line:
                data = await stdin.receive_some()
                if not data:
                    os._exit(1)
                line += data
        self._sent = int(line)

    async def _measure(self) -> dict[str, Any]:
        cpu = time.process_time()
        wall = self._begin = time.perf_counter()
        before, quiet_since, ended = 0, wall, wall
        flowed_cpu = cpu
        while True:
            if not before:
                wall, cpu = time.perf_counter(), time.process_time()  # the server has not begun
            await trio.sleep(0.25)
            now, received = time.perf_counter(), self._received
            if received != before:
                before, quiet_since, ended = received, now, now
                flowed_cpu = time.process_time()
            if not self._samples or now - self._begin >= self._samples[-1][0] + 1.0:
                self._samples.append(
                    (now - self._begin, resident_mib(), sys.getallocatedblocks(), received)
                )
            if self._sent is not None and (
                received + self._dropped() >= self._sent or now - quiet_since > _IDLE_S
            ):
                break
        return self._result(ended - wall, (flowed_cpu - cpu) / max(ended - wall, 1e-9))

    @property
    def _received(self) -> int:
        return sum(check.received for check in self._checks)

    def _dropped(self) -> int:
        return sum(each.statistics().dropped for each in self._bindings) if self._slow else 0

    def _result(self, seconds: float, cpu_share: float) -> dict[str, Any]:
        statistics = [manager.statistics() for manager in self._managers]
        fast = [check for check in self._checks if check not in self._slow]
        latency = self._latency.percentiles()
        return {
            "received": self._received,
            "seconds": seconds,
            "cpu_share": cpu_share,
            "lost": sum(check.lost for check in fast),
            "duplicates": sum(check.duplicates for check in self._checks),
            "slow_missed": sum(check.lost for check in self._slow),
            "slow_received": sum(check.received for check in self._slow),
            "dropped": self._dropped(),
            "queued": sum(each.statistics().queued for each in self._bindings),
            "most_queued": max(each.statistics().peak_queued for each in self._bindings),
            "refused": sum(each.state.name == "REFUSED" for each in self._bindings),
            "p50_us": latency.p50 / 1e3,
            "p99_us": latency.p99 / 1e3,
            "p999_us": latency.p999 / 1e3,
            "highest_us": latency.highest / 1e3,
            "peak_channel_kib": max(each.peak_waiting_bytes for each in statistics) / 1024,
            "all_channels_kib": sum(each.peak_waiting_bytes for each in statistics) / 1024,
            "unrouted": sum(each.unrouted for each in statistics),
            "undecodable": sum(each.undecodable for each in statistics),
            "dropped_copies": sum(each.duplicates for each in statistics),
            "reconnects": sum(line.connections - 1 for each in statistics for line in each.lines),
            "events": dict(self._events),
            "blamed": {str(name): count for name, count in self._culprits.most_common(3)},
            "samples": self._samples,
        }


def resident_mib() -> float:
    """Resident memory of this process."""
    status = Path("/proc/self/status").read_text()
    return float(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    """Run what the first argument says."""
    spec = json.loads(sys.argv[1])
    job = Job(**{**spec, "load": Load(**spec["load"])})
    logging.getLogger("trioex").setLevel(logging.CRITICAL)  # what ends a binding is counted
    trio.run(Program(job).run)


if __name__ == "__main__":
    main()
