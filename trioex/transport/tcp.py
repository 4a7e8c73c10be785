"""TCP, read in large pieces.

`TCPStream` is a `trio.abc.Stream` on a Trio socket. One read takes all that the kernel has, up
to `READ_BYTES`: in a burst that is hundreds of messages for the price of one.
"""

from __future__ import annotations

import errno
import operator
import socket as stdlib_socket

import trio

__all__ = ["READ_BYTES", "OneAtATime", "TCPStream", "open_tcp_stream"]

READ_BYTES = 128 << 10
"""One read takes up to this. More gains nothing: what it holds no longer fits into the caches."""

_TRIES = 20
"""How often a spinning reader asks the kernel before it lets others run: some 20 us."""

_HEAD_START = 0.25
"""Seconds a remembered address gets before the name is looked up beside it; Trio's own delay
between two addresses."""


class OneAtATime:
    """A block that refuses a second task instead of letting it wait.

    Args:
        doing: for the message of the `trio.BusyResourceError`.
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._busy = False

    def __enter__(self) -> None:
        if self._busy:
            raise trio.BusyResourceError(f"another task is {self._doing}")
        self._busy = True

    def __exit__(self, *_: object) -> None:
        self._busy = False


class TCPStream(trio.abc.Stream):
    """An open TCP connection.

    One task may send while another receives.

    Args:
        socket: connected, with TCP_NODELAY set. The stream takes over what is below it; the
            object given is closed afterwards.
        spin: ask the kernel over and over instead of being woken up by it. It keeps a processor
            busy, and saves the time that waking up takes. Trio's clock never stands still then.

    Attributes:
        socket: the stream's own, for what sockets tell.
    """

    def __init__(self, socket: trio.socket.SocketType, *, spin: bool = False) -> None:
        # Trio's recv tries first and waits then. Where one message comes at a time, that is one
        # system call and one exception too many for each; so reading waits first, and takes.
        self._raw = stdlib_socket.socket(fileno=socket.detach())
        self.socket = trio.socket.from_stdlib_socket(self._raw)
        self._sending = OneAtATime("sending on this TCPStream")
        self._wait = self._spin if spin else self._sleep

    def __repr__(self) -> str:
        return f"<TCPStream {'CLOSED' if self.socket.fileno() == -1 else 'OPEN'}>"

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what has arrived, at most `max_bytes`; b"" when the peer has sent all.

        Raises:
            trio.BrokenResourceError: the connection broke.
            trio.ClosedResourceError: it was closed here.
        """
        if max_bytes is None:
            max_bytes = READ_BYTES
        elif operator.index(max_bytes) < 1:
            raise ValueError(f"max_bytes={max_bytes} must be 1 or more")
        self._check_open()
        try:
            return await self._wait(max_bytes)
        except OSError as error:
            raise _translated(error) from error

    async def _sleep(self, max_bytes: int) -> bytes:
        """Wait until the kernel says that there is something."""
        while True:
            await trio.lowlevel.wait_readable(self._raw)
            try:
                return self._raw.recv(max_bytes)
            except (BlockingIOError, InterruptedError):
                continue  # the kernel thought better of it

    async def _spin(self, max_bytes: int) -> bytes:
        """Ask the kernel until there is something; others run in between."""
        receive = self._raw.recv
        while True:
            await trio.lowlevel.checkpoint()
            for _ in range(_TRIES):
                try:
                    return receive(max_bytes)
                except (BlockingIOError, InterruptedError):
                    continue

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`. Cancelling leaves an unknown part of it sent.

        Raises:
            trio.BrokenResourceError: the connection broke.
            trio.ClosedResourceError: it was closed here.
            trio.BusyResourceError: another task is sending.
        """
        with self._sending, memoryview(data) as rest:
            if not rest:
                self._check_open()
                await trio.lowlevel.checkpoint()
                return
            try:
                sent = await self.socket.send(rest)
                while sent < len(rest):
                    sent += await self.socket.send(rest[sent:])
            except OSError as error:
                raise _translated(error) from error

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the kernel takes more to send."""
        with self._sending:
            self._check_open()
            try:
                await self.socket.wait_writable()
            except OSError as error:
                raise _translated(error) from error

    async def aclose(self) -> None:
        """Close the socket, at once."""
        self.socket.close()
        await trio.lowlevel.checkpoint()

    def _check_open(self) -> None:
        if self.socket.fileno() == -1:
            raise trio.ClosedResourceError("this TCPStream was closed")


def _translated(error: OSError) -> trio.BrokenResourceError | trio.ClosedResourceError:
    if error.errno == errno.EBADF:
        return trio.ClosedResourceError("this TCPStream was closed")
    return trio.BrokenResourceError(str(error))


async def open_tcp_stream(
    host: str, port: int, *, known: str | None = None, spin: bool = False
) -> TCPStream:
    """Connect to `host`, trying its addresses as RFC 8305 says.

    Args:
        spin: as for `TCPStream`.
        known: an address that worked before: it is tried without looking the name up, and has
            a head start before the name is looked up after all. A dead one costs that much.

    Cancelling it leaves nothing open.

    Raises:
        OSError: the name is not known or no address answers.
    """
    if known is None:
        return TCPStream((await trio.open_tcp_stream(host, port)).socket, spin=spin)
    return TCPStream((await _race(known, host, port)).socket, spin=spin)


async def _race(known: str, host: str, port: int) -> trio.SocketStream:
    streams: list[trio.SocketStream] = []
    failures: list[OSError] = []
    try:
        async with trio.open_nursery() as nursery:
            first_failed = trio.Event()

            async def attempt(target: str) -> None:
                try:
                    streams.append(await trio.open_tcp_stream(target, port))
                except OSError as error:
                    failures.append(error)
                    first_failed.set()
                else:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(attempt, known)
            with trio.move_on_after(_HEAD_START):
                await first_failed.wait()
            nursery.start_soon(attempt, host)
    except BaseException:
        _close(streams)  # cancelled, perhaps, when one was open already
        raise
    if not streams:
        raise failures[-1]
    _close(streams[1:])
    return streams[0]


def _close(streams: list[trio.SocketStream]) -> None:
    for stream in streams:
        stream.socket.close()
