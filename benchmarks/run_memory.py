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
    """What is opened: `manager`, with so many bindings, or a `stream` that nobody reads."""

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


def _ignore(_message: object) -> None:
    """A handler."""


def main() -> None:
    """Measure what the first argument says."""
    spec = MemorySpec(**json.loads(sys.argv[1]))
    print(json.dumps(trio.run(_measure, _opener(spec), spec.count)))


if __name__ == "__main__":
    main()
