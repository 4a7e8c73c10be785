"""The whole transport on real sockets, TCP and TLS, against trio-websocket's server."""

from __future__ import annotations

import gc
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio_websocket
from transport.peer import ENVIRONMENT, MOST, TEXT, Certificates, Inbox, Peer, frame

from trioex.errors import ConnectFailed, ConnectionLost
from trioex.testing.echo import echo, main
from trioex.transport import Dialer, open_websocket

Handler = Callable[[trio_websocket.WebSocketRequest], Coroutine[Any, Any, None]]


@asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None) -> AsyncGenerator[str, None]:
    """A WebSocket server on the loopback; yields its URL."""
    async with trio.open_nursery() as nursery:
        server = await nursery.start(
            partial(trio_websocket.serve_websocket, handler, "127.0.0.1", 0, ssl_context=context)
        )
        yield f"{'wss' if context else 'ws'}://localhost:{server.port}/ws"
        nursery.cancel_scope.cancel()


async def talk(url: str, inbox: Inbox, dialer: Dialer) -> None:
    async with open_websocket(
        url,
        inbox,
        dial=dialer,
        environment=ENVIRONMENT,
        max_message_bytes=MOST,
        close_timeout=5.0,
    ) as websocket:
        await websocket.send("count")
        await inbox.wait_for(500)
        await websocket.ping()


@pytest.mark.parametrize("tls", [False, True])
async def test_everything_arrives_and_nothing_stays_open(
    certificates: Certificates, tls: bool
) -> None:
    async def count(request: trio_websocket.WebSocketRequest) -> None:
        websocket = await request.accept()
        assert await websocket.get_message() == "count"
        for number in range(500):
            await websocket.send_message(f'{{"id":{number}}}' * (number % 50 + 1))
        with pytest.raises(trio_websocket.ConnectionClosed):
            await websocket.get_message()

    dialer = Dialer(certificates.client if tls else None)
    async with serving(count, certificates.server if tls else None) as url:
        tasks = trio.lowlevel.current_statistics().tasks_living
        for _ in range(2):
            inbox = Inbox()
            await talk(url, inbox, dialer)
            expected = [b'{"id":%d}' % n * (n % 50 + 1) for n in range(500)]
            assert inbox.messages == expected
        await until(lambda: trio.lowlevel.current_statistics().tasks_living == tasks)
    gc.collect()  # an open socket would say so, as a ResourceWarning, which is an error


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the server's own tasks do in their time."""
    with trio.fail_after(10):
        while not condition():
            await trio.lowlevel.checkpoint()


async def test_a_reset_by_the_server() -> None:
    async def misbehave(stream: trio.SocketStream) -> None:
        peer = Peer(stream)
        await peer.accept(frame(TEXT, b"hello"))
        assert await peer.receive() == (TEXT, b"got it")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.socket.close()

    inbox = Inbox()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, misbehave, 0, host="127.0.0.1"))
        url = f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        async with open_websocket(
            url,
            inbox,
            dial=Dialer(),
            environment=ENVIRONMENT,
            max_message_bytes=MOST,
            close_timeout=5.0,
        ) as websocket:
            await inbox.wait_for(1)
            await websocket.send("got it")
            with pytest.raises(ConnectionLost, match="broke") as caught:
                await websocket.wait_closed()
            assert isinstance(caught.value.__cause__, trio.BrokenResourceError)
        nursery.cancel_scope.cancel()


async def test_nobody_there_and_nobody_trusted(certificates: Certificates) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(ConnectFailed, match="cannot connect to ws://127") as caught:
            await talk(url, Inbox(), Dialer())
        assert isinstance(caught.value.__cause__, OSError)

    async def tls_only(stream: trio.SocketStream) -> None:
        server = trio.SSLStream(stream, certificates.server, server_side=True)
        with pytest.raises(trio.BrokenResourceError):
            await server.do_handshake()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, tls_only, 0, host="127.0.0.1"))
        url = f"wss://localhost:{listeners[0].socket.getsockname()[1]}/"
        with pytest.raises(ConnectFailed, match="cannot connect to wss://localhost") as caught:
            await talk(url, Inbox(), Dialer(certificates.stranger))
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
        nursery.cancel_scope.cancel()


async def test_the_echo_client_sends_everything_back() -> None:
    replies: list[str | bytes] = []

    async def ask(request: trio_websocket.WebSocketRequest) -> None:
        websocket = await request.accept()
        for message in ("grüße", b"\x00\xff", "x" * 100_000):
            await websocket.send_message(message)
            replies.append(await websocket.get_message())

    async with serving(ask, None) as url:
        await echo(url)
    assert replies == ["grüße", b"\x00\xff", "x" * 100_000]


def test_the_echo_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert main([f"ws://127.0.0.1:{unused.getsockname()[1]}/"]) == 1
    assert capsys.readouterr().err.startswith("cannot connect to ws://127.0.0.1")
    assert main(["http://127.0.0.1/"]) == 1
    assert "must begin with ws:// or wss://" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "ws://127.0.0.1:9001" in capsys.readouterr().out
