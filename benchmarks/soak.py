"""Whether memory stays flat: over bindings, over connections that are lost, and under load.

    python -m benchmarks.soak                       bindings, reconnects and a minute of load
    python -m benchmarks.soak --minutes 10          ten minutes of it
    python -m benchmarks.soak bindings reconnects   these alone

`blocks` is what Python's allocator has given out, `traced` what tracemalloc counts; resident memory
may grow once and stay, as an allocator keeps what it was given. The slope is taken behind the first
quarter, by when tables are full.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import sys
import time
import tracemalloc
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from trioex import WebSocketManager
from trioex.events import Reconnected
from trioex.simulator import open_simulator

from .exchange import open_exchange
from .load import run, slope
from .load_client import resident_mib
from .load_server import Load

__all__ = ["Sample", "is_flat", "main"]

_PARTS = ("bindings", "reconnects", "load")
_BINDINGS, _RECONNECTS = 10_000, 1000
_AT_ONCE = 50
_SETTLED = 0.25
_ALLOWED = 0.02
"""The part of resident memory by which it may differ from one end of the line to the other."""


@attrs.frozen
class Sample:
    """Memory at one moment.

    Attributes:
        done: how many had been done, or messages received.
        traced_kib: None where tracing would slow what is measured.
    """

    seconds: float
    done: int
    resident_mib: float
    blocks: int
    traced_kib: float | None = None


class Log:
    """Takes samples."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self.samples: list[Sample] = []

    def take(self, done: int) -> None:
        """Take one, when nothing is left to collect."""
        gc.collect()
        traced = tracemalloc.get_traced_memory()[0] / 1024
        seconds = time.perf_counter() - self._begin
        self.samples.append(Sample(seconds, done, resident_mib(), sys.getallocatedblocks(), traced))


def _ignore(_message: object) -> None:
    """A sync handler."""


async def _wait(_message: object) -> None:
    await trio.lowlevel.checkpoint()


async def _bindings() -> list[Sample]:
    """Bind and unbind ten thousand times, confirmed each time, on one connection."""
    tracemalloc.start()
    async with (
        open_simulator("gateio", symbols=("BTCUSDT", "ETHUSDT"), pace=1e-6) as simulator,
        WebSocketManager(simulator.config()) as ws,
    ):
        log = Log()
        channels = [f"spot.{kind}.{pair}" for kind in ("trades", "ticker", "orderbook_delta")
                    for pair in ("BTCUSDT", "ETHUSDT")]  # fmt: skip
        handlers = (_ignore, _wait, None)
        for number in range(_BINDINGS):
            binding = ws.bind(channels[number % 6], handlers[number % 3])
            if number % _AT_ONCE == 0:
                await binding
            await ws.unbind(binding)
            if number % _AT_ONCE == _AT_ONCE - 1:
                await trio.sleep(0.02)  # requests are paced: let them go out
            if (number + 1) % (_BINDINGS // 10) == 0:
                log.take(number + 1)
    tracemalloc.stop()
    return log.samples


async def _reconnects() -> list[Sample]:
    """Lose a connection with TLS a thousand times; the exchange is another process."""
    told, came = trio.Event(), trio.Event()

    def on_event(event: object) -> None:
        if isinstance(event, Reconnected):
            told.set()

    def on_message(_message: object) -> None:
        came.set()

    async with open_exchange() as exchange:
        manager = WebSocketManager(exchange.config(), connection_handlers=on_event)
        async with manager as ws:
            await ws.bind("spot.orderbook_delta.BTCUSDT", on_message, depth=50)
            tracemalloc.start()
            log = Log()
            for number in range(_RECONNECTS):
                came = trio.Event()
                await came.wait()  # or the next attempt would wait longer
                told = trio.Event()
                await exchange.drop(("drop", "close", "cut")[number % 3], 0)
                await told.wait()
                if (number + 1) % (_RECONNECTS // 10) == 0:
                    log.take(number + 1)
            tracemalloc.stop()
    return log.samples


def _load(load: Load) -> list[Sample]:
    result = run(load)
    client = result["client"]
    late = client["seconds"] - load.seconds
    if late > 1 or result["server"]["most_behind"] > load.rate:
        print(
            f"\nNot all was sent or handled in time (by {late:.1f} s): what waits is memory, too."
        )
    if client["lost"] or client["duplicates"]:
        raise SystemExit(f"lost {client['lost']}, twice {client['duplicates']}")
    return [Sample(at, done, mib, blocks) for at, mib, blocks, done in client["samples"]]


def is_flat(samples: Sequence[Sample]) -> bool:
    """Whether resident memory grows by no more than a fiftieth behind the first quarter."""
    end = samples[-1]
    minutes = end.seconds * (1 - _SETTLED) / 60
    return _slope(samples) * minutes <= end.resident_mib * _ALLOWED


def _slope(samples: Sequence[Sample]) -> float:
    return slope([(each.seconds, each.resident_mib) for each in samples])


def _print(part: str, samples: Sequence[Sample]) -> None:
    print(
        f"\n{part}\n{'seconds':>9}{'done':>13}{'resident MiB':>14}{'blocks':>10}{'traced KiB':>12}"
    )
    every = max(1, len(samples) // 10)
    shown = [*samples[::every], *([] if len(samples) % every == 1 else samples[-1:])]
    for each in dict.fromkeys(shown):
        traced = "" if each.traced_kib is None else f"{each.traced_kib:.0f}"
        print(
            f"{each.seconds:9.1f}{each.done:13,}{each.resident_mib:14.1f}{each.blocks:10,}"
            f"{traced:>12}"
        )
    verdict = "flat" if is_flat(samples) else "NOT flat"
    print(f"{verdict}: {_slope(samples):+.2f} MiB a minute behind the first quarter")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and end with 1 where something is not flat."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description="Whether memory stays flat, with a verdict.",
        epilog="example: python -m benchmarks.soak load --minutes 10",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(_PARTS))
    parser.add_argument("--minutes", type=float, default=1.0, help="of load (1)")
    parser.add_argument("--rate", type=float, default=100_000.0, help="messages a second (100000)")
    parser.add_argument("--json", metavar="FILE", help="write the samples, too")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(_PARTS):
        parser.error(f"there is no {min(unknown)!r}; there are {', '.join(_PARTS)}")
    load = Load(seconds=options.minutes * 60, rate=options.rate)
    runs = {
        "bindings": partial(trio.run, _bindings),
        "reconnects": partial(trio.run, _reconnects),
        "load": partial(_load, load),
    }
    logging.getLogger("trioex").setLevel(logging.CRITICAL)  # every loss is logged
    results: dict[str, list[Sample]] = {}
    for part in options.parts or _PARTS:
        results[part] = runs[part]()
        _print(part, results[part])
    if options.json:
        facts: dict[str, Any] = {
            part: [attrs.asdict(each) for each in samples] for part, samples in results.items()
        }
        Path(options.json).write_text(json.dumps(facts, indent=1) + "\n")
    if not all(map(is_flat, results.values())):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
