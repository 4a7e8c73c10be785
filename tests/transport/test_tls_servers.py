"""`TLSStream` as a client of servers that are not ours, on loopback sockets and in memory."""

from __future__ import annotations

import ssl

import pytest
import trio
import trio.testing
from transport.peer import Certificates
from transport.tls_ends import (
    V12,
    MakeServer,
    Wire,
    ends,
    in_lockstep,
    in_memory,
    receive_equals,
    receive_exactly,
    shake_hands,
    shaken,
)
from transport.tls_servers import StdlibServer, TLSLiteServer, Version


async def test_data_goes_both_ways_at_the_same_time(
    wire: Wire, make: MakeServer, version: Version, trusting: ssl.SSLContext
) -> None:
    up, down = bytes(range(256)) * 100, bytes(range(255, -1, -1)) * 150
    async with shaken(wire, make, trusting) as (client, server):
        assert version.name.replace("_", ".") in repr(client)

        async def talk() -> None:
            await server.send(down)
            assert await server.receive_exactly(len(up)) == up

        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk)
            nursery.start_soon(client.send_all, up)
            assert await receive_exactly(client, len(down)) == down


async def test_records_of_one_byte_of_16_kib_and_of_none(
    make: MakeServer, trusting: ssl.SSLContext
) -> None:
    """All that is in one read comes at once; an empty record is not the end."""
    async with shaken(in_memory, make, trusting) as (client, server):
        tiny = bytes(range(250))
        for number in tiny:
            await server.send(bytes([number]))
        assert await client.receive_some() == tiny
        large = [bytes([number]) * (16 << 10) for number in range(3)]
        for each in large:
            await server.send(each)
        assert await client.receive_some() == b"".join(large)
        if isinstance(server, TLSLiteServer):
            await server.send_empty_record()
            await server.send(b"behind")
            assert await client.receive_some() == b"behind"
            await server.send_empty_record()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive_equals, client, b"later")
            await trio.testing.wait_all_tasks_blocked()
            await server.send(b"later")


async def test_a_goodbye_is_the_end_and_is_answered(
    wire: Wire, make: MakeServer, trusting: ssl.SSLContext
) -> None:
    async with shaken(wire, make, trusting) as (client, server):
        await server.send(b"last")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.say_goodbye)
            assert await client.receive_some() == b"last"
            for _ in range(2):
                assert await client.receive_some() == b""


async def test_our_goodbye_reaches_the_server(
    wire: Wire, make: MakeServer, trusting: ssl.SSLContext
) -> None:
    async with shaken(wire, make, trusting) as (client, server):
        await client.send_all(b"last")
        await client.aclose()
        assert await server.receive_exactly(4) == b"last"
        assert await server.receive() == b""


async def test_a_goodbye_that_crosses_ours_ends_a_receive_in_peace(
    certificates: Certificates, trusting: ssl.SSLContext, autojump_clock: trio.testing.MockClock
) -> None:
    """Ours waits, since the server reads nothing; the server's arrives meanwhile."""
    make = StdlibServer.share(certificates.leaf, V12)
    async with shaken(in_lockstep, make, trusting) as (client, server):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive_equals, client, b"")
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(client.aclose)
            await trio.testing.wait_all_tasks_blocked()
            await server.goodbye()


async def test_an_end_without_a_goodbye_is_a_break(
    wire: Wire, make: MakeServer, trusting: ssl.SSLContext
) -> None:
    async with shaken(wire, make, trusting) as (client, server):
        await server.send(b"last")
        await server.stream.aclose()
        assert await client.receive_some() == b"last"
        for _ in range(2):
            with pytest.raises(trio.BrokenResourceError, match="TLS broke"):
                await client.receive_some()


async def test_a_fatal_alert_is_named(
    wire: Wire, version: Version, certificates: Certificates, trusting: ssl.SSLContext
) -> None:
    make = TLSLiteServer.share(certificates.leaf, version)
    async with shaken(wire, make, trusting) as (client, server):
        assert isinstance(server, TLSLiteServer)
        await server.send(b"last")
        await server.alert("internal_error")
        assert await client.receive_some() == b"last"
        for use in (client.receive_some, lambda: client.send_all(b"x")):
            with pytest.raises(trio.BrokenResourceError, match=r"(?i)alert.internal.error"):
                await use()


async def test_garbage_in_place_of_a_record_is_a_break_and_the_server_is_told(
    wire: Wire, make: MakeServer, trusting: ssl.SSLContext
) -> None:
    async with shaken(wire, make, trusting) as (client, server):
        await server.send(b"last")
        assert await client.receive_some() == b"last"
        await server.stream.send_all(b"\x17\x03\x03\x00\x40" + bytes(64))
        with pytest.raises(trio.BrokenResourceError, match=r"(?i)bad.record.mac"):
            await client.receive_some()
        with pytest.raises(server.failures, match=r"(?i)bad.record.mac"):
            await server.receive()


@pytest.mark.parametrize(
    ("trusts", "name", "says"),
    [(False, "localhost", "unknown_ca"), (True, "example.org", "bad_certificate")],
)
async def test_a_certificate_that_does_not_fit_is_refused_and_its_owner_told(
    wire: Wire,
    make: MakeServer,
    certificates: Certificates,
    trusting: ssl.SSLContext,
    trusts: bool,
    name: str,
    says: str,
) -> None:
    context = trusting if trusts else certificates.stranger
    heard: list[str] = []
    async with ends(wire, make, context, name=name) as (client, server):

        async def serve() -> None:
            with pytest.raises(server.failures) as caught:
                await server.handshake()
            heard.append(str(caught.value).lower().replace(" ", "_"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            with pytest.raises(ssl.SSLCertVerificationError):
                await client.do_handshake()
    assert says in heard[0]


async def test_a_handshake_in_small_records(
    wire: Wire, version: Version, certificates: Certificates, trusting: ssl.SSLContext
) -> None:
    """Certificates and tickets do not fit into one."""
    make = TLSLiteServer.share(certificates.leaf, version)
    kept: list[ssl.SSLSession] = []
    async with ends(wire, make, trusting, keep_session=kept.append) as (client, server):
        assert isinstance(server, TLSLiteServer)
        server.tls.recordSize = 50
        await shake_hands(client, server)
        await server.send(b"data" * 100)
        assert await receive_exactly(client, 400) == b"data" * 100
    assert len(kept) == 1
