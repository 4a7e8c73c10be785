"""What `bind` takes: the call alone, and until a simulated exchange in memory confirmed it."""

from __future__ import annotations

import time

import trio

from trioex import WebSocketConfig, WebSocketManager
from trioex.simulator import open_simulator

from .cli import main
from .harness import Bench, Row, Target, compare
from .samples import GATE_SYMBOLS

__all__ = ["measure"]

_KINDS = ("trades", "book_ticker", "ticker", "orderbook_delta")


def measure(bench: Bench) -> list[Row]:
    """Microseconds a binding."""
    turns = bench.turns(
        {
            "trioex, not running": _idle,
            "trioex, running": lambda: trio.run(_running),
            "trioex, until confirmed": lambda: trio.run(_confirmed),
        },
    )
    target = Target(1000, 20, "value")
    return compare("bind", turns, "us", "us", targets=dict.fromkeys(turns, target))


def _nothing(_message: object) -> None:
    """What is bound."""


def _channels() -> list[str]:
    return [f"spot.{kind}.{symbol}" for kind in _KINDS for symbol in GATE_SYMBOLS]


def _idle() -> dict[str, float]:
    return _bind_all(WebSocketManager(WebSocketConfig(exchange="gateio")))


async def _running() -> dict[str, float]:
    async with (
        open_simulator("gateio", symbols=GATE_SYMBOLS, seed=1) as simulator,
        WebSocketManager(simulator.config()) as manager,
    ):
        return _bind_all(manager)


def _bind_all(manager: WebSocketManager) -> dict[str, float]:
    channels = _channels()
    begin = time.perf_counter_ns()
    for channel in channels:
        manager.bind(channel, _nothing)
    return {"us": (time.perf_counter_ns() - begin) / len(channels) / 1e3}


async def _confirmed() -> dict[str, float]:
    """One after another, each confirmed; within the burst that pacing allows."""
    async with (
        open_simulator("gateio", symbols=GATE_SYMBOLS, seed=1) as simulator,
        WebSocketManager(simulator.config()) as manager,
    ):
        begin = time.perf_counter_ns()
        for symbol in GATE_SYMBOLS:
            await manager.bind(f"spot.trades.{symbol}", _nothing)
        return {"us": (time.perf_counter_ns() - begin) / len(GATE_SYMBOLS) / 1e3}


if __name__ == "__main__":
    main("binding")
