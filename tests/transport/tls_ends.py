"""A `TLSStream` and a server that is not ours, joined: in memory, in lockstep or over TCP."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import trio
import trio.testing
from transport.tls_servers import Server, Version

from trioex.transport import TCPStream, TLSStream, open_tcp_stream

__all__ = [
    "V12",
    "V13",
    "MakeServer",
    "Wire",
    "ends",
    "in_lockstep",
    "in_memory",
    "over_tcp",
    "receive_equals",
    "receive_exactly",
    "shake_hands",
    "shaken",
]

Wire: TypeAlias = Callable[[], Awaitable[tuple[trio.abc.Stream, trio.abc.Stream]]]
MakeServer: TypeAlias = Callable[[trio.abc.Stream], Server]

V12, V13 = Version.TLSv1_2, Version.TLSv1_3


async def in_memory() -> tuple[trio.abc.Stream, trio.abc.Stream]:
    return trio.testing.memory_stream_pair()


async def in_lockstep() -> tuple[trio.abc.Stream, trio.abc.Stream]:
    return trio.testing.lockstep_stream_pair()


async def over_tcp() -> tuple[trio.abc.Stream, trio.abc.Stream]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        near = await open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        return near, TCPStream((await listener.accept()).socket)


@asynccontextmanager
async def ends(
    wire: Wire,
    make: MakeServer,
    context: ssl.SSLContext,
    *,
    name: str = "localhost",
    session: ssl.SSLSession | None = None,
    keep_session: Callable[[ssl.SSLSession], object] | None = None,
) -> AsyncGenerator[tuple[TLSStream, Server], None]:
    """Two ends before the handshake, which leave nothing open; what hangs fails."""
    with trio.fail_after(60):
        near, far = await wire()
        client = TLSStream(
            near, context, server_hostname=name, session=session, keep_session=keep_session
        )
        server = make(far)
        try:
            yield client, server
        finally:
            await trio.aclose_forcefully(client)
            await trio.aclose_forcefully(far)


async def shake_hands(client: TLSStream, server: Server) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.handshake)
        await client.do_handshake()


@asynccontextmanager
async def shaken(
    wire: Wire,
    make: MakeServer,
    context: ssl.SSLContext,
    *,
    session: ssl.SSLSession | None = None,
    keep_session: Callable[[ssl.SSLSession], object] | None = None,
) -> AsyncGenerator[tuple[TLSStream, Server], None]:
    async with ends(wire, make, context, session=session, keep_session=keep_session) as pair:
        await shake_hands(*pair)
        yield pair


async def receive_exactly(client: TLSStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = await client.receive_some()
        assert more, f"the server said goodbye after {len(data)} bytes"
        data += more
    return data


async def receive_equals(client: TLSStream, expected: bytes) -> None:
    assert await client.receive_some() == expected
