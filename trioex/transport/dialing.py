"""From a URL to a byte stream, faster the second time.

A `Dialer` is a `trioex.config.Dial`. It keeps what makes the next connect to the same host
quicker: the address that worked and the TLS session. Both are hints: a stale one costs
little and never a failure.

An address worked when a WebSocket was opened on it, not when it answered: an edge that takes
connections and then refuses them is not to be preferred to what the name leads to today.
"""

from __future__ import annotations

import ssl
from functools import partial
from weakref import WeakKeyDictionary

import attrs
import trio

from .handshake import Address
from .tcp import open_tcp_stream
from .tls import TLSStream, default_ssl_context

__all__ = ["Dialer"]


@attrs.frozen
class _Place:
    """Where a stream was opened to: what was asked for, and the address that answered."""

    host: str
    port: int
    address: str


class Dialer:
    """Opens byte streams: `stream = await dialer("wss://api.gateio.ws/ws/v4/")`.

    Args:
        ssl_context: for `wss`; None for the process's own with the system's trust.
        spin: as for `TCPStream`.
    """

    def __init__(self, ssl_context: ssl.SSLContext | None = None, *, spin: bool = False) -> None:
        self._ssl_context = ssl_context
        self._spin = spin
        self._addresses: dict[tuple[str, int], str] = {}
        self._sessions: dict[tuple[str, int], ssl.SSLSession] = {}
        self._unproven: WeakKeyDictionary[trio.abc.Stream, _Place] = WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"<Dialer {len(self._addresses)} addresses, {len(self._sessions)} TLS sessions>"

    async def __call__(self, url: str) -> trio.abc.Stream:
        """Open a stream to the URL's host, TLS done. Cancelling it leaves nothing open.

        Raises:
            ConfigError: not a ws:// or wss:// URL.
            OSError: no connection, or (ssl.SSLError) a peer that is not to be trusted.
            trio.BrokenResourceError: the connection broke during the TLS handshake.
        """
        address = Address.parse(url)
        place = (address.host, address.port)
        # Taken out, and put back by `remember`: what failed once is not tried twice.
        stream = await open_tcp_stream(
            *place, known=self._addresses.pop(place, None), spin=self._spin
        )
        try:
            peer = _Place(*place, stream.socket.getpeername()[0])
            opened = await self._secure(stream, place) if address.secure else stream
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        self._unproven[opened] = peer
        return opened

    def remember(self, stream: trio.abc.Stream) -> None:
        """A WebSocket is open on this stream: its address is the first to try the next time.

        A stream that another dialer opened changes nothing.
        """
        if peer := self._unproven.pop(stream, None):
            self._addresses[peer.host, peer.port] = peer.address

    async def _secure(self, stream: trio.abc.Stream, place: tuple[str, int]) -> TLSStream:
        tls = TLSStream(
            stream,
            self._ssl_context or default_ssl_context(),
            server_hostname=place[0],
            session=self._sessions.pop(place, None),
            keep_session=partial(self._sessions.__setitem__, place),
        )
        await tls.do_handshake()
        return tls
