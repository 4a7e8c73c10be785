"""A WebSocket whose messages go to one function and whose end is always noticed.

`open_websocket` owns the byte stream, trio-websocket on top of it, and their task. The rule:
leaving its block takes `close_timeout` at the most and no time at all when it is left by an
exception or cancelled, whatever the peer does or does not do.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, NoReturn, cast

import trio
import trio_websocket

from ..config import Dial, Environment
from ..errors import ConnectFailed, ConnectionLost
from ..frames import Batch
from ..urls import shown
from .dialing import Dialer
from .handshake import Address
from .tap import Deliver, FrameTap

__all__ = ["Deliver", "WebSocket", "open_websocket"]


class WebSocket:
    """An open WebSocket; `open_websocket` makes it."""

    def __init__(
        self, connection: trio_websocket.WebSocketConnection, tap: FrameTap, close_timeout: float
    ) -> None:
        self._connection = connection
        self._tap = tap
        self._close_timeout = close_timeout
        self._closed = trio.Event()
        self._ping_payloads = (each.to_bytes(8, "big") for each in itertools.count())

    def __repr__(self) -> str:
        return f"<WebSocket {self._tap!r}>"

    @property
    def last_read(self) -> float:
        """`trio.current_time()` when bytes were last read, of whatever kind."""
        return self._tap.last_read

    @property
    def close_code(self) -> int | None:
        """The status code of the peer's Close frame, or None."""
        return self._tap.close.code if self._tap.close else None

    @property
    def close_reason(self) -> str:
        """The words in the peer's Close frame, often empty."""
        return self._tap.close.reason if self._tap.close else ""

    def tell_loss(self, callback: Callable[[ConnectionLost], float]) -> None:
        """Call `callback` when the end is read, ahead of everybody who waits for it.

        It returns for how many seconds nobody needs the connection to be cleared away.
        What `wait_closed` raises comes some turns of the scheduler later, and is also raised for
        an end that no read showed.
        """
        self._tap.on_loss = callback

    async def send(self, message: str | bytes) -> None:
        """Send one message: a str as text, bytes as binary.

        Cancelled while it waits for its turn, nothing is sent. Cancelled when a part may be on
        the wire, the connection is lost, since nothing could follow that part.

        Raises:
            ConnectionLost: the connection has ended, or ends now.
            trio.ClosedResourceError: it was closed here.
        """
        try:
            await self._connection.send_message(message)
        except trio_websocket.ConnectionClosed:
            self._raise_end()

    async def ping(self) -> None:
        """Send a ping of the protocol and wait for its pong.

        Raises:
            ConnectionLost: the connection ended first.
            trio.ClosedResourceError: it was closed here.
        """
        with trio.CancelScope() as scope, self._tap.cancels(scope):
            try:
                await self._connection.ping(next(self._ping_payloads))
            except trio_websocket.ConnectionClosed:
                self._raise_end()
            return
        self._raise_end()

    async def wait_closed(self) -> None:
        """Wait for the end. Returns only when `aclose` was called here.

        A peer that closes, or breaks the protocol, is answered first, within `close_timeout`.

        Raises:
            FrameError: the peer broke RFC 6455.
            ConnectionLost: the peer closed the connection (`close_code` and `close_reason` say
                with which words), or it broke; `__cause__` is what the system said.
        """
        await self._tap.ended.wait()
        with trio.move_on_after(self._close_timeout):
            await self._tap.finished.wait()
        if self._tap.loss is not None:
            raise self._tap.loss

    async def aclose(self, code: int = 1000) -> None:
        """Say goodbye, wait for the peer's answer within `close_timeout`, then cut.

        Cancelling it cuts at once. A second call waits for the first.
        """
        if self._tap.closing:
            await self._closed.wait()
            return
        self._tap.closing = True
        try:
            with trio.move_on_after(self._close_timeout):
                await self._connection.aclose(code)
                if self._tap.ended.is_set():
                    await self._tap.finished.wait()  # our answer to the peer's Close
        finally:
            self._tap.end(None)
            self._closed.set()
            await trio.aclose_forcefully(self._tap)

    def _raise_end(self) -> NoReturn:
        raise self._tap.loss or trio.ClosedResourceError("this WebSocket was closed") from None


