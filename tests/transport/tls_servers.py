"""TLS servers that are not ours: Python's OpenSSL, pyOpenSSL's own, and tlslite-ng, which is none.

Each is driven without I/O of its own, so that the same server talks over TCP and in memory, and
no test needs a thread.
"""

from __future__ import annotations

import abc
import errno
import ssl
import warnings
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, TypeVar

import trio
import trustme
from OpenSSL import SSL

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # before Python 3.12 it imports asyncore
    import tlslite.api
    import tlslite.constants
    import tlslite.errors
    import tlslite.messages

__all__ = ["OpenSSLServer", "Server", "StdlibServer", "TLSLiteServer", "Version"]

T = TypeVar("T")
Version = ssl.TLSVersion

_READ_BYTES = 1 << 20


class Starved(Exception):
    """The server needs more from the wire."""


@contextmanager
def _starving(wants: type[Exception]) -> Generator[None, None, None]:
    try:
        yield
    except wants:
        raise Starved from None


class Server(abc.ABC):
    """One connection's server side.

    Args:
        stream: the transport.

    Attributes:
        failures: what the methods raise when the client breaks off.
    """

    failures: ClassVar[tuple[type[Exception], ...]]

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream

    @classmethod
    @abc.abstractmethod
    def share(
        cls,
        certificate: trustme.LeafCert,
        version: Version,
        *,
        alpn: Sequence[str] = (),
        tickets: bool = True,
    ) -> Callable[[trio.abc.Stream], Server]:
        """Make what the connections of one server have in common; returns what makes one.

        Args:
            version: the only one.
            alpn: what the server speaks, best first.
            tickets: whether sessions are with the client; if not, the server keeps those of
                TLS 1.2 itself.
        """

    async def handshake(self) -> None:
        await self._do(self._handshake)

    async def send(self, data: bytes) -> None:
        """Send records of at most 16 KiB."""
        await self._do(lambda: self._write(data))

    async def receive(self) -> bytes:
        """Some data, or b"" when the client said goodbye."""
        return await self._do(self._read)

    async def receive_exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = await self.receive()
            assert more, f"the client said goodbye after {data!r}"
            data += more
        return data

    async def goodbye(self) -> None:
        """Send close_notify."""
        await self._do(self._close)

    async def say_goodbye(self) -> None:
        """Send close_notify and close the transport."""
        await self.goodbye()
        await self.stream.aclose()

    async def written(self, what: Awaitable[object]) -> bytes:
        """What `what` would have sent."""
        stream, self.stream = self.stream, _Pocket()
        try:
            await what
            return bytes(self.stream.data)
        finally:
            self.stream = stream

    async def _do(self, step: Callable[[], T]) -> T:
        while True:
            try:
                result = step()
            except Starved:
                await self._flush()
                self.feed(await self.stream.receive_some())
            except self.failures:
                await self._flush()  # the alert  # noqa: ASYNC120
                raise
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if data := self.take():
            with suppress(trio.BrokenResourceError):  # that the client left is seen by reading
                await self.stream.send_all(data)

    @abc.abstractmethod
    def take(self) -> bytes:
        """What the server has written and not sent."""

    @abc.abstractmethod
    def feed(self, data: bytes | bytearray) -> None:
        """Take what came over the wire; b"" at its end."""

    @abc.abstractmethod
    def _handshake(self) -> None: ...

    @abc.abstractmethod
    def _read(self) -> bytes: ...

    @abc.abstractmethod
    def _write(self, data: bytes) -> None: ...

    @abc.abstractmethod
    def _close(self) -> None: ...


class _Pocket(trio.abc.Stream):
    """A transport that keeps what is sent."""

    def __init__(self) -> None:
        self.data = bytearray()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.data += data
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        raise NotImplementedError

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


