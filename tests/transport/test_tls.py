"""TLS in memory and against Trio's own."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from transport.peer import Certificates

from trioex.transport import TLSStream

Maker = Callable[[], Awaitable[tuple[TLSStream, TLSStream]]]


async def shaken(
    certificates: Certificates, client: trio.abc.Stream, server: trio.abc.Stream
) -> tuple[TLSStream, TLSStream]:
    """Two ends of ours, done with the handshake."""
    ours = TLSStream(client, certificates.client, server_hostname="localhost")
    theirs = TLSStream(server, certificates.quiet, server_side=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.do_handshake)
        nursery.start_soon(theirs.do_handshake)
    return ours, theirs


async def test_it_is_a_stream_as_trio_defines_one(
    certificates: Certificates, autojump_clock: trio.testing.MockClock
) -> None:
    async def make() -> tuple[TLSStream, TLSStream]:
        return await shaken(certificates, *trio.testing.lockstep_stream_pair())

    # No clogged maker: what a transport takes before it blocks is not what TLS takes.
    await trio.testing.check_two_way_stream(make, None)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_with_trio_as_the_server(
    certificates: Certificates, version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates.client, "maximum_version", version)
    near, far = trio.testing.memory_stream_pair()
    server = trio.SSLStream(far, certificates.server, server_side=True)
    client = TLSStream(near, certificates.client, server_hostname="localhost")
    message = bytes(range(256)) * 4000

    async def serve() -> None:
        received = b""
        while len(received) < len(message):
            received += await server.receive_some()
        await server.send_all(received)
        async for _ in server:
            pass
        await server.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await client.do_handshake()
        assert version.name.replace("_", ".") in repr(client)
        await client.send_all(message)
        received = b""
        while len(received) < len(message):
            received += await client.receive_some()
        assert received == message
        await client.aclose()


async def test_all_records_of_one_read_come_at_once(certificates: Certificates) -> None:
    client, server = await shaken(certificates, *trio.testing.memory_stream_pair())
    for number in range(100):
        await server.send_all(b"%d," % number)
    assert await client.receive_some() == b"".join(b"%d," % number for number in range(100))


async def test_no_more_than_max_bytes_and_nothing_lost(certificates: Certificates) -> None:
    client, server = await shaken(certificates, *trio.testing.memory_stream_pair())
    await server.send_all(b"abcdefgh")
    await server.send_all(b"ij")
    pieces = [await client.receive_some(3) for _ in range(4)]
    assert pieces == [b"abc", b"def", b"gh", b"ij"]
    with pytest.raises(ValueError, match="max_bytes=0"):
        await client.receive_some(0)


async def test_sending_and_receiving_at_the_same_time(certificates: Certificates) -> None:
    """Both ways blocked by flow control in turn: neither may hold up the other."""
    client, server = await shaken(certificates, *trio.testing.lockstep_stream_pair())
    message = bytes(300_000)

    async def receive(stream: TLSStream) -> None:
        left = len(message)
        while left:
            left -= len(await stream.receive_some())

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            for stream in (client, server):
                nursery.start_soon(stream.send_all, message)
                nursery.start_soon(receive, stream)


@pytest.mark.parametrize(
    ("trusts", "name", "says"),
    [("stranger", "localhost", "unknown_ca"), ("client", "example.org", "bad_certificate")],
)
async def test_a_certificate_that_does_not_fit_is_refused_and_its_owner_told(
    certificates: Certificates, trusts: str, name: str, says: str
) -> None:
    near, far = trio.testing.memory_stream_pair()
    client = TLSStream(near, getattr(certificates, trusts), server_hostname=name)
    server = TLSStream(far, certificates.server, server_side=True)
    heard: list[str] = []

    async def serve() -> None:
        try:
            await server.do_handshake()
            await server.receive_some()
        except (ssl.SSLError, trio.BrokenResourceError) as error:
            heard.append(str(error).lower().replace(" ", "_"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        with pytest.raises(ssl.SSLCertVerificationError):
            await client.do_handshake()
        await trio.aclose_forcefully(client)
    assert says in heard[0]


async def test_a_peer_that_leaves_or_talks_something_else(certificates: Certificates) -> None:
    near, far = trio.testing.memory_stream_pair()
    await far.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await TLSStream(near, certificates.client, server_hostname="localhost").do_handshake()

    near, far = trio.testing.memory_stream_pair()
    await far.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(ssl.SSLError):
        await TLSStream(near, certificates.client, server_hostname="localhost").do_handshake()


async def test_a_cut_is_told_from_a_goodbye(certificates: Certificates) -> None:
    client, server = await shaken(certificates, *trio.testing.memory_stream_pair())
    await server.send_all(b"last")
    await server.aclose()
    assert await client.receive_some() == b"last"
    assert await client.receive_some() == b""
    assert await client.receive_some() == b""

    client, server = await shaken(certificates, *trio.testing.memory_stream_pair())
    await server.send_all(b"last")
    await server.transport.aclose()
    assert await client.receive_some() == b"last"
    with pytest.raises(trio.BrokenResourceError):
        await client.receive_some()


async def test_garbage_behind_good_records_is_a_break(certificates: Certificates) -> None:
    client, server = await shaken(certificates, *trio.testing.memory_stream_pair())
    await server.send_all(b"good")
    await server.transport.send_all(b"\x17\x03\x03\x00\x20" + bytes(32))
    assert await client.receive_some() == b"good"
    with pytest.raises(trio.BrokenResourceError, match="TLS broke"):
        await client.receive_some()


async def test_a_send_cancelled_half_way_breaks_the_stream(
    certificates: Certificates, autojump_clock: trio.testing.MockClock
) -> None:
    client, _ = await shaken(certificates, *trio.testing.lockstep_stream_pair())
    with trio.move_on_after(1) as scope:
        await client.send_all(b"half")
    assert scope.cancelled_caught
    with pytest.raises(trio.BrokenResourceError, match="broke off"):
        await client.send_all(b"more")


async def test_closing_never_waits_long(
    certificates: Certificates, autojump_clock: trio.testing.MockClock
) -> None:
    """The peer reads nothing, so that not even a goodbye can be sent."""
    client, _ = await shaken(certificates, *trio.testing.lockstep_stream_pair())
    with trio.fail_after(1):
        await client.aclose()
    client, _ = await shaken(certificates, *trio.testing.lockstep_stream_pair())
    start = trio.current_time()
    await trio.aclose_forcefully(client)
    assert trio.current_time() == start
    await client.aclose()
    for use in (client.receive_some, functools.partial(client.send_all, b"x")):
        with pytest.raises(trio.ClosedResourceError):
            await use()


async def test_closing_while_a_send_is_stuck(
    certificates: Certificates, autojump_clock: trio.testing.MockClock
) -> None:
    client, _ = await shaken(certificates, *trio.testing.lockstep_stream_pair())

    async def send() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await client.send_all(b"stuck")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        start = trio.current_time()
        await client.aclose()
        assert trio.current_time() == start


async def test_a_stream_can_be_closed_before_the_handshake(certificates: Certificates) -> None:
    near, far = trio.testing.memory_stream_pair()
    await TLSStream(near, certificates.client, server_hostname="localhost").aclose()
    assert await far.receive_some() == b""
