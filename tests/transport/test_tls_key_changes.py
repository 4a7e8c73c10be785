"""New keys that a server wants: updates in TLS 1.3, renegotiation in TLS 1.2."""

from __future__ import annotations

import ssl

import pytest
import trio
import trio.testing
from transport.peer import Certificates
from transport.tls_ends import (
    V12,
    V13,
    Wire,
    in_lockstep,
    in_memory,
    receive_equals,
    receive_exactly,
    shaken,
)
from transport.tls_servers import OpenSSLServer, TLSLiteServer

from trioex.transport import TLSStream


@pytest.mark.parametrize("requested", [True, False])
@pytest.mark.parametrize("times", [1, 3])
async def test_the_server_updates_its_keys(
    wire: Wire,
    certificates: Certificates,
    trusting: ssl.SSLContext,
    requested: bool,
    times: int,
) -> None:
    make = TLSLiteServer.share(certificates.leaf, V13)
    async with shaken(wire, make, trusting) as (client, server):
        assert isinstance(server, TLSLiteServer)
        before = server.secrets
        await server.send(b"old,")
        for _ in range(times):
            await server.update_keys(requested=requested)
            await server.send(b"new,")
        expected = b"old," + b"new," * times
        assert await receive_exactly(client, len(expected)) == expected
        for _ in range(3):
            await client.send_all(b"ours,")
        # Were our answer lost, or came it out of turn, the server could not read this.
        assert await server.receive_exactly(15) == b"ours," * 3
        changed = [old != new for old, new in zip(before, server.secrets, strict=True)]
        assert changed == [requested, True]
        await server.send(b"end")
        assert await client.receive_some() == b"end"


async def test_a_key_update_while_a_send_is_under_way(
    certificates: Certificates,
    trusting: ssl.SSLContext,
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The record on its way has the old keys, the next one the new."""
    make = TLSLiteServer.share(certificates.leaf, V13, tickets=False)
    async with shaken(in_lockstep, make, trusting) as (client, server):
        assert isinstance(server, TLSLiteServer)

        async def send() -> None:
            await client.send_all(b"first,")
            await client.send_all(b"second")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(receive_equals, client, b"data")
            await server.update_keys(requested=True)
            await server.send(b"data")
            assert await server.receive_exactly(12) == b"first,second"


@pytest.fixture
def refusing(trusting: ssl.SSLContext) -> ssl.SSLContext:
    """A context whose OpenSSL answers a HelloRequest with an alert, and goes on."""
    trusting.options |= ssl.OP_NO_RENEGOTIATION
    return trusting


async def test_data_does_not_wait_for_what_openssl_answers(
    certificates: Certificates,
    refusing: ssl.SSLContext,
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The server reads nothing, so that no answer can be sent."""
    make = TLSLiteServer.share(certificates.leaf, V12)
    async with shaken(in_lockstep, make, refusing) as (client, server):
        assert isinstance(server, TLSLiteServer)
        question = await server.written(server.ask_renegotiation())
        data = await server.written(server.send(b"data"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.stream.send_all, question + data)
            assert await client.receive_some() == b"data"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive_equals, client, b"more")
            assert await server.stream.receive_some(), "the alert"
            await server.send(b"more")


async def test_what_openssl_answers_while_a_send_is_stuck_goes_along_with_it(
    certificates: Certificates,
    refusing: ssl.SSLContext,
    autojump_clock: trio.testing.MockClock,
) -> None:
    """And does not keep anybody from reading on."""
    make = TLSLiteServer.share(certificates.leaf, V12)
    async with shaken(in_lockstep, make, refusing) as (client, server):
        assert isinstance(server, TLSLiteServer)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send_all, b"stuck")
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(receive_equals, client, b"data")
            await server.ask_renegotiation()
            await server.send(b"data")
            assert await server.receive_exactly(5) == b"stuck"
            assert await server.stream.receive_some(), "the alert"


async def test_an_answer_that_cannot_be_sent_does_not_hide_what_was_received(
    certificates: Certificates, refusing: ssl.SSLContext
) -> None:
    make = TLSLiteServer.share(certificates.leaf, V12)
    async with shaken(in_memory, make, refusing) as (client, server):
        assert isinstance(server, TLSLiteServer)
        await server.ask_renegotiation()
        await server.send(b"data")
        assert await client.receive_some() == b"data"
        await server.send(b"last")
        await server.say_goodbye()
        assert await client.receive_some() == b"last"
        assert await client.receive_some() == b""


@pytest.mark.parametrize("kind", [OpenSSLServer, TLSLiteServer])
@pytest.mark.parametrize("when", ["first of all", "behind data", "while we read"])
async def test_renegotiation_breaks_the_stream(
    wire: Wire,
    kind: type[OpenSSLServer | TLSLiteServer],
    when: str,
    certificates: Certificates,
    trusting: ssl.SSLContext,
) -> None:
    kept: list[ssl.SSLSession] = []
    make = kind.share(certificates.leaf, V12)
    async with shaken(wire, make, trusting, keep_session=kept.append) as (client, server):
        assert isinstance(server, (OpenSSLServer, TLSLiteServer))
        if when != "first of all":
            await server.send(b"last")
        if when != "while we read":
            await server.ask_renegotiation()
        if when != "first of all":
            assert await client.receive_some() == b"last"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(break_by_renegotiation, client)
            await trio.testing.wait_all_tasks_blocked()
            if when == "while we read":
                await server.ask_renegotiation()
        await break_by_renegotiation(client)
        with pytest.raises(trio.BrokenResourceError, match="renegotiation"):
            await client.send_all(b"x")
        await client.aclose()
        assert await server.stream.receive_some() == b"", "a second handshake was begun"


async def break_by_renegotiation(client: TLSStream) -> None:
    with pytest.raises(trio.BrokenResourceError, match="renegotiation"):
        await client.receive_some()


async def test_a_context_that_refuses_renegotiation_is_left_to_do_so(
    wire: Wire, certificates: Certificates, refusing: ssl.SSLContext
) -> None:
    """A server with OpenSSL takes that for the end."""
    make = OpenSSLServer.share(certificates.leaf, V12)
    async with shaken(wire, make, refusing) as (client, server):
        assert isinstance(server, OpenSSLServer)
        await server.ask_renegotiation()

        async def refused() -> None:
            with pytest.raises(OpenSSLServer.failures):
                await server.receive()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(refused)
            with pytest.raises(trio.BrokenResourceError, match=r"(?i)handshake.failure"):
                await client.receive_some()
