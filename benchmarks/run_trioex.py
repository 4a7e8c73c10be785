"""trioex: its transport alone, and its manager as a program uses it."""

from __future__ import annotations

import gc
import logging
import time
import tracemalloc
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import trio

from trioex import Environment, Trade, WebSocketConfig, WebSocketManager
from trioex.frames import Batch
from trioex.handoff import FrameChannel
from trioex.transport import Dialer, open_websocket

from .client import Meter, Spec, Stopwatch, quantile
from .run_peers import client_context
from .samples import GATE_SYMBOLS

__all__ = ["connect", "frames", "latency", "loss", "make_config", "memory", "typed"]

_CHANNELS = {
    "gate": ("gateio", "spot.orderbook_delta.BTCUSDT"),
    "mexc": ("mexc", "spot.orderbook_delta.BTCUSDT"),
    "trade": ("gateio", "spot.trades.BTCUSDT"),
}


def make_config(spec: Spec, exchange: str) -> WebSocketConfig:
    """What a manager is measured with: the server's address, and pings that never come due."""
    return WebSocketConfig(
        exchange=exchange,
        url=spec.url,
        handoff="direct" if spec.handoff == "direct" else "channel",
        ping_interval=60.0,
        close_timeout=0.1,
        ssl_context=client_context(spec),
        latency=spec.measured,
        spin=spec.spin,
    )


# The transport


def frames(spec: Spec) -> dict[str, float]:
    """Frames to a handler, through the memory channel or straight from the reader."""

    async def main() -> dict[str, float]:
        meter, done = Meter(spec), trio.Event()
        meter.on_done = done.set
        channel = FrameChannel[None](64 << 20, lambda _: None, lambda _, __: None)

        async def direct(batch: Batch) -> None:
            for frame in batch.frames:
                meter(frame)

        async def route() -> None:
            while True:
                _, batch = await channel.receive()
                for frame in batch.frames:
                    meter(frame)
                channel.routed()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(route)
            async with open_websocket(
                spec.url,
                direct if spec.handoff == "direct" else partial(channel.send, None),
                dial=Dialer(client_context(spec)),
                environment=Environment(),
                max_message_bytes=16 << 20,
                close_timeout=0.1,
            ) as websocket:
                await websocket.send(spec.subscribe)
                await done.wait()
            nursery.cancel_scope.cancel()
        return meter.result

    return trio.run(main)


# The manager


def typed(spec: Spec) -> dict[str, float]:
    """Frames to typed messages to a sync handler."""
    meter = Meter(spec)
    _run_bound(spec, meter, meter)
    return meter.result


def latency(spec: Spec) -> dict[str, float]:
    """Trades to a sync handler that knows when each was sent."""
    stopwatch = Stopwatch(spec)

    def on_trade(trade: Trade) -> None:
        assert trade.trade_id is not None
        stopwatch(int(trade.trade_id))

    _run_bound(spec, stopwatch, on_trade)
    return stopwatch.result


def _run_bound(spec: Spec, measuring: Meter | Stopwatch, handler: Callable[[Any], None]) -> None:
    exchange, channel = _CHANNELS[spec.work]

    async def main() -> None:
        done = trio.Event()
        measuring.on_done = done.set
        manager = WebSocketManager(make_config(spec, exchange), bind_channels={channel: handler})
        async with manager:
            await done.wait()

    trio.run(main)


def connect(spec: Spec) -> dict[str, list[float]]:
    """Enter a manager with one binding, `count` times: connected, subscribed, confirmed."""
    times: list[float] = []

    async def main() -> None:
        config = make_config(spec, "gateio")
        for _ in range(spec.count):
            manager = WebSocketManager(config, bind_channels={"spot.trades.BTCUSDT": _ignore})
            begin = time.perf_counter()
            async with manager:
                times.append((time.perf_counter() - begin) * 1e3)

    trio.run(main)
    return {"ms": times}


def loss(spec: Spec) -> dict[str, list[float]]:
    """From the last trade before each cut to the first one behind it, at the handler."""
    gaps: list[float] = []
    last = connection = 0

    def on_trade(_trade: Trade) -> None:
        nonlocal last, connection
        now = time.perf_counter_ns()
        if connection != manager.statistics().lines[0].connections:
            connection = manager.statistics().lines[0].connections
            if last:
                gaps.append((now - last) / 1e6)
        last = now
        if len(gaps) == spec.count:
            done.set()

    async def main() -> None:
        async with manager:
            await done.wait()

    done = trio.Event()
    manager = WebSocketManager(
        make_config(spec, "gateio"), bind_channels={"spot.trades.BTCUSDT": on_trade}
    )
    logging.disable()  # every loss is logged
    trio.run(main)
    ordered = sorted(int(gap * 1e6) for gap in gaps)
    return {"ms": gaps, "p99_ms": [quantile(ordered, 0.99) / 1e6]}


def memory(spec: Spec) -> dict[str, float]:
    """KiB that one more connection with 30 bindings takes, of `count` that are open at once."""

    async def main() -> dict[str, float]:
        config = make_config(spec, "gateio")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(_thirty(config))  # imports, tables, decoders
            gc.collect()
            resident = _resident_kib()
            for _ in range(spec.count):
                await stack.enter_async_context(_thirty(config))
            gc.collect()
            grown = (_resident_kib() - resident) / spec.count
            tracemalloc.start()
            for _ in range(spec.count):
                await stack.enter_async_context(_thirty(config))
            gc.collect()
            traced = tracemalloc.get_traced_memory()[0] / 1024 / spec.count
            tracemalloc.stop()
        return {"resident_kib": grown, "traced_kib": traced}

    return trio.run(main)


def _thirty(config: WebSocketConfig) -> WebSocketManager:
    names = (f"spot.trades.{symbol}" for symbol in GATE_SYMBOLS)
    return WebSocketManager(config, bind_channels=dict.fromkeys(names, _ignore))


def _resident_kib() -> float:
    status = Path("/proc/self/status").read_text()
    return float(status.partition("VmRSS:")[2].split()[0])


def _ignore(_message: object) -> None:
    """A handler."""
