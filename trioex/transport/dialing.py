"""From a URL to a byte stream, faster the second time.

A `Dialer` is a `trioex.config.Dial`. It keeps what makes the next connect to the same host
quicker: the address that worked and the TLS session. Both are hints: a stale one costs
little and never a failure.
"""

from __future__ import annotations

import ssl
from functools import partial

import trio

from .handshake import Address
from .tcp import open_tcp_stream
from .tls import TLSStream, default_ssl_context

__all__ = ["Dialer"]


class Dialer:
    """Opens byte streams: `stream = await dialer("wss://api.gateio.ws/ws/v4/")`.

    Args:
        ssl_context: for `wss`; None for the process's own with the system's trust.
    """

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl_context = ssl_context
        self._addresses: dict[tuple[str, int], str] = {}
        self._sessions: dict[tuple[str, int], ssl.SSLSession] = {}

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
        # Taken out and put back when it worked: what failed once is not tried twice.
        stream = await open_tcp_stream(*place, known=self._addresses.pop(place, None))
        try:
            peer: str = stream.socket.getpeername()[0]
            opened = await self._secure(stream, place) if address.secure else stream
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        self._addresses[place] = peer
        return opened

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
