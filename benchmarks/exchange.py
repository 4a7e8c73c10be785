"""A simulated exchange in a process of its own, which drops connections when it is told to.

parent ▶ child   a line: `drop close 17`, the kind and which of the carrying connections
child ▶ parent   a line: `time.perf_counter_ns()` of the drop; the first line says where it is
"""

from __future__ import annotations

import gc
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from subprocess import PIPE
from typing import Any

import trio
import trustme

from trioex import WebSocketConfig
from trioex.simulator import Simulator, open_simulator

__all__ = ["Exchange", "open_exchange"]


class Exchange:
    """The child, as the parent sees it."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._send, self._receive = process.stdin, process.stdout
        self._buffer = b""
        self._settings: dict[str, Any] = {}

    async def begin(self) -> None:
        """Learn where the exchange is."""
        said = json.loads(await self._line())
        context = ssl.create_default_context(cadata=said.pop("authority"))
        self._settings = {**said, "ssl_context": context, "exchange": "gateio"}

    def config(self, **overrides: Any) -> WebSocketConfig:
        """A configuration with which a manager connects to it."""
        return WebSocketConfig(**(self._settings | overrides))

    async def drop(self, kind: str, number: int) -> int:
        """Drop one of the connections that carry topics; return when, in ns."""
        await self._send.send_all(f"{kind} {number}\n".encode())
        return int(await self._line())

    async def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            data = await self._receive.receive_some()
            if not data:
                raise RuntimeError("the exchange ended")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line


@asynccontextmanager
async def open_exchange() -> AsyncIterator[Exchange]:
    """Run the child for as long as the block lasts."""
    command = [sys.executable, "-m", "benchmarks.exchange"]
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, command, stdin=PIPE, stdout=PIPE)  # noqa: ASYNC105
        exchange = Exchange(await nursery.start(run))
        await exchange.begin()
        yield exchange
        nursery.cancel_scope.cancel()


async def _obey(simulator: Simulator) -> None:
    commands, buffer = trio.lowlevel.FdStream(os.dup(0)), b""
    async with commands:
        while data := await commands.receive_some():
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                kind, number = line.decode().split()
                carrying = [each for each in simulator.connections if each.topics]
                now = time.perf_counter_ns()
                simulator.disconnect(kind, carrying[int(number) % len(carrying)])  # type: ignore[arg-type]
                print(now, flush=True)


async def _serve() -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with open_simulator(
        "gateio", symbols=("BTCUSDT",), transport="tls", ssl_context=context
    ) as simulator:
        said = {"url": simulator.url, "rest_url": simulator.rest_url}
        said["authority"] = authority.cert_pem.bytes().decode()
        print(json.dumps(said), flush=True)
        gc.disable()  # its pauses, of 3 ms, are not what is measured; a run lasts a minute
        await _obey(simulator)


if __name__ == "__main__":
    trio.run(_serve)
