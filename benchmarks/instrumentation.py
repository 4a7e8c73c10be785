"""The price of measuring: the same messages with `latency` off and on, in turns.

Through a whole manager with `handoff="direct"`, from the bytes that a read returns to a handler
that counts: split, routed, decoded, watched over. The stream returns at once and costs next to
nothing, so that nothing hides the price; a read of a real socket takes some 10 µs more. CPU time.
Then with a socket, 1000 reads a second of one trade each, of which one in ten is measured.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import trio

from trioex import WebSocketConfig, WebSocketManager

from .cli import main
from .harness import Bench, Row, Target, compare
from .samples import gate_updates
from .server import accept, frame

__all__ = ["measure"]

_SIZES = (1, 10, 350)
_FRAMES = 14_000
_WARM, _COUNT, _RATE = 100, 1500, 1000
_OFF, _ON = "trioex, off", "trioex, on"
_TEXT = 0x81
_TARGET = Target(1.05, 1.02)


def measure(bench: Bench) -> list[Row]:
    """Microseconds a message."""
    rows = []
    for size in _SIZES:
        reads = _reads(size, bench.scaled(_FRAMES))
        runs = {
            name: partial(trio.run, _run, reads, size, latency)
            for name, latency in ((_OFF, False), (_ON, True))
        }
        what = f"hot path, measuring off and on, reads of {size}"
        turns = bench.turns(runs, 25)
        rows += compare(what, turns, "us", "us", peer=_OFF, targets={_ON: _TARGET})
    return rows + _through_socket(bench)


def _reads(size: int, count: int) -> list[bytes]:
    """What each read returns."""
    frames = [frame(_TEXT, payload) for payload in gate_updates(count)]
    return [b"".join(frames[at : at + size]) for at in range(0, count, size)]


class _Stream(trio.abc.Stream):
    """An exchange that shakes hands, and sends at once when it is told to.

    Attributes:
        taken: CPU time, ns, from the first read behind the warm-up to the last.
    """

    def __init__(self, warm: Sequence[bytes], reads: Sequence[bytes]) -> None:
        self.begun = trio.Event()
        self.done = trio.Event()
        self.taken = 0
        self._stages = iter((warm, reads))
        self._reads: Iterator[bytes] = iter(())
        self._response: list[bytes] = []
        self._shaken = trio.Event()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        if not self._shaken.is_set():
            self._response.append(accept(bytes(data)))
            self._shaken.set()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:  # noqa: ARG002
        await trio.lowlevel.checkpoint_if_cancelled()
        data = next(self._reads, None)
        return await self._receive_next() if data is None else data

    async def _receive_next(self) -> bytes:
        await self._shaken.wait()
        if self._response:
            return self._response.pop()
        await self.begun.wait()
        now = time.thread_time_ns()
        stage = next(self._stages, None)
        if stage is None:
            self.taken = now - self.taken
            self.done.set()
            await trio.sleep_forever()
        assert stage is not None
        self.taken = now
        self._reads = iter(stage)
        return next(self._reads)

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def _run(reads: Sequence[bytes], size: int, latency: bool) -> dict[str, float]:
    warm = len(reads) // 5
    stream = _Stream(reads[:warm], reads[warm:])
    messages = 0

    def count(_message: object) -> None:
        nonlocal messages
        messages += 1

    async def dial(_url: str) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return stream

    config = WebSocketConfig(
        exchange="gateio",
        url="ws://exchange.test/",
        dial=dial,
        handoff="direct",
        latency=latency,
        reconnect=False,
        close_timeout=0.0,
    )
    gc.collect()
    async with WebSocketManager(config) as manager:
        manager.bind("spot.orderbook_delta.BTCUSDT", count)
        stream.begun.set()
        with trio.fail_after(60):
            await stream.done.wait()
        said = manager.statistics().latency
        assert messages // size == len(reads)
        assert (said is not None and said.measured > 0) is latency
    return {"us": stream.taken / (len(reads) - warm) / size / 1e3}


def _through_socket(bench: Bench) -> list[Row]:
    count = bench.scaled(_COUNT)
    wish: dict[str, Any] = {"kind": "trade", "count": _WARM + count + 20, "rate": _RATE}
    spec = {"work": "trade", "warm": _WARM, "count": count, "handoff": "direct"}
    runs = {
        name: partial(bench.client, "trioex latency", bench.url(**wish), measured=latency, **spec)
        for name, latency in ((_OFF, False), (_ON, True))
    }
    what = f"the same through a socket, {_RATE} reads a second"
    turns = bench.turns(runs, 5)
    return compare(what, turns, "cpu_us", "us", peer=_OFF, targets={_ON: _TARGET})


if __name__ == "__main__":
    main("instrumentation")