class StdlibServer(Server):
    """`ssl`, with the OpenSSL that Python was built with."""

    failures = (ssl.SSLError,)

    def __init__(self, stream: trio.abc.Stream, context: ssl.SSLContext) -> None:
        super().__init__(stream)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    @classmethod
    def share(
        cls,
        certificate: trustme.LeafCert,
        version: Version,
        *,
        alpn: Sequence[str] = (),
        tickets: bool = True,
    ) -> Callable[[trio.abc.Stream], StdlibServer]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(list(alpn))
        if not tickets:
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0
        return lambda stream: cls(stream, context)

    @property
    def alpn(self) -> str | None:
        return self.ssl.selected_alpn_protocol()

    def take(self) -> bytes:
        return self._outgoing.read()

    def feed(self, data: bytes | bytearray) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _handshake(self) -> None:
        with _starving(ssl.SSLWantReadError):
            self.ssl.do_handshake()

    def _read(self) -> bytes:
        with _starving(ssl.SSLWantReadError):
            try:
                return self.ssl.read(_READ_BYTES)
            except ssl.SSLZeroReturnError:
                return b""

    def _write(self, data: bytes) -> None:
        self.ssl.write(data)

    def _close(self) -> None:
        with suppress(ssl.SSLWantReadError):  # which is for the client's own goodbye
            self.ssl.unwrap()


class OpenSSLServer(Server):
    """pyOpenSSL, with the OpenSSL that `cryptography` brings: it can ask for renegotiation."""

    failures = (SSL.Error,)

    def __init__(self, stream: trio.abc.Stream, context: SSL.Context) -> None:
        super().__init__(stream)
        self.ssl = SSL.Connection(context, None)
        self.ssl.set_accept_state()

    @classmethod
    def share(
        cls,
        certificate: trustme.LeafCert,
        version: Version,
        *,
        alpn: Sequence[str] = (),
        tickets: bool = True,
    ) -> Callable[[trio.abc.Stream], OpenSSLServer]:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        certificate.configure_cert(context)
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
        context.set_session_id(b"trioex")
        assert not alpn
        if not tickets:
            context.set_options(SSL.OP_NO_TICKET)
        return lambda stream: cls(stream, context)

    async def ask_renegotiation(self) -> None:
        """Send a HelloRequest, TLS 1.2."""
        self.ssl.renegotiate()
        with suppress(SSL.WantReadError):
            self.ssl.do_handshake()
        await self._flush()

    def take(self) -> bytes:
        try:
            return self.ssl.bio_read(_READ_BYTES)
        except SSL.WantReadError:
            return b""

    def feed(self, data: bytes | bytearray) -> None:
        if data:
            self.ssl.bio_write(data)
        else:
            self.ssl.bio_shutdown()

    def _handshake(self) -> None:
        with _starving(SSL.WantReadError):
            self.ssl.do_handshake()

    def _read(self) -> bytes:
        with _starving(SSL.WantReadError):
            try:
                return self.ssl.recv(_READ_BYTES)
            except SSL.ZeroReturnError:
                return b""

    def _write(self, data: bytes) -> None:
        self.ssl.sendall(data)

    def _close(self) -> None:
        self.ssl.shutdown()


