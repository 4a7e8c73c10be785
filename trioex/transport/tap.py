"""What lies between a byte stream and trio-websocket, and takes the data out.

trio-websocket reads from a `FrameTap` as from any stream. It gets the HTTP response and the
control frames: the handshake, pings and the closing handshake are its work. Data messages it
never sees: the tap delivers them, in batches, from within `receive_some`, so in the task that
reads and in the order of the wire.

The tap is also where the end of a connection is noticed, however it comes: `loss` is the first
reason, `ended` the event. What trio-websocket makes of it afterwards does not matter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias

import trio

from ..errors import ConnectFailed, ConnectionLost, FrameError, HandshakeRejected
from ..frames import Batch, Close, Event, FrameSplitter
from .handshake import read_head, retry_after

__all__ = ["Deliver", "FrameTap"]

Deliver: TypeAlias = Callable[[Batch], Awaitable[None]]
"""Called with each batch, in order, by the task that reads; reading waits until it returns."""


_LEISURE_S = 0.005
"""How long clearing away waits at the most for somebody who takes over."""


class FrameTap(trio.abc.Stream):
    """A stream for trio-websocket that keeps the data for itself.

    Args:
        stream: the open connection.
        deliver: gets the batches.
        url: for messages.
        time_ns: wall time.
        max_message_bytes: of one message.

    Attributes:
        opened: whether the WebSocket handshake succeeded.
        closing: set by our side before it closes; an end is no loss then.
        ended: set when the connection has come to its end, by whomever.
        finished: set when nothing of ours is left to send to the peer.
        loss: why it ended, or None as long as it has not, or by our own wish.
        close: the peer's Close frame.
        last_read: `trio.current_time()` when bytes were last read.
        on_loss: called with `loss` by the task that reads, the moment it reads the end, before
            anything is answered or cleared away; returns for how many seconds that may wait.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        deliver: Deliver,
        *,
        url: str,
        time_ns: Callable[[], int],
        max_message_bytes: int,
    ) -> None:
        self.opened = self.closing = False
        self.ended = trio.Event()
        self.finished = trio.Event()
        self.loss: ConnectFailed | ConnectionLost | None = None
        self.close: Close | None = None
        self.last_read = trio.current_time()
        self.on_loss: Callable[[ConnectionLost], float] | None = None
        self._stream = stream
        self._deliver = deliver
        self._url = url
        self._time_ns = time_ns
        self._head: bytearray | None = bytearray()
        self._splitter = FrameSplitter(max_message_bytes)
        self._events: deque[Event] = deque()
        self._waiting: set[trio.CancelScope] = set()
        self._answering = self._exhausted = self._torn = False

    def __repr__(self) -> str:
        state = "ENDED" if self.ended.is_set() else "OPEN" if self.opened else "OPENING"
        return f"<FrameTap {state} {self._url}>"

    # Reading

    async def receive_some(self, max_bytes: int | None = None) -> bytes:  # noqa: ARG002
        """Return what trio-websocket is to see next; data is delivered on the way.

        Args:
            max_bytes: not looked at: what passes is one control frame, or the response.
        """
        if self._head is not None:
            return await self._receive_head(self._head)
        self.opened = True  # it came back for more, so it liked the response
        while not self._exhausted:
            while self._events:
                event = self._events.popleft()
                if isinstance(event, Batch):
                    await self._deliver(event)
                elif isinstance(event, bytes):
                    await trio.lowlevel.checkpoint()
                    return event
                else:
                    return await self._answer(event)
            if self._answering:
                self._exhausted = True  # it came back for more, so it answered
                self.finished.set()
            elif data := await self._read():
                self._events.extend(self._splitter.feed(data, self._time_ns()))
        await trio.lowlevel.checkpoint()
        return b""

    async def _receive_head(self, buffer: bytearray) -> bytes:
        """Return the 101 response; what stands behind it are frames already."""
        while data := await self._read():
            buffer += data
            try:
                head = read_head(buffer, self._url)
            except ConnectFailed as failure:
                self.end(failure)
                break
            if head is None:
                continue
            now = self._time_ns()
            if head.status != 101:
                self.end(HandshakeRejected(self._url, head.status, retry_after(head, now)))
                break
            self._head = None
            self._events.extend(self._splitter.feed(bytes(buffer[head.end :]), now))
            return bytes(buffer[head.begin : head.end])
        return b""

    async def _read(self) -> bytes:
        cause: Exception | None = None
        try:
            data = bytes(await self._stream.receive_some())
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            data, cause = b"", error
        if data:
            self.last_read = trio.current_time()
        else:
            self._exhausted = True
            what = f"{self._url} ended the connection without a word"
            if cause is not None:
                what = f"the connection to {self._url} broke: {cause}"
            await self._lose(self._broken(what, cause))
            self.finished.set()
        return data

    async def _answer(self, event: Close | FrameError) -> bytes:
        """Note that the peer ends the connection; return the Close that is to be answered."""
        self._answering = True
        if isinstance(event, FrameError):
            message = f"{self._url} broke the protocol: {event}"
            await self._lose(FrameError(message, event.close_code))
            return _close_frame(event)
        self.close = event
        words = f" {event.reason!r}" if event.reason else ""
        code = "" if event.code is None else f" with {event.code}{words}"
        message = f"{self._url} closed the connection{code}"
        await self._lose(ConnectionLost(message, event.code, event.reason))
        return event.frame

    async def _lose(self, loss: ConnectFailed | ConnectionLost) -> None:
        """Tell the loss, and let whoever takes over go first.

        To answer and to clear away takes more time than to ask for everything elsewhere, and
        keeps the processor from those who are to answer that.
        """
        try:
            # What was read before is routed before, unless somebody is slow: in the first turn.
            for _ in range(2):
                await trio.lowlevel.checkpoint()
            is_news = not (self.closing or self.ended.is_set())
            if is_news and self.on_loss is not None and isinstance(loss, ConnectionLost):
                await trio.sleep(min(self.on_loss(loss), _LEISURE_S))
        finally:
            self.end(loss)

    # Ending

    def end(self, loss: ConnectFailed | ConnectionLost | None) -> None:
        """Record that the connection has ended, and why. Only the first reason counts."""
        if not self.ended.is_set():
            self.loss = None if self.closing else loss
            self.ended.set()
            for scope in self._waiting:
                scope.cancel()

    def _break(self, message: str, cause: BaseException | None = None) -> None:
        self.end(self._broken(message, cause))
        self.finished.set()

    def _broken(self, message: str, cause: BaseException | None) -> ConnectFailed | ConnectionLost:
        loss = ConnectionLost(message) if self.opened else ConnectFailed(message)
        loss.__cause__ = cause
        return loss

    @contextmanager
    def cancels(self, scope: trio.CancelScope) -> Generator[None, None, None]:
        """Cancel `scope` if the connection ends within the block.

        For what would wait for ever otherwise.
        """
        if self.ended.is_set():
            scope.cancel()
        self._waiting.add(scope)
        try:
            yield
        finally:
            self._waiting.discard(scope)

    # Sending

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes of trio-websocket's. A send cut short ends the connection.

        Half a frame on the wire cannot be taken back, so nothing may follow it.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._torn:
            raise trio.BrokenResourceError("an earlier send broke off")
        self._torn = True
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._break(f"the connection to {self._url} broke: {error}", error)
            raise
        except trio.Cancelled:
            self._break(f"a send to {self._url} was cancelled before all of it was sent")
            raise
        self._torn = False

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the stream below takes more."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream below."""
        await self._stream.aclose()


def _close_frame(violation: FrameError) -> bytes:
    """Write the Close that lets trio-websocket send ours.

    It answers a Close with the same code and words, and has no other way to say them without
    waiting for the peer's.
    """
    reason = str(violation).encode()[:100].decode(errors="ignore").encode()
    payload = violation.close_code.to_bytes(2, "big") + reason
    return bytes((0x88, len(payload))) + payload
