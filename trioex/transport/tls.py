"""TLS over any stream, drained in one go.

`trio.SSLStream` returns one record a call, and an exchange sends one message a record. This
stream reads the transport once and then takes every record out of what it got.

The rules: what OpenSSL has to say besides data goes out with the next bytes sent: answers to a
key update, which it writes ahead of them, and alerts, which where nobody is sending go out before
more is read. Data that has arrived never waits for that. A send that was cancelled half-way breaks
the stream, since the rest of the record is gone. Renegotiation, which TLS 1.3 does not have, breaks
it too.
"""

from __future__ import annotations

import functools
import operator
import ssl
from collections.abc import Callable
from contextlib import suppress

import trio

from ..speedups import accelerated
from .tcp import READ_BYTES, OneAtATime

__all__ = ["TLSStream", "default_ssl_context"]

_RECORD_BYTES = 16 << 10  # the most a record holds, RFC 8446 section 5.1
_MANY_BYTES = 8 << 10
"""With more than this to read, the exception in the end costs less than looking each time."""
_GOODBYE_SECONDS = 0.5  # for an alert of 31 bytes: only a peer that stopped reading needs more
_SEND_BYTES = 256 << 10  # encrypted at once: bounds what waits in memory beside the data itself


def python_drain(read: Callable[[int], bytes], most: int, pieces: list[bytes]) -> None:
    """Read until there is nothing, which is an exception of OpenSSL's; it has a twin in C.

    Raises:
        ssl.SSLError: `SSLWantReadError` where all was read; what was is in `pieces` in any case.
    """
    while piece := read(most):
        pieces.append(piece)


drain = accelerated("drain", python_drain)


@functools.cache
def default_ssl_context() -> ssl.SSLContext:
    """Return the process's own context with the system's trust. Making it takes 20 ms: once.

    It takes TLS 1.2 and newer, and says that HTTP/1.1 is what comes: with HTTP/2 a WebSocket
    begins otherwise.
    """
    context = ssl.create_default_context()
    # A system's own settings may ask for more, and are not to let in less.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    context.set_alpn_protocols(["http/1.1"])
    return context