class TLSLiteServer(Server):
    """tlslite-ng, in Python alone: it sends whatever message a test wants, when it wants."""

    failures = (tlslite.errors.TLSError,)

    def __init__(self, stream: trio.abc.Stream, options: dict[str, Any]) -> None:
        super().__init__(stream)
        self._wire = _Wire()
        self.tls = tlslite.api.TLSConnection(self._wire)
        self._settings = options["settings"]
        self._handshaking = self.tls.handshakeServerAsync(**options)
        self._reading: Iterator[Any] | None = None

    @classmethod
    def share(
        cls,
        certificate: trustme.LeafCert,
        version: Version,
        *,
        alpn: Sequence[str] = (),
        tickets: bool = True,
        late_tickets: bool = False,
    ) -> Callable[[trio.abc.Stream], TLSLiteServer]:
        chain = tlslite.api.X509CertChain()
        chain.parsePemList("".join(p.bytes().decode() for p in certificate.cert_chain_pems))
        key = tlslite.api.parsePEMKey(certificate.private_key_pem.bytes().decode(), private=True)
        settings = tlslite.api.HandshakeSettings()
        number = (version >> 8, version & 0xFF)
        settings.minVersion = settings.maxVersion = number
        settings.versions = [number]
        settings.eccCurves = ["x25519", "secp256r1"]  # others are refused with TLS 1.3
        options: dict[str, Any] = {"certChain": chain, "privateKey": key, "settings": settings}
        # With none it fails in TLS 1.3 where the client offers one.
        options["alpn"] = [bytearray(each.encode()) for each in alpn or ["http/1.1"]]
        if late_tickets:
            settings.ticket_count = 0
        if tickets:
            settings.ticketKeys = [bytes(range(32))]
        else:
            options["sessionCache"] = tlslite.api.SessionCache()
        return lambda stream: cls(stream, options)

    @property
    def secrets(self) -> tuple[bytes, bytes]:
        """What TLS 1.3 makes its keys from, the client's and ours: an update changes one."""
        session = self.tls.session
        return bytes(session.cl_app_secret), bytes(session.sr_app_secret)

    async def update_keys(self, *, requested: bool) -> None:
        """Send a KeyUpdate, TLS 1.3."""
        kind = tlslite.constants.KeyUpdateMessageType
        each = kind.update_requested if requested else kind.update_not_requested
        await self._do(lambda: _run(self.tls.send_keyupdate_request(each)))

    async def ask_renegotiation(self) -> None:
        """Send a HelloRequest, TLS 1.2."""
        await self._send(tlslite.messages.HelloRequest().create())

    async def send_tickets(self) -> None:
        """Send the tickets of TLS 1.3 now, where `late_tickets` kept them back."""
        self._settings.ticket_count = 1
        await self._do(lambda: _run(self.tls._serverSendTickets(self._settings)))
        self._settings.ticket_count = 0

    async def alert(self, name: str) -> None:
        """Send a fatal alert."""
        description = getattr(tlslite.constants.AlertDescription, name)
        level = tlslite.constants.AlertLevel.fatal
        await self._send(tlslite.messages.Alert().create(description, level))

    async def send_empty_record(self) -> None:
        await self._send(tlslite.messages.ApplicationData().create(b""))

    async def _send(self, message: object) -> None:
        await self._do(lambda: _run(self.tls._sendMsg(message)))

    def take(self) -> bytes:
        data = bytes(self._wire.outgoing)
        self._wire.outgoing.clear()
        return data

    def feed(self, data: bytes | bytearray) -> None:
        self._wire.incoming += data
        self._wire.ended = not data

    def _handshake(self) -> None:
        _run(self._handshaking)

    def _read(self) -> bytes:
        # One generator until it has something: its state is where it waits.
        if self._reading is None:
            self._reading = self.tls.readAsync()
        try:
            data: bytes = _run(self._reading)
        except Starved:
            raise
        except BaseException:
            self._reading = None
            raise
        self._reading = None
        return data

    def _write(self, data: bytes) -> None:
        _run(self.tls.writeAsync(data))

    def _close(self) -> None:
        _run(self.tls.closeAsync())


class _Wire:
    """What tlslite takes for a socket that never blocks."""

    def __init__(self) -> None:
        self.incoming = bytearray()
        self.outgoing = bytearray()
        self.ended = False

    def recv(self, count: int) -> bytes:
        if not self.incoming and not self.ended:
            raise BlockingIOError(errno.EWOULDBLOCK, "nothing yet")
        data = bytes(self.incoming[:count])
        del self.incoming[:count]
        return data

    def send(self, data: bytes) -> int:
        self.outgoing += data
        return len(data)

    sendall = send

    def close(self) -> None:
        pass


def _run(generator: Iterator[Any] | None) -> Any:
    """Run one of tlslite's generators: 0 and 1 are where it waits, the rest is its result."""
    for result in generator or ():
        if isinstance(result, int):
            raise Starved
        return result
    return None
