"""Through the memory channel: from `FrameChannel.send` in one task to the router's in another.

One frame a batch at 1000 batches a second: each hop finds its receiver asleep.
"""

from __future__ import annotations

import time

import trio

from trioex.frames import Batch
from trioex.handoff import FrameChannel

from .cli import main
from .client import quantile
from .harness import Bench, Row, Target, compare

__all__ = ["measure"]

_BATCHES = 600
_FRAME = [b"x" * 342]


def measure(bench: Bench) -> list[Row]:
    """Median and 99th percentile."""
    count = bench.scaled(_BATCHES)
    turns = bench.turns({"trioex": lambda: trio.run(_hops, count)})
    return [
        *compare("memory channel hop, p50", turns, "p50_us", "us"),
        *compare(
            "memory channel hop, p99",
            turns,
            "p99_us",
            "us",
            targets={"trioex": Target(145, 40, "value")},
        ),
    ]


async def _hops(count: int) -> dict[str, float]:
    channel = FrameChannel[None](64 << 20, lambda _: None, lambda _, __: None)
    waits: list[int] = []

    async def route() -> None:
        while True:
            _, batch = await channel.receive()
            waits.append(time.perf_counter_ns() - batch.received)
            channel.routed()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(route)
        for _ in range(count):
            await trio.sleep(0.001)
            await channel.send(None, Batch(True, _FRAME, time.perf_counter_ns(), 342))
        await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    waits.sort()
    return {"p50_us": quantile(waits, 0.5) / 1e3, "p99_us": quantile(waits, 0.99) / 1e3}


if __name__ == "__main__":
    main("hop")
