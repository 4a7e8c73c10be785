"""What connections take: `python -m benchmarks.run_memory SPEC`, a process for each answer.

SPEC is JSON, made by `memory`. The answer is a line of JSON: KiB that one more takes, of `count`.
"""

from __future__ import annotations

import gc
import json
import ssl
import sys
import tracemalloc
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypeAlias

import attrs
import trio

from trioex import WebSocketConfig, WebSocketManager
from trioex.transport import Dialer

from .load_client import resident_mib
from .samples import GATE_SYMBOLS

__all__ = ["MemorySpec", "main"]

_HELLO = (
    b"GET /?kind=gate HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)

Open: TypeAlias = Callable[[], AbstractAsyncContextManager[object]]


@attrs.frozen(kw_only=True)
class MemorySpec:
    """What is opened.

    Attributes:
        what: `manager`, with so many bindings; `line`, one more connection of a manager of MEXC,
            which takes thirty each; or `stream`, an open connection and nothing on it.
    """

    what: str
    url: str
    ca: str | None = None
    bindings: int = 30
    count: int = 20


async def _measure(open_one: Open, count: int) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(open_one())  # imports, tables, decoders
        gc.collect()
        resident = resident_mib()
        for _ in range(count):
            await stack.enter_async_context(open_one())
        gc.collect()
        grown = (resident_mib() - resident) * 1024 / count
        tracemalloc.start()
        for _ in range(count):
            await stack.enter_async_context(open_one())
        gc.collect()
        traced = tracemalloc.get_traced_memory()[0] / 1024 / count
        tracemalloc.stop()
    return {"resident_kib": grown, "traced_kib": traced}


def _opener(spec: MemorySpec) -> Open:
    context = ssl.create_default_context(cafile=spec.ca) if spec.ca else None
    config = WebSocketConfig(
        exchange="gateio", url=spec.url, close_timeout=0.1, ssl_context=context
    )
    if spec.what == "line":
        return _lines(spec)
    dialer = Dialer(context)

    @asynccontextmanager
    async def stream() -> AsyncGenerator[object]:
        opened = await dialer(spec.url)
        try:
            await opened.send_all(_HELLO)
            await opened.receive_some()  # OpenSSL makes its buffers with the first data
            yield opened
        finally:
            await trio.aclose_forcefully(opened)

    def manager() -> WebSocketManager:
        names = (f"spot.trades.{symbol}" for symbol in GATE_SYMBOLS[: spec.bindings])
        return WebSocketManager(config, bind_channels=dict.fromkeys(names, _ignore))

    return stream if spec.what == "stream" else manager


def _lines(spec: MemorySpec) -> Open:
    """Bind thirty more, which opens a connection; the first of them enters the manager."""
    config = WebSocketConfig(exchange="mexc", url=spec.url, close_timeout=0.1)
    manager = WebSocketManager(config)
    kinds = ("trades", "orderbook_delta", "book_ticker", "ticker")
    pairs = tuple(manager.venue.instruments)
    names = (f"spot.{kind}.{symbol}" for kind in kinds for symbol in pairs)
    is_open = False

    @asynccontextmanager
    async def line() -> AsyncGenerator[object]:
        nonlocal is_open
        async with AsyncExitStack() as stack:
            bindings = [manager.bind(next(names), _ignore) for _ in range(spec.bindings)]
            if not is_open:
                is_open = True
                await stack.enter_async_context(manager)
            for binding in bindings:
                await binding
            yield manager

    return line


def _ignore(_message: object) -> None:
    """A handler."""


def main() -> None:
    """Measure what the first argument says."""
    spec = MemorySpec(**json.loads(sys.argv[1]))
    print(json.dumps(trio.run(_measure, _opener(spec), spec.count)))


if __name__ == "__main__":
    main()
