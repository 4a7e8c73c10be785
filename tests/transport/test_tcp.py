"""TCP on the loopback."""

from __future__ import annotations

import functools
import socket
import struct

import pytest
import trio
import trio.testing

from trioex.transport import TCPStream, open_tcp_stream


async def pair() -> tuple[TCPStream, TCPStream]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        client = await open_tcp_stream("127.0.0.1", port)
        return client, TCPStream((await listener.accept()).socket)


async def test_it_is_a_stream_as_trio_defines_one() -> None:
    await trio.testing.check_two_way_stream(pair, None)


async def test_one_read_takes_all_there_is() -> None:
    client, server = await pair()
    async with client, server:
        for number in range(10):
            await server.send_all(b"%d" % number)
        await server.wait_send_all_might_not_block()
        received = b""
        while len(received) < 10:
            received += await client.receive_some()
        assert received == b"0123456789"


async def test_nagle_does_not_hold_anything_back() -> None:
    client, server = await pair()
    async with client, server:
        assert client.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_reset_is_a_break() -> None:
    client, server = await pair()
    async with client:
        reset(server)
        with pytest.raises(trio.BrokenResourceError) as caught:
            await client.receive_some()
        assert isinstance(caught.value.__cause__, ConnectionResetError)


async def test_two_senders_are_one_too_many(autojump_clock: trio.testing.MockClock) -> None:
    client, server = await pair()
    async with client, server, trio.open_nursery() as nursery:
        nursery.start_soon(client.send_all, bytes(64 << 20))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError, match="sending on this TCPStream"):
            await client.send_all(b"x")
        nursery.cancel_scope.cancel()


async def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(OSError, match=r"refused|attempts to connect"):
            await open_tcp_stream("127.0.0.1", port)
        with pytest.raises(OSError, match=r"refused|attempts to connect"):
            await open_tcp_stream("127.0.0.1", port, known="127.0.0.1")


async def test_a_remembered_address_is_used_before_the_name() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        # The name leads nowhere, so only the address can have been used.
        async with await open_tcp_stream("name.invalid", port, known="127.0.0.1") as stream:
            assert stream.socket.getpeername() == ("127.0.0.1", port)


async def test_a_remembered_address_that_refuses_costs_nothing() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        async with await open_tcp_stream("127.0.0.1", port, known="127.0.0.2") as stream:
            assert stream.socket.getpeername() == ("127.0.0.1", port)


async def test_a_remembered_address_that_does_not_answer_costs_a_head_start(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """The connect to it is replaced by one that never ends: loopback cannot be silent."""
    real = trio.open_tcp_stream

    async def connect(host: str, port: int) -> trio.SocketStream:
        if host == "127.0.0.2":
            await trio.sleep_forever()
        # The loopback answers in real time, which an autojump clock does not wait for.
        autojump_clock.autojump_threshold = 1
        return await real(host, port)

    monkeypatch.setattr(trio, "open_tcp_stream", connect)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        start = trio.current_time()
        async with await open_tcp_stream("127.0.0.1", port, known="127.0.0.2") as stream:
            assert stream.socket.getpeername() == ("127.0.0.1", port)
        assert trio.current_time() - start == pytest.approx(0.25)


async def test_cancelled_when_it_is_open_already_it_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = trio.open_tcp_stream
    opened: list[trio.SocketStream] = []

    async def connect(host: str, port: int) -> trio.SocketStream:
        opened.append(await real(host, port))
        outer.cancel()
        return opened[-1]

    monkeypatch.setattr(trio, "open_tcp_stream", connect)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        with trio.CancelScope() as outer:
            await open_tcp_stream("127.0.0.1", port, known="127.0.0.1")
        assert outer.cancelled_caught
        assert [stream.socket.fileno() for stream in opened] == [-1]


def reset(stream: TCPStream) -> None:
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


async def test_closed_here() -> None:
    client, server = await pair()
    async with server:
        await client.aclose()
        assert "CLOSED" in repr(client)
        for use in (
            client.receive_some,
            client.wait_send_all_might_not_block,
            functools.partial(client.send_all, b"x"),
            functools.partial(client.send_all, b""),
        ):
            with pytest.raises(trio.ClosedResourceError):
                await use()
        assert await server.receive_some() == b""
