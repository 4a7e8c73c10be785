"""TLS sessions: the second connection is a short one."""

from __future__ import annotations

import ssl

import pytest
import trio
from transport.peer import Certificates
from transport.tls_ends import V12, V13, MakeServer, Wire, in_memory, shaken
from transport.tls_servers import Server, StdlibServer, TLSLiteServer, Version

from trioex.transport import TLSStream


async def talk_and_leave(client: TLSStream, server: Server) -> None:
    await server.send(b"hello")
    assert await client.receive_some() == b"hello"
    await client.send_all(b"back")
    await client.aclose()
    assert await server.receive_exactly(4) == b"back"
    assert await server.receive() == b""
    await server.say_goodbye()  # else OpenSSL forgets the session


async def resumptions(
    wire: Wire, make: MakeServer, context: ssl.SSLContext, times: int = 3
) -> list[bool]:
    """Connect again and again, each time with the last session."""
    kept: list[ssl.SSLSession] = []
    resumed: list[bool] = []
    for _ in range(times):
        session = kept[-1] if kept else None
        pair = shaken(wire, make, context, session=session, keep_session=kept.append)
        async with pair as (client, server):
            resumed.append(client.resumed)
            await talk_and_leave(client, server)
    return resumed


async def test_the_second_connection_resumes_the_first(
    wire: Wire, make: MakeServer, trusting: ssl.SSLContext
) -> None:
    assert await resumptions(wire, make, trusting) == [False, True, True]


async def test_a_session_that_the_server_keeps_is_resumed_by_its_id(
    wire: Wire, kind: type[Server], certificates: Certificates, trusting: ssl.SSLContext
) -> None:
    make = kind.share(certificates.leaf, V12, tickets=False)
    assert await resumptions(wire, make, trusting) == [False, True, True]


async def test_a_session_the_server_does_not_know_costs_no_failure(
    kind: type[Server], version: Version, certificates: Certificates, trusting: ssl.SSLContext
) -> None:
    """It was restarted, say, or is another behind the same name."""
    kept: list[ssl.SSLSession] = []
    async with shaken(
        in_memory,
        StdlibServer.share(certificates.leaf, version),
        trusting,
        keep_session=kept.append,
    ) as pair:
        await talk_and_leave(*pair)
    other = kind.share(certificates.leaf, version)
    async with shaken(in_memory, other, trusting, session=kept[0]) as (client, server):
        assert not client.resumed
        await talk_and_leave(client, server)


class _Counting(ssl.SSLObject):
    """How often the session was asked for, which takes OpenSSL most of a millisecond."""

    asked = 0

    @property
    def session(self) -> ssl.SSLSession | None:
        type(self).asked += 1
        return super().session

    @session.setter
    def session(self, session: ssl.SSLSession) -> None:
        raise NotImplementedError


async def test_a_server_without_tickets_costs_no_look_at_each_read(
    certificates: Certificates, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trusting, "sslobject_class", _Counting)
    monkeypatch.setattr(_Counting, "asked", 0)
    make = StdlibServer.share(certificates.leaf, V13, tickets=False)
    kept: list[ssl.SSLSession] = []
    async with shaken(in_memory, make, trusting, keep_session=kept.append) as (client, server):
        for _ in range(10):
            await server.send(b"data")
            assert await client.receive_some() == b"data"
        assert _Counting.asked == 1
    assert kept == []
    assert await resumptions(in_memory, make, trusting) == [False, False, False]


async def test_a_ticket_that_comes_behind_the_data_is_kept_at_the_end(
    certificates: Certificates, trusting: ssl.SSLContext
) -> None:
    make = TLSLiteServer.share(certificates.leaf, V13, late_tickets=True)
    kept: list[ssl.SSLSession] = []
    async with shaken(in_memory, make, trusting, keep_session=kept.append) as (client, server):
        await server.send(b"data")
        assert await client.receive_some() == b"data"
        assert isinstance(server, TLSLiteServer)
        await server.send_tickets()
        await server.send(b"more")
        assert await client.receive_some() == b"more"
        assert kept == []
        await trio.aclose_forcefully(client)
        assert len(kept) == 1
    async with shaken(in_memory, make, trusting, session=kept[0]) as (client, _):
        assert client.resumed


async def test_a_session_that_was_resumed_is_not_asked_for_again(
    certificates: Certificates, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's ssl loses some KiB each time, and it will do for the next connection too."""
    monkeypatch.setattr(trusting, "sslobject_class", _Counting)
    monkeypatch.setattr(_Counting, "asked", 0)
    make = StdlibServer.share(certificates.leaf, V13)
    assert await resumptions(in_memory, make, trusting, times=4) == [False, True, True, True]
    assert _Counting.asked == 1