@asynccontextmanager
async def open_websocket(
    url: str,
    deliver: Deliver,
    *,
    dial: Dial,
    environment: Environment,
    max_message_bytes: int,
    close_timeout: float,
    extra_headers: Iterable[tuple[str, str]] = (),
) -> AsyncGenerator[WebSocket, None]:
    """Open a WebSocket, and close it when the block is left.

    Opening has no deadline of its own: put it in a cancel scope. What goes wrong while opening
    is raised as it is; after that everything leaves the block in an exception group, as from
    any nursery: what `deliver` raised, what the block raised, unchanged.

    Args:
        url: `ws://…` or `wss://…`.
        deliver: awaited with each `Batch`, in order, in the task that reads. It may be called
            before the block begins: a peer may send at once.
        dial: opens the byte stream.
        environment: wall time for `Batch.received`.
        max_message_bytes: a longer message ends the connection with 1009.
        close_timeout: seconds to say goodbye when the block is left in peace. Left by an
            exception or cancelled, the connection is cut without a word.
        extra_headers: of the request.

    Yields:
        The open WebSocket.

    Raises:
        ConfigError: the URL is none.
        HandshakeRejected: the server answered with another status than 101.
        ConnectFailed: anything else that kept it from opening; `__cause__` says what.
    """
    address = Address.parse(url)
    stream = await _connect(address, dial)
    connection = failure = None
    try:
        async with trio.open_nursery() as nursery:
            tap = FrameTap(
                stream,
                _out_of_reach(nursery, deliver),
                url=shown(url),
                time_ns=environment.time_ns,
                max_message_bytes=max_message_bytes,
            )
            connection = await _shake_hands(nursery, tap, address, extra_headers)
            if connection is not None:
                if isinstance(dial, Dialer):
                    dial.remember(stream)
                websocket = WebSocket(connection, tap, close_timeout)
                yield websocket
                await websocket.aclose()
            failure = tap.loss
            nursery.cancel_scope.cancel()
    except ExceptionGroup as group:
        if connection is not None:
            raise
        # trio-websocket's reader stumbled over a 101 response that is none.
        raise ConnectFailed(f"{shown(url)} does not shake hands as a WebSocket: {group}") from group
    finally:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)  # takes no time
    if connection is None and failure is not None:
        raise failure


async def _connect(address: Address, dial: Dial) -> trio.abc.Stream:
    try:
        return await dial(address.url)
    except (OSError, trio.BrokenResourceError) as error:
        raise ConnectFailed(f"cannot connect to {shown(address.url)}: {error}") from error


async def _shake_hands(
    nursery: trio.Nursery,
    tap: FrameTap,
    address: Address,
    extra_headers: Iterable[tuple[str, str]],
) -> trio_websocket.WebSocketConnection | None:
    """Return the open connection, or None when the tap knows why there is none."""
    with trio.CancelScope() as scope, tap.cancels(scope):  # it would wait for ever
        return await trio_websocket.wrap_client_stream(
            nursery,
            cast("Any", tap),  # annotated narrower than what it takes: any trio.abc.Stream
            address.host_header,
            address.resource,
            extra_headers=[(name.encode(), value.encode()) for name, value in extra_headers],
        )
    return None


def _out_of_reach(nursery: trio.Nursery, deliver: Deliver) -> Deliver:
    """Keep what `deliver` raises away from trio-websocket.

    These two it would take for its socket's, and swallow.
    """

    async def delivered(batch: Batch) -> None:
        try:
            await deliver(batch)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            nursery.start_soon(_raise, error)
            await trio.sleep_forever()

    return delivered


async def _raise(error: Exception) -> None:
    raise error
