"""The doors of the simulator: TCP, TLS or memory, WebSocket and REST on the same port.

Whoever comes is read as far as the end of an HTTP head. A handshake is handed on, as if
nobody had looked, to a WebSocket; a GET is answered; everything else is refused.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

import trio
from trio_websocket import ConnectionClosed

from ..config import WebSocketConfig
from ..errors import ConfigError, HttpError
from .connection import Connection, How, Tamper
from .exchange import Exchange, Statistics
from .faults import ENDINGS, Applied, Fault, is_ending
from .history import TrueBook
from .http import BadRequest, Head, Replayed, read_head, response
from .link import Link
from .market import Market
from .recorded import Recording
from .session import split_url

__all__ = ["Listener", "Simulator", "Transport", "open_listeners"]

Transport: TypeAlias = Literal["memory", "tcp", "tls"]
"""Through which door clients come."""

Listener: TypeAlias = "trio.SocketListener | trio.SSLListener[trio.SocketStream]"

_HEAD_S = 10.0
_BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError, ConnectionClosed)


class Simulator:
    """An exchange with an address; made by `open_simulator`.

    Attributes:
        url, rest_url: where it is.
    """

    def __init__(self, exchange: Exchange, nursery: trio.Nursery, link: Link) -> None:
        self.url = ""
        self.rest_url = ""
        self._exchange = exchange
        self._nursery = nursery
        self._link = link
        self._dialed = 0
        self._settings: dict[str, Any] = {}
        self._ended = False

    def __repr__(self) -> str:
        state = "ENDED" if self._ended else "OPEN"
        return f"<Simulator {self._exchange.front_end.exchange} {state} at {self.url}>"

    # For clients

    def config(self, **overrides: Any) -> WebSocketConfig:
        """A configuration with which a manager connects to this simulator.

        Args:
            overrides: fields of `WebSocketConfig` to set besides.
        """
        return WebSocketConfig(**(self._settings | overrides))

    async def dial(self, url: str) -> trio.abc.Stream:
        """Open a byte stream to the simulator in memory; for `WebSocketConfig.dial`.

        It takes a round trip, and another one where `url` is `wss` or `https`.

        Raises:
            ConnectionRefusedError: the simulator has ended, or refuses to be connected to.
        """
        await self._knock(url)
        if _is_secure(url):
            await self._link.travel(1)
        self._dialed += 1
        ours, theirs = self._link.streams(self._dialed)
        self._nursery.start_soon(self.serve, ours)
        return theirs

    async def fetch(self, url: str) -> bytes:
        """Answer a GET in memory; for `WebSocketConfig.fetch`.

        It opens a connection of its own, and takes a round trip more than `dial`.

        Raises:
            HttpError: the answer is not 200.
        """
        try:
            await self._knock(url)
        except ConnectionRefusedError as error:
            raise HttpError(f"GET {url} failed: {error}") from error
        await self._link.travel(_is_secure(url) + 0.5)
        target = "/" + url.partition("://")[2].partition("/")[2]
        status, body, retry_after = self._exchange.get(target)
        await trio.sleep(self._exchange.lateness(target))
        await self._link.travel(0.5)
        if status != 200:
            raise HttpError(f"GET {url}: {status} {body.decode()}", status, retry_after)
        return body

    async def _knock(self, url: str) -> None:
        """Open a TCP connection, as far as that takes time."""
        await self._link.travel(0.5)
        refused = self._exchange.injector.active("refuse_connect") is not None
        await self._link.travel(0.5)
        if refused or self._ended:
            why = "the simulator has ended" if self._ended else "connections are refused"
            raise ConnectionRefusedError(f"nobody listens at {url}: {why}")

    # Orders

    def apply(self, fault: Fault) -> None:
        """Let something go wrong now, whatever its `at` and `after` say. Returns at once."""
        self._exchange.inject(fault)

    def refuse(self, symbol: str) -> None:
        """Be an exchange that does not know `symbol`, from now on, in requests and by REST.

        Subscriptions that exist fall silent, as after a delisting.
        """
        self._exchange.refuse(symbol)

    def reject(self, status: int = 503, *, retry_after: float | None = None) -> None:
        """Answer every GET and every handshake with this HTTP status, until `admit`.

        Args:
            retry_after: seconds, for the header of that name.
        """
        self._exchange.injector.rejection = status, retry_after

    def admit(self) -> None:
        """End what `reject` began, or a fault of the kind `reject_429`."""
        self._exchange.injector.rejection = None

    def announce_upgrade(self) -> None:
        """Tell every client that its connection will be closed soon (Gate.io's `spot.system`).

        Raises:
            ConfigError: the exchange has no such notice.
        """
        self._exchange.announce_upgrade()

    def disconnect(self, how: How = "drop", connection: Connection | None = None) -> None:
        """End the given connection, or all that are open. Returns at once.

        Args:
            how: `drop` closes TCP without a word; `close` sends a WebSocket Close 1001, then
                closes TCP; `linger` sends the Close but leaves TCP open; `cut` sends half a
                frame, then closes TCP; `silence` leaves everything open and neither sends nor
                answers anything more; `half_open` does not read, either.
            connection: one of `connections`.

        Raises:
            ConfigError: there is no such way.
        """
        if not is_ending(how):
            raise ConfigError(f"how={how!r} is not allowed; allowed are {', '.join(ENDINGS)}")
        targets = self.connections if connection is None else [connection]
        self._exchange.end(how, targets)

    # What can be seen and set

    @property
    def market(self) -> Market:
        """The market; nobody hears of it while a recording is served."""
        return self._exchange.market

    def true_book(
        self, symbol: str, version: int | None = None, *, levels: int | None = None
    ) -> TrueBook:
        """The exchange's own book of a symbol at a version, the newest by default.

        Args:
            levels: only the best so many a side.

        Raises:
            ConfigError: the simulator was opened without `remember_books=True`.
            LookupError: it has no such symbol, or had no such version.
        """
        history = self.market[symbol].history
        if history is None:
            raise ConfigError("true_book() needs open_simulator(..., remember_books=True)")
        return history.at(version, levels)

    @property
    def recording(self) -> Recording | None:
        """What is served instead of the market."""
        return self._exchange.recording

    @property
    def connections(self) -> Sequence[Connection]:
        """The connections being served, oldest first; one that was made to end is not."""
        return self._exchange.connections

    @property
    def applied(self) -> Sequence[Applied]:
        """The faults that were done, `disconnect` included, oldest first."""
        return tuple(self._exchange.injector.applied)

    @property
    def tamper(self) -> Tamper | None:
        """What really is sent instead of each frame.

        It is called with the connection and the frame and returns frames: none to lose it,
        two to duplicate it. None leaves frames alone. A recording is not touched.
        """
        return self._exchange.tamper

    @tamper.setter
    def tamper(self, tamper: Tamper | None) -> None:
        self._exchange.tamper = tamper

    @property
    def snapshot_age(self) -> float:
        """Seconds for which a REST book is served again unchanged, as a cached one is."""
        return self._exchange.snapshot_age

    @snapshot_age.setter
    def snapshot_age(self, seconds: float) -> None:
        self._exchange.snapshot_age = seconds

    def statistics(self) -> Statistics:
        """What has happened so far."""
        return self._exchange.statistics()

    async def wait_finished(self) -> None:
        """Wait until a client was sent the whole recording and closed in answer.

        Raises:
            ConfigError: no recording is served, so there is nothing to wait for.
        """
        self._require_recording("wait_finished")
        await self._exchange.finished.wait()

    async def wait_played(self) -> None:
        """Wait until a client was sent the last frame of the recording.

        Raises:
            ConfigError: no recording is served, so there is nothing to wait for.
        """
        self._require_recording("wait_played")
        await self._exchange.played.wait()

    def _require_recording(self, name: str) -> None:
        if self.recording is None:
            raise ConfigError(f"{name}() needs open_simulator(..., recording=PATH)")

    # Doors

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one client on an open stream, to its end, and close the stream."""
        try:
            await self._serve(stream)
        except* _BROKEN:
            pass  # the client is gone; so is everything about it
        finally:
            await trio.aclose_forcefully(stream)

    async def _serve(self, stream: trio.abc.Stream) -> None:
        injector = self._exchange.injector
        if injector.active("refuse_connect") is not None:
            return
        head: Head | None = None
        answer: bytes | None = None
        with trio.move_on_after(_HEAD_S):
            try:
                head = await read_head(stream)
                answer = None if head is None else self._answer(head)
            except BadRequest as error:
                answer = response(error.status)
            if answer is not None:
                if head is not None:
                    await trio.sleep(self._exchange.lateness(head.target))
                await stream.send_all(answer)
        if head is None or answer is not None:
            return
        if injector.active("never_upgrade") is not None:
            while await stream.receive_some():
                pass
        else:
            await self._serve_websocket(Replayed(stream, head.raw))

    def _answer(self, head: Head) -> bytes | None:
        """The response to a request, or None where a WebSocket is to be opened."""
        if head.method != "GET":
            return response(405)
        if not head.upgrades:
            status, body, retry_after = self._exchange.get(head.target)
            return response(status, body, retry_after)
        if self._exchange.injector.rejection is not None:
            status, retry_after = self._exchange.injector.rejection
            return response(status, b"", retry_after)
        path, _ = split_url(head.target)
        known = path.rstrip("/") == self._exchange.front_end.path.rstrip("/")
        return None if known else response(404)

    async def _serve_websocket(self, stream: trio.abc.Stream) -> None:
        exchange = self._exchange
        connection = exchange.open()
        try:
            await connection.run(
                stream,
                heard=partial(exchange.heard, connection),
                opened=partial(exchange.opened, connection),
                request=partial(exchange.request, connection),
            )
        finally:
            exchange.closed(connection)

    def end(self) -> None:
        """Stop at once. `open_simulator` does it."""
        self._ended = True
        self._nursery.cancel_scope.cancel()

    async def listen(
        self,
        listeners: list[Listener],
        transport: Transport,
        settings: Mapping[str, Any],
    ) -> None:
        """Begin to accept, and know the address. `open_simulator` does it."""
        front_end = self._exchange.front_end
        host = f"{front_end.exchange}.simulator"
        if listeners:
            accept = partial(trio.serve_listeners, self.serve, listeners)
            await self._nursery.start(accept)
            host = f"127.0.0.1:{port_of(listeners[0])}"
        secure = "" if transport == "tcp" else "s"
        self.url = f"ws{secure}://{host}{front_end.path}"
        self.rest_url = f"http{secure}://{host}{front_end.rest_base}"
        self._settings = {**settings, "url": self.url, "rest_url": self.rest_url}
        if transport == "memory":
            self._settings |= {"dial": self.dial, "fetch": self.fetch}


async def open_listeners(port: int, context: ssl.SSLContext | None) -> list[Listener]:
    """Listen on 127.0.0.1, with TLS where there is a context.

    Raises:
        OSError: the port cannot be used.
    """
    sockets = await trio.open_tcp_listeners(port, host="127.0.0.1")
    if context is None:
        return [*sockets]
    return [trio.SSLListener(each, context) for each in sockets]


def _is_secure(url: str) -> bool:
    return url.partition("://")[0] in {"wss", "https"}


def port_of(listener: Listener) -> int:
    """Where it listens."""
    plain = listener.transport_listener if isinstance(listener, trio.SSLListener) else listener
    assert isinstance(plain, trio.SocketListener)
    address: tuple[str, int] = plain.socket.getsockname()
    return address[1]
