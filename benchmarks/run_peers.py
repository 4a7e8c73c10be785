"""The other WebSockets for Trio, used as their documents say and with generous buffers."""

from __future__ import annotations

import ssl

import trio

from .client import Meter, Spec

__all__ = ["trio_websocket_messages", "websockets_trio"]


def client_context(spec: Spec) -> ssl.SSLContext | None:
    """A context that trusts the benchmark's own authority, or None without TLS."""
    return None if spec.ca is None else ssl.create_default_context(cafile=spec.ca)


def websockets_trio(spec: Spec) -> dict[str, float]:
    """`websockets.trio`: `recv` in a loop, no extension, text left as bytes."""
    from websockets.trio.client import connect

    async def main() -> dict[str, float]:
        meter, scope = Meter(spec), trio.CancelScope()
        meter.on_done = scope.cancel  # an ordinary close may wait for what the server still writes
        with scope:
            await read(meter)
        return meter.result

    async def read(meter: Meter) -> None:
        async with connect(
            spec.url,
            compression=None,
            ping_interval=None,
            max_size=None,
            close_timeout=0.1,
            ssl=client_context(spec),
        ) as websocket:
            await websocket.send(spec.subscribe)
            while True:
                meter(await websocket.recv(decode=False))

    return trio.run(main)


def trio_websocket_messages(spec: Spec) -> dict[str, float]:
    """trio-websocket: `get_message` in a loop."""
    from trio_websocket import open_websocket_url

    async def main() -> dict[str, float]:
        meter, scope = Meter(spec), trio.CancelScope()
        meter.on_done = scope.cancel
        with scope:
            await read(meter)
        return meter.result

    async def read(meter: Meter) -> None:
        async with open_websocket_url(
            spec.url,
            ssl_context=client_context(spec),
            message_queue_size=1024,
            receive_buffer_size=64 << 10,
            disconnect_timeout=0.1,
        ) as websocket:
            await websocket.send_message(spec.subscribe)
            while True:
                meter(await websocket.get_message())

    return trio.run(main)
