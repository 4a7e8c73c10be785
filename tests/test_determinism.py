"""A run is a function of its seed: the same events and messages, byte for byte.

The log holds everything that handlers and listeners got, in order, with all times. Trio wakes
tasks of one moment in an order it draws at random; nothing here may depend on it. What a real
network never does is left out: to let things happen at exactly the same time twice over.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from trioex import WebSocketManager
from trioex.simulator import open_simulator, virtual_environment

HOWS = ("drop", "close", "linger", "cut", "silence")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
KINDS = ("trades", "orderbook_delta", "book_ticker", "ticker")


async def live(exchange: str, redundancy: str, seed: int, handoff: Any) -> list[bytes]:
    """A dozen seconds of an eventful life, and everything that was told in it."""
    log: list[bytes] = []
    chance = random.Random(seed)

    def write(message: object) -> None:
        log.append(type(message).__name__.encode() + msgspec.json.encode(message))

    async def write_slowly(message: object) -> None:
        write(message)
        await trio.sleep(0.001)

    environment = virtual_environment(seed)
    async with open_simulator(
        exchange,
        symbols=SYMBOLS,
        seed=seed,
        environment=environment,
        pace=1.0,
        latency=0.05,
        jitter=0.01,
    ) as simulator:
        numbers = itertools.count(1)

        async def dial(url: str) -> trio.abc.Stream:
            await trio.sleep(next(numbers) * 1e-6)  # no two of them at the same time
            return await simulator.dial(url)

        config = simulator.config(
            dial=dial, redundancy=redundancy, handoff=handoff, ping_interval=2.0, pong_timeout=1.0
        )
        async with WebSocketManager(config, connection_handlers=write) as ws:
            for symbol in SYMBOLS:
                for kind in KINDS:
                    ws.bind(f"spot.{kind}.{symbol}", write)
            ws.bind("spot.trades", write_slowly)
            for _ in range(9):
                await trio.sleep(chance.uniform(0.5, 2.0))
                match chance.randrange(6):
                    case 0:
                        ws.rotate()
                    case 1:
                        simulator.disconnect(chance.choice(HOWS))  # type: ignore[arg-type]
                    case 2:
                        simulator.reject(chance.choice([429, 500]), retry_after=0.5)
                        simulator.disconnect("drop")
                        await trio.sleep(0.7)
                        simulator.admit()
                    case _ if simulator.connections:
                        victim = chance.choice(simulator.connections)
                        simulator.disconnect(chance.choice(HOWS), victim)  # type: ignore[arg-type]
                    case _:
                        pass
    return log


def run(exchange: str, redundancy: str, seed: int, handoff: str) -> list[bytes]:
    """One life, in a Trio of its own."""
    clock = trio.testing.MockClock(autojump_threshold=0.0)
    return trio.run(live, exchange, redundancy, seed, handoff, clock=clock)


def assert_same(one: list[bytes], other: list[bytes]) -> None:
    for place, (this, that) in enumerate(zip(one, other, strict=False)):
        assert this == that, f"they differ from place {place} of {len(one)}"
    assert len(one) == len(other) > 200


@pytest.mark.parametrize("handoff", ["channel", "direct"])
@pytest.mark.parametrize("redundancy", ["none", "standby", "hot"])
@pytest.mark.parametrize("exchange", ["mexc", "gateio"])
def test_the_same_seed_is_the_same_life(
    exchange: str, redundancy: str, handoff: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR", "trioex")
    first = run(exchange, redundancy, 7, handoff)
    assert_same(first, run(exchange, redundancy, 7, handoff))


def test_another_seed_is_another_life(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR", "trioex")
    assert run("gateio", "none", 1, "channel") != run("gateio", "none", 2, "channel")


def test_two_processes_live_the_same() -> None:
    """Whatever the hashes of strings are."""
    digests = {
        subprocess.run(
            [sys.executable, __file__],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop()) > 64


def main() -> None:
    """Print a digest of three lives."""
    logging.disable()
    for redundancy in ("none", "standby", "hot"):
        log = run("gateio", redundancy, 5, "channel")
        print(hashlib.sha256(b"\n".join(log)).hexdigest(), len(log))


if __name__ == "__main__":
    main()
