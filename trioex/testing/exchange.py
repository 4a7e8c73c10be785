"""`open_exchange`: a simulated exchange that takes its time from the clock of the test."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import trio

from ..channels import ExchangeEnum
from ..config import Environment
from ..simulator import Faults, Simulator, open_simulator, virtual_environment

__all__ = ["open_exchange"]


@asynccontextmanager
async def open_exchange(
    exchange: ExchangeEnum | str,
    *,
    symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT"),
    seed: int = 0,
    pace: float = 1.0,
    latency: float = 0.0,
    jitter: float = 0.0,
    faults: Faults | None = None,
    environment: Environment | None = None,
) -> AsyncGenerator[Simulator]:
    """Run an exchange in memory for as long as the block lasts.

    Under `trio.testing.MockClock` wall time follows it and randomness follows the seed, so a
    test is the same every time. `trioex.simulator.open_simulator` has sockets, TLS and
    recordings besides.

    Args:
        exchange: `mexc` or `gateio`.
        symbols: the pairs it lists, as `BTCUSDT`.
        seed: of everything that is random, `faults` excepted, which has its own.
        pace: how many times faster than usual the market moves.
        latency, jitter: of the network, seconds; one round trip, and what is added at most on
            each way.
        faults: what goes wrong and when.
        environment: wall time and randomness, where the clock's are not meant.

    Raises:
        ConfigError: an argument that cannot work; the message names it.
    """
    if environment is None and _is_virtual(trio.lowlevel.current_clock()):
        environment = virtual_environment(seed)
    async with open_simulator(
        exchange,
        symbols=symbols,
        seed=seed,
        pace=pace,
        latency=latency,
        jitter=jitter,
        faults=faults,
        environment=environment,
    ) as simulator:
        yield simulator


def _is_virtual(clock: trio.abc.Clock) -> bool:
    """Whether it is a `MockClock`, without importing `trio.testing`, which may load pytest."""
    testing = sys.modules.get("trio.testing")
    return testing is not None and isinstance(clock, testing.MockClock)