class TLSStream(trio.abc.Stream):
    """TLS on top of an open stream.

    One task may send while another receives. `do_handshake` comes before both.

    Args:
        transport: the stream below; from now on this stream's own.
        context: what to trust. It is used as it is.
        server_hostname: whom the certificate must name; None for a server.
        server_side: the part to play.
        session: of an earlier connection with the same context, to resume.
        keep_session: called with this connection's own session once it can be resumed.
    """

    def __init__(
        self,
        transport: trio.abc.Stream,
        context: ssl.SSLContext,
        *,
        server_hostname: str | None = None,
        server_side: bool = False,
        session: ssl.SSLSession | None = None,
        keep_session: Callable[[ssl.SSLSession], object] | None = None,
    ) -> None:
        self.transport = transport
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_side,
            server_hostname=server_hostname,
            session=session,
        )
        self._version: str | None = None
        self._resuming = session
        self._keep_session = keep_session
        self._looked = False  # for a session
        self._sending = OneAtATime("sending on this TLSStream")
        self._wire = trio.StrictFIFOLock()  # whoever writes records holds it until they are sent
        self._end: trio.BrokenResourceError | bytes | None = None  # of what can be received
        self._torn = self._closed = False

    def __repr__(self) -> str:
        state = "CLOSED" if self._closed else "BROKEN" if self._torn else "OPEN"
        return f"<TLSStream {state} {self._version or 'no handshake yet'}>"

    @property
    def resumed(self) -> bool:
        """Whether the handshake was shortened by an earlier session."""
        return bool(self._object.session_reused)

    async def do_handshake(self) -> None:
        """Agree on keys and check the certificate. Cancelling it breaks the stream.

        Raises:
            ssl.SSLError: the certificate or the peer is not to be trusted, or this is no TLS.
            trio.BrokenResourceError: the connection broke or ended meanwhile.
        """
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except ssl.SSLEOFError as error:
                raise trio.BrokenResourceError("the peer ended the TLS handshake") from error
            except ssl.SSLError:
                # The alert that tells the peer why; bounded, and shielded from nobody's hurry.
                await self._last_words()  # noqa: ASYNC120
                raise
            else:
                self._version = self._object.version()
                await self._flush()
                return

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return all that has arrived, at most `max_bytes`; b"" when the peer closed in peace.

        Raises:
            trio.BrokenResourceError: the connection broke, was cut without a TLS goodbye, holds
                what is no TLS, or the peer wants to renegotiate.
            trio.ClosedResourceError: it was closed here.
        """
        if max_bytes is not None and operator.index(max_bytes) < 1:
            raise ValueError(f"max_bytes={max_bytes} must be 1 or more")
        self._check_open()
        if self._incoming.pending or self._object.pending() or self._end is not None:
            await trio.lowlevel.checkpoint()  # nothing below needs to wait
        else:
            await self._fill()
        while not (data := self._drain(max_bytes)):
            if self._end is None:
                await self._fill()
                continue
            if isinstance(self._end, trio.BrokenResourceError):
                await self._last_words()
                raise self._end
            return self._end
        return data

    def _drain(self, max_bytes: int | None) -> bytes:
        """Take every record that is whole; b"" while there is none.

        What OpenSSL says behind good data it says only once, so it is kept for the next call.
        """
        pieces = self._read_records(max_bytes) if self._end is None else []
        if self._outgoing.pending:
            self._refuse_renegotiation()
        if not pieces:
            return b""
        if not self._looked:
            # TLS 1.3 sends tickets behind the handshake, so the first data is when to look. Only
            # then and at the end: asking takes OpenSSL most of a millisecond, and some send none.
            self._looked = True
            self._offer_session()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_records(self, max_bytes: int | None) -> list[bytes]:
        read = self._object.read
        incoming = self._incoming
        most = _RECORD_BYTES if max_bytes is None else min(max_bytes, _RECORD_BYTES)
        pieces: list[bytes] = []
        try:
            if max_bytes is None and incoming.pending > _MANY_BYTES:
                drain(read, most, pieces)
            else:
                while piece := read(most):
                    pieces.append(piece)
                    # Asking once more when there is nothing would only cost an exception.
                    if max_bytes or not (incoming.pending or self._object.pending()):
                        return pieces
            self._end = b""
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._end = b""
        except ssl.SSLError as error:
            self._end = trio.BrokenResourceError(f"TLS broke: {error}")
            self._end.__cause__ = error
        return pieces

    def _refuse_renegotiation(self) -> None:
        """Break where OpenSSL has begun a second handshake, which forbids us to send meanwhile."""
        if self._end is not None or self._version in (None, "TLSv1.3"):
            return
        if self._object.version() is None:  # as it is within a handshake
            self._end = trio.BrokenResourceError("the peer asks for TLS renegotiation: refused")
            self._outgoing.read()  # our side of it

    def _offer_session(self) -> None:
        if self._keep_session is None or self._version is None:
            return
        # Each look at it loses 6 KiB in Python's ssl (seen with 3.11.7). What was resumed will do
        # for the next connection too, until a server refuses it; then there is a new one.
        session = self._resuming if self.resumed else self._object.session
        # Without an ID there is nothing to resume; one that came as a ticket has one too.
        if session is not None and session.id:
            self._keep_session(session)
            self._keep_session = None

    async def _fill(self) -> None:
        if self._outgoing.pending and not self._wire.locked():  # else a sender takes it along
            # That it cannot be sent is for senders to know: what arrives may still be good.
            with suppress(trio.BrokenResourceError):
                await self._flush()
        data = await self.transport.receive_some(READ_BYTES)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send all of `data`. Cancelled half-way, the stream is broken.

        Raises:
            trio.BrokenResourceError: the connection broke, or an earlier send was cancelled.
            trio.ClosedResourceError: it was closed here.
            trio.BusyResourceError: another task is sending.
        """
        with self._sending, memoryview(data) as rest:
            self._check_open()
            if not rest:
                await trio.lowlevel.checkpoint()
            for start in range(0, len(rest), _SEND_BYTES):
                async with self._wire:
                    try:
                        self._object.write(rest[start : start + _SEND_BYTES])
                    except ssl.SSLError as error:
                        # What was received may have told the reason; OpenSSL only says "EOF" now.
                        reason = self._end or f"TLS broke: {error}"
                        raise trio.BrokenResourceError(str(reason)) from error
                    await self._send_records()

    async def _flush(self) -> None:
        async with self._wire:
            await self._send_records()

    async def _send_records(self) -> None:
        """Send what OpenSSL has written, and what it writes meanwhile."""
        while data := self._outgoing.read():
            if self._torn:
                raise trio.BrokenResourceError("an earlier send broke off")
            self._torn = True
            await self.transport.send_all(data)
            self._torn = False

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the transport takes more to send."""
        with self._sending:
            self._check_open()
            await self.transport.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Say goodbye without waiting for the answer, and close the transport.

        Cancelled, it closes the transport at once.
        """
        if self._closed:
            await trio.lowlevel.checkpoint()
            return
        self._closed = True
        try:
            self._offer_session()
            with suppress(ssl.SSLError):
                self._object.unwrap()  # writes close_notify, then wants the peer's
            await self._last_words()
        finally:
            await self.transport.aclose()

    async def _last_words(self) -> None:
        """Send the alert that OpenSSL has written, if that can be done soon."""
        if self._wire.locked():
            return  # by a sender that does not get on
        with (
            trio.move_on_after(_GOODBYE_SECONDS),
            suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError),
        ):
            await self._flush()

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this TLSStream was closed")
