"""What the process asks of TLS where nobody gives a context."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from transport.peer import Certificates
from transport.tls_ends import V12, V13, MakeServer
from transport.tls_servers import StdlibServer, TLSLiteServer, Version

from trioex.transport import Dialer, default_ssl_context


@asynccontextmanager
async def serving(make: MakeServer) -> AsyncGenerator[str, None]:
    """A server on the loopback that says hello; yields its URL."""

    async def greet(stream: trio.abc.Stream) -> None:
        server = make(stream)
        try:
            await server.handshake()
            await server.send(b"hello")
            await server.receive()
        except server.failures:
            pass  # a client that does not like us leaves
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, greet, 0, host="127.0.0.1"))
        yield f"wss://localhost:{listener.socket.getsockname()[1]}/"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("speaks", "chosen"),
    [(["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), ([], None)],
)
async def test_the_default_context_offers_http_1_1_and_nothing_else(
    certificates: Certificates,
    trusting: ssl.SSLContext,
    version: Version,
    speaks: list[str],
    chosen: str | None,
) -> None:
    make = StdlibServer.share(certificates.leaf, version, alpn=speaks)
    servers: list[StdlibServer] = []

    def remembered(stream: trio.abc.Stream) -> StdlibServer:
        servers.append(make(stream))
        return servers[-1]

    async with serving(remembered) as url:
        async with await Dialer()(url) as stream:
            assert await stream.receive_some() == b"hello"
        async with await Dialer(certificates.client)(url) as stream:
            assert await stream.receive_some() == b"hello"
    # A context that the user made is the user's: it offers what it is told to.
    assert [server.alpn for server in servers] == [chosen, None]


async def test_a_server_that_speaks_http_2_alone_is_refused(
    certificates: Certificates, trusting: ssl.SSLContext
) -> None:
    make = TLSLiteServer.share(certificates.leaf, V12, alpn=["h2"])
    async with serving(make) as url:
        with pytest.raises(ssl.SSLError, match="no application protocol"):
            await Dialer()(url)


async def test_a_server_with_tls_1_1_is_refused_even_where_the_system_is_lax(
    certificates: Certificates, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = ssl.create_default_context

    def lax() -> ssl.SSLContext:
        context = strict()
        context.minimum_version = Version.MINIMUM_SUPPORTED
        context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    monkeypatch.setattr(ssl, "create_default_context", lax)
    async with serving(TLSLiteServer.share(certificates.leaf, Version.TLSv1_1)) as url:
        async with await Dialer(lax())(url) as stream:
            assert "TLSv1.1" in repr(stream)
        default_ssl_context.cache_clear()
        with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
            await Dialer()(url)


def test_a_system_that_asks_for_more_than_tls_1_2_is_heeded(
    trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trusting.minimum_version is V12
    strict = ssl.create_default_context

    def stricter() -> ssl.SSLContext:
        context = strict()
        context.minimum_version = V13
        return context

    monkeypatch.setattr(ssl, "create_default_context", stricter)
    default_ssl_context.cache_clear()
    assert default_ssl_context().minimum_version is V13
