"""The usual WebSockets of asyncio on uvloop, with the settings that cost least.

websockets: no compression, a long queue, no pings, `recv(decode=False)`, which leaves text as bytes
and unchecked. aiohttp: no compression, `decode_text=False`, which does the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import uvloop

from .by_hand import Take, trade_decoder
from .client import Meter, Spec, Stopwatch
from .run_peers import client_context

__all__ = ["aiohttp_messages", "websockets_messages"]

_QUEUE = 1024
"""Frames websockets may read ahead. Without a limit it reads thousands before the clock starts."""


def websockets_messages(spec: Spec) -> dict[str, float]:
    """`websockets.asyncio`: `recv` in a loop."""
    return uvloop.run(_measure(spec, _read_websockets))


def aiohttp_messages(spec: Spec) -> dict[str, float]:
    """aiohttp: `receive` in a loop."""
    return uvloop.run(_measure(spec, _read_aiohttp))


def _trade(handler: Take) -> Take:
    decode = trade_decoder()
    return lambda payload: handler(decode(payload).result.id)


async def _measure(spec: Spec, read: Callable[[Spec, Take], Awaitable[None]]) -> dict[str, float]:
    handler = Stopwatch(spec) if spec.work == "trade" else Meter(spec)
    take = _trade(handler) if spec.work == "trade" else handler
    reading = asyncio.ensure_future(read(spec, take))
    handler.on_done = reading.cancel
    await asyncio.wait([reading])
    if not reading.cancelled():
        reading.result()  # raises what ended it
    return dict(handler.result)


async def _read_websockets(spec: Spec, take: Take) -> None:
    from websockets.asyncio.client import connect

    async with connect(
        spec.url,
        compression=None,
        ping_interval=None,
        max_size=None,
        max_queue=_QUEUE,
        close_timeout=0.1,
        ssl=client_context(spec),
    ) as websocket:
        await websocket.send(spec.subscribe)
        receive = partial(websocket.recv, decode=False)
        while True:
            take(await receive())


async def _read_aiohttp(spec: Spec, take: Take) -> None:
    import aiohttp

    timeout = aiohttp.ClientWSTimeout(ws_close=0.1)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            spec.url,
            compress=0,
            max_msg_size=0,
            decode_text=False,
            timeout=timeout,
            ssl=client_context(spec) or True,
        ) as websocket,
    ):
        await websocket.send_str(spec.subscribe)
        receive = websocket.receive
        while True:
            take((await receive()).data)
