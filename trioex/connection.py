"""The life of one socket: opened, asked for its subscriptions, kept alive, judged, left.

A `Connection` is one attempt; whoever runs it decides about the next. It ends with a reason
that is returned, not raised, so that what leaves through the nursery is only what handlers
raise.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

import trio

from .config import Dial, WebSocketConfig
from .errors import ConnectFailed, ConnectionLost, PeerSilent, TrioexError
from .exchanges.base import Control, Pong, Venue
from .frames import Batch
from .instrumentation.latency import Latency
from .router import Source
from .subscriptions import Subscriptions
from .transport import WebSocket, open_websocket
from .urls import shown

__all__ = ["Connection", "ConnectionOwner", "Deliver", "TokenBucket"]

Deliver: TypeAlias = Callable[[Source, Batch], Awaitable[None]]


class ConnectionOwner(Protocol):
    """What a connection needs of the leg it is of."""

    number: int
    subscriptions: Subscriptions

    @property
    def is_behind(self) -> bool:
        """Whether what was read may still wait to be routed."""
        ...

    @property
    def leisure(self) -> float:
        """Seconds until another connection is opened in place of one that was lost."""
        ...

    @property
    def lifetime(self) -> float | None:
        """Seconds until a new connection should be replaced, or None."""

    def on_open(self) -> None:
        """The WebSocket is open; nothing was asked yet."""

    def on_down(self, connection: Connection, reason: TrioexError) -> None:
        """It is lost; told before it is cleared away, so that another can take over."""

    def on_aged(self) -> None:
        """Its lifetime is over."""

    def on_control(self, connection: Connection, control: Control) -> None:
        """A frame that is no push was routed."""


class TokenBucket:
    """Paces requests: a burst of one second's worth, then the rate.

    In no second more than twice the rate is sent, so a rate is half of the venue's limit.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._time = -math.inf

    async def take(self) -> None:
        """Wait until one more request may be sent. Not a checkpoint when it may at once."""
        now = trio.current_time()
        self._tokens = min(self._rate, self._tokens + (now - self._time) * self._rate)
        self._time = now
        self._tokens -= 1
        if self._tokens < 0:
            await trio.sleep(-self._tokens / self._rate)


