"""`Dialer` on the loopback: the second connect knows what the first one learnt."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trio
from transport.peer import ENVIRONMENT, MOST, Certificates, Inbox, Peer

from trioex.errors import ConfigError, HandshakeRejected
from trioex.transport import Dialer, TCPStream, TLSStream, open_websocket
from trioex.transport.tls import default_ssl_context


@asynccontextmanager
async def serving(
    handler: Callable[[trio.abc.Stream], Awaitable[object]], certificates: Certificates | None
) -> AsyncGenerator[str, None]:
    """Serve on the loopback; yields the URL."""
    listeners: list[trio.abc.Listener[trio.abc.Stream]]
    listeners = list(await trio.open_tcp_listeners(0, host="127.0.0.1"))
    port = listeners[0].socket.getsockname()[1]  # type: ignore[attr-defined]
    if certificates:
        listeners = [trio.SSLListener(listeners[0], certificates.server)]
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, handler, listeners)
        yield f"{'wss' if certificates else 'ws'}://localhost:{port}/"
        nursery.cancel_scope.cancel()


async def greet(stream: trio.abc.Stream) -> None:
    with suppress(trio.BrokenResourceError):  # a client that does not trust us leaves
        await stream.send_all(b"hello")
        await trio.sleep_forever()


async def test_plain_and_secure(certificates: Certificates) -> None:
    async with serving(greet, None) as url, await Dialer()(url) as stream:
        assert isinstance(stream, TCPStream)
        assert await stream.receive_some() == b"hello"
    dialer = Dialer(certificates.client)
    async with serving(greet, certificates) as url, await dialer(url) as stream:
        assert isinstance(stream, TLSStream)
        assert await stream.receive_some() == b"hello"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_second_connect_resumes_the_tls_session(
    certificates: Certificates, version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates.client, "maximum_version", version)
    dialer = Dialer(certificates.client)
    async with serving(greet, certificates) as url:
        resumed: list[bool] = []
        for _ in range(3):
            stream = await dialer(url)
            assert isinstance(stream, TLSStream)
            resumed.append(stream.resumed)
            await stream.receive_some()
            await trio.aclose_forcefully(stream)
        assert resumed == [False, True, True]
        # A connection that is still open has left its session too: a standby resumes it.
        async with await dialer(url) as first:
            await first.receive_some()
            async with await dialer(url) as second:
                assert isinstance(second, TLSStream)
                assert second.resumed


@pytest.fixture
def targets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was connected to, names and addresses, in order."""
    found: list[str] = []
    real = trio.open_tcp_stream

    async def connect(host: str, port: int) -> trio.SocketStream:
        found.append(host)
        return await real(host, port)

    monkeypatch.setattr(trio, "open_tcp_stream", connect)
    return found


async def open_and_leave(url: str, dialer: Dialer) -> None:
    async with open_websocket(
        url,
        Inbox(),
        dial=dialer,
        environment=ENVIRONMENT,
        max_message_bytes=MOST,
        close_timeout=5,
    ):
        pass


async def test_the_second_connect_does_not_look_the_name_up(targets: list[str]) -> None:
    async def shake_hands(stream: trio.abc.Stream) -> None:
        peer = Peer(stream)
        await peer.accept()
        await peer.say_goodbye()

    dialer = Dialer()
    async with serving(shake_hands, None) as url:
        for _ in range(3):
            await open_and_leave(url, dialer)
    assert targets == ["localhost", "127.0.0.1", "127.0.0.1"]


async def test_an_address_that_refuses_the_websocket_is_not_tried_first(
    targets: list[str],
) -> None:
    """An edge that is taken out of service still takes connections."""
    in_service = True

    async def serve(stream: trio.abc.Stream) -> None:
        peer = Peer(stream)
        if in_service:
            await peer.accept()
            await peer.say_goodbye()
        else:
            await peer.read_request()
            await stream.send_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            await stream.aclose()

    dialer = Dialer()
    async with serving(serve, None) as url:
        await open_and_leave(url, dialer)
        in_service = False
        for _ in range(2):
            with pytest.raises(HandshakeRejected):
                await open_and_leave(url, dialer)
        in_service = True
        for _ in range(2):
            await open_and_leave(url, dialer)
    assert targets == ["localhost", "127.0.0.1", "localhost", "localhost", "127.0.0.1"]


async def test_what_failed_is_not_remembered(certificates: Certificates) -> None:
    dialer = Dialer(certificates.stranger)
    async with serving(greet, certificates) as url:
        for _ in range(2):
            with pytest.raises(ssl.SSLCertVerificationError):
                await dialer(url)
            assert repr(dialer) == "<Dialer 0 addresses, 0 TLS sessions>"


async def test_cancelled_in_the_tls_handshake_leaves_no_socket() -> None:
    """The server accepts and says nothing; when we are gone it must see the end."""
    seen = trio.Event()

    async def silent(stream: trio.abc.Stream) -> None:
        dialling.cancel()
        while await stream.receive_some():
            pass
        seen.set()

    async with serving(silent, None) as url:
        with trio.CancelScope() as dialling:
            await Dialer()(url.replace("ws://", "wss://"))
        assert dialling.cancelled_caught
        await seen.wait()


async def test_failures_are_what_the_system_says() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="connect"):
            await Dialer()(f"ws://127.0.0.1:{unused.getsockname()[1]}/")
    with pytest.raises(ConfigError, match="ws://"):
        await Dialer()("http://127.0.0.1/")


def test_the_process_has_one_context() -> None:
    assert default_ssl_context() is default_ssl_context()
    assert default_ssl_context().verify_mode is ssl.CERT_REQUIRED