class Connection:
    """One socket of a venue.

    Args:
        owner: the leg it is of.
        deliver: awaited with each batch that is read, in order, and with this connection as
            its source.

    Attributes:
        is_open: whether requests can be sent.
        has_data: whether a batch ever came while everything wanted was confirmed.
        heard: wall time of the last read that held a push somebody bound; the router's to set.
    """

    def __init__(
        self,
        venue: Venue,
        config: WebSocketConfig,
        owner: ConnectionOwner,
        deliver: Deliver,
        bucket: TokenBucket,
        dial: Dial,
    ) -> None:
        self._venue = venue
        self._config = config
        self._owner = owner
        self._subscriptions = owner.subscriptions
        self._deliver = deliver
        self._bucket = bucket
        self._dial = dial
        self._scope = trio.CancelScope()
        self._nursery: trio.Nursery | None = None
        self._socket: WebSocket | None = None
        self._is_asking = False
        self._is_stopping = False
        self._held_up = 0
        self._released = -math.inf
        self._reason: TrioexError | None = None
        self.url = config.url or venue.url
        self.is_open = False
        self.has_data = False
        self._opened_at = math.inf
        self.batches = 0
        self.heard = 0
        self.leg: int | None = owner.number
        self._latency = config.latency if isinstance(config.latency, Latency) else None
        self._pinged: int | None = None

    @property
    def age(self) -> float:
        """Seconds since it was opened; less than 0 before."""
        return trio.current_time() - self._opened_at

    def on_control(self, control: Control) -> None:
        """A frame of this connection was routed and is no push."""
        if self._latency is not None and self._pinged is not None and isinstance(control, Pong):
            environment = self._config.environment
            round_trip = environment.perf_ns() - self._pinged
            self._latency.answered(self._venue.exchange, round_trip, environment.time_ns())
            self._pinged = None  # MEXC answers twice at times
        self._owner.on_control(self, control)

    def wake(self) -> None:
        """There may be requests to send."""
        if self._nursery is None or self._is_asking:
            return
        if self._subscriptions.has_requests:
            self._is_asking = True
            self._nursery.start_soon(self._request)

    def stop(self) -> None:
        """Leave in peace within the close timeout, or at once where nothing is open yet."""
        self._is_stopping = True
        if not self.is_open:
            self._scope.cancel()
        elif self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    async def run(self) -> TrioexError | None:
        """Open the connection and hold it until it ends. A connection runs once.

        Returns:
            Why it ended or could not be opened, or None after `stop`.

        Raises:
            Exception: what `deliver` raised.
        """
        timeout = self._config.connect_timeout
        scope = self._scope
        scope.deadline = trio.current_time() + timeout
        with scope:
            try:
                async with open_websocket(
                    self.url,
                    self._receive,
                    dial=self._dial,
                    environment=self._config.environment,
                    max_message_bytes=self._config.max_message_bytes,
                    close_timeout=self._config.close_timeout,
                ) as socket:
                    # The scope must end after the block it was opened around: its deadline is
                    # lifted instead.
                    scope.deadline = math.inf
                    self.is_open = True
                    self._opened_at = trio.current_time()
                    await self._hold(socket)
            except ConnectFailed as error:
                return error
            finally:
                self.is_open = False
        if self._reason is None and scope.cancelled_caught:
            return ConnectFailed(f"{shown(self.url)} could not be opened within {timeout:g} s")
        return self._reason

    # Reading

    async def _receive(self, batch: Batch) -> None:
        self.batches += 1
        self.has_data = self.has_data or self._subscriptions.settled
        self._held_up += 1
        latency = self._latency
        if latency is not None:
            countdown = latency.countdown = latency.countdown - 1
            if countdown < 0 or batch.received > latency.due:
                environment = self._config.environment
                batch = latency.stamp(batch, environment.time_ns(), environment.perf_ns)
        try:
            await self._deliver(self, batch)
        finally:
            self._held_up -= 1
            self._released = trio.current_time()

    # Holding

    async def _hold(self, socket: WebSocket) -> None:
        self._owner.on_open()
        socket.tell_loss(self._lose)
        async with trio.open_nursery() as nursery:
            self._nursery, self._socket = nursery, socket
            if self._is_stopping:
                nursery.cancel_scope.cancel()
            self.wake()
            nursery.start_soon(self._keep_alive, socket)
            if (lifetime := self._owner.lifetime) is not None:
                nursery.start_soon(self._age, lifetime)
            if (patience := self._config.data_timeout) is not None:
                nursery.start_soon(self._watch_data, patience)
            try:
                await socket.wait_closed()
            except ConnectionLost as error:
                self._fail(error)
            finally:
                self._nursery = None
            nursery.cancel_scope.cancel()

    def _fail(self, reason: TrioexError) -> None:
        """The connection is lost: tell it now, clear away after."""
        if self._reason is None:
            self._reason = reason
            self.is_open = False
            self._owner.on_down(self, reason)

    def _lose(self, reason: TrioexError) -> float:
        self._fail(reason)
        return self._owner.leisure

    async def _age(self, lifetime: float) -> None:
        await trio.sleep(lifetime)
        self._owner.on_aged()

    async def _request(self) -> None:
        """Send what the subscriptions want, batched by whoever woke us in the same moment."""
        assert self._socket is not None
        while self.is_open:  # once it is lost, what is wanted is the next connection's to ask for
            requests = self._subscriptions.requests(self._config.environment.time_ns())
            if not requests:
                break
            for request in requests:
                await self._bucket.take()
                if not await self._send(self._socket, request.text):
                    return
                self._subscriptions.sent(request, trio.current_time())
        self._is_asking = False

    async def _keep_alive(self, socket: WebSocket) -> None:
        """Ping at the venue's interval, and call a peer dead that answers nothing.

        A reader that waits for a slow handler reads nothing and proves nothing: the peer is
        judged only by the time in which somebody listened.
        """
        interval = self._config.ping_interval or self._venue.rules.ping_interval
        patience = self._config.pong_timeout
        asked = trio.current_time()
        while True:
            await trio.sleep_until(asked + interval)
            asked = trio.current_time()
            ping = self._venue.ping(self._config.environment.time_ns())
            # A pong that comes so late that it may be of either ping is not measured.
            now = self._config.environment.perf_ns()
            self._pinged = now if self._pinged is None else None
            with trio.move_on_after(patience) as sending:
                if not await self._send(socket, ping):
                    return
            await trio.sleep_until(asked + patience)
            heard = max(socket.last_read, self._released)
            if sending.cancelled_caught or (heard < asked and not self._held_up):
                self._fail(PeerSilent(f"{shown(self.url)}: silent for {patience:g} s after a ping"))
                self._scope.cancel()  # no goodbye to somebody who does not listen

    async def _watch_data(self, patience: float) -> None:
        """Call a peer dead that answers pings and brings no push of what it confirmed."""
        time_ns = self._config.environment.time_ns
        began = time_ns()
        while True:
            await trio.sleep(patience / 4)
            now = time_ns()
            if self._held_up or not self._subscriptions.confirmed:
                began = now  # what nobody reads, and what was not asked for, cannot come
            elif self._owner.is_behind:
                continue  # it may have come and wait behind a slow handler
            elif now - max(self.heard, began) > patience * 1e9:
                self._fail(PeerSilent(f"{shown(self.url)}: no data for {patience:g} s"))
                self._scope.cancel()

    async def _send(self, socket: WebSocket, text: str) -> bool:
        try:
            await socket.send(text)
        except ConnectionLost:  # `_hold` says why
            return False
        return True
