"""The server's end of one WebSocket: reads requests, writes frames, and ends in any way asked.

Frames wait in a bounded outbox; a client that lets it overflow is dropped. Below the
WebSocket lies a `Wire`, which knows where frames begin, so that a fault can be placed between
two frames or in the middle of one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal, TypeAlias

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from .board import Frame, Stream
from .faults import Ending, Fault, is_ending
from .outbox import Item, Outbox, RawFrame, Troubles
from .recorded import Player
from .session import Session

__all__ = ["Connection", "How", "Tamper", "Wire"]

How: TypeAlias = Ending
"""The ways a connection can be made to end; see `Simulator.disconnect`."""
Tamper: TypeAlias = "Callable[[Connection, Frame], Iterable[Frame]]"
"""What really is sent instead of a frame."""

REQUESTS = 10_000
"""Requests of a client that are remembered."""
_HANDSHAKE_S = 10.0
_CLOSE_S = 2.0
_FORGOTTEN_S = 3600.0
"""After which not even the network remembers a connection that was left half open."""
_POLITE = frozenset({"close", "linger", "cut"})
"""Endings behind which what was pushed before is still sent."""
_GOING_AWAY = b"\x88\x02\x03\xe9"
_BEGUN = b'\x81\x7e\x01\x00{"time":'


class Wire(trio.abc.Stream):
    """The byte stream below the WebSocket: remembers the last frame, reports what is heard."""

    def __init__(
        self, stream: trio.abc.Stream, heard: Callable[[], None], reads_at: Callable[[], float]
    ) -> None:
        self.raw = stream
        self.whole_frames = trio.Lock()
        """Held while a frame is written."""
        self.last = b""
        self.bytes_sent = 0
        self._heard = heard
        self._reads_at = reads_at
        """When it reads again, by Trio's clock; in the past where it reads."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write one frame."""
        async with self.whole_frames:
            self.last = bytes(data)
            await self.raw.send_all(data)
            self.bytes_sent += len(self.last)

    def half(self) -> bytes:
        """The first half of the last frame, or of one that might have come."""
        is_data = self.last[:1] in {b"\x81", b"\x82"}
        return self.last[: len(self.last) // 2] if is_data else _BEGUN

    async def wait_send_all_might_not_block(self) -> None:
        """Ask the stream below."""
        await self.raw.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Read, and report that the client said something: a ping frame counts, too."""
        data = await self.raw.receive_some(max_bytes)
        if trio.current_time() < self._reads_at():
            await trio.sleep_until(self._reads_at())
        if data:
            self._heard()
        return data

    async def aclose(self) -> None:
        """Close the stream below."""
        await self.raw.aclose()


class Connection:
    """One client.

    Attributes:
        number: counts the connections of a simulator, from 1.
        requests: the text frames it sent, the last 10,000 of `requests_received`.
        frames_sent: pushes and answers written to it.
        slow: whether it was dropped because it did not read.
    """

    def __init__(
        self,
        number: int,
        session: Session | None,
        player: Player | None,
        tamper: Callable[[], Tamper | None],
    ) -> None:
        self.number = number
        self.session = session
        self.requests: deque[str] = deque(maxlen=REQUESTS)
        self.requests_received = 0
        self.frames_sent = 0
        self.slow = False
        self.troubles = Troubles()
        """What is wrong with its pushes."""
        self._player = player
        self._tamper = tamper
        self._outbox = Outbox()
        self._how: How | Literal["gone", "finish"] | None = None
        self._over = trio.Event()
        self._wire: Wire | None = None

    def __repr__(self) -> str:
        state = "OPEN" if self._how is None else self._how.upper()
        return f"<Connection {self.number} {state}, {len(self.topics)} topics>"

    @property
    def topics(self) -> Sequence[str]:
        """The names of its subscriptions, in the venue's words."""
        return () if self.session is None else tuple(self.session.streams)

    @property
    def is_open(self) -> bool:
        """Whether it is served; False as soon as a fault was ordered."""
        return self._how is None

    @property
    def played(self) -> bool:
        """Whether a recording was sent to it whole."""
        return self._how == "finish"

    @property
    def bytes_sent(self) -> int:
        """Bytes written to it after the handshake, the frames' own headers included."""
        return 0 if self._wire is None else self._wire.bytes_sent

    # Orders, all of them at once

    def answer(self, frames: Iterable[Frame]) -> None:
        """Send frames as soon as may be; a client that lets too many wait is dropped."""
        now = trio.current_time()
        for frame in frames:
            for sent in self._tampered(frame):
                self._put(sent, now)

    def push(self, stream: Stream, frames: Iterable[Frame]) -> None:
        """Send the pushes of a stream, as far as nothing is wrong; see `answer`."""
        now = trio.current_time()
        for frame in frames:
            for sent in self._tampered(frame):
                for item, at in self.troubles.pass_on(sent, now, is_chain=stream.is_chain):
                    self._put(item, at)

    def _tampered(self, frame: Frame) -> Iterable[Frame]:
        tamper = self._tamper()
        return (frame,) if tamper is None else tamper(self, frame)

    def end(self, how: How) -> None:
        """End the connection in the given way; the first order counts."""
        self._end(how)

    def suffer(self, fault: Fault) -> None:
        """Let something go wrong with it."""
        if is_ending(fault.kind):
            self._end(fault.kind)
        else:
            self.troubles.begin(fault, trio.current_time())

    def _put(self, item: Item, at: float) -> None:
        if self.is_open and not self._outbox.put(item, at):
            self.slow = True
            self._end("drop")

    def _end(self, how: How | Literal["gone", "finish"]) -> None:
        if self._how is None:
            self._how = how
            self._outbox.close(polite=how in _POLITE)
            self._over.set()

    # Life

    async def run(
        self,
        stream: trio.abc.Stream,
        heard: Callable[[], None],
        opened: Callable[[], None],
        request: Callable[[str], None],
    ) -> None:
        """Serve a client from its handshake to its end; cancelling it leaves the stream open.

        Args:
            stream: whose next bytes are the handshake.
            heard: called when the client sent any bytes.
            opened: called once the WebSocket is open.
            request: called with each text frame.
        """
        self._wire = wire = Wire(stream, heard, lambda: self.troubles.until("slow_reader"))
        async with trio.open_nursery() as nursery:
            websocket = await self._shake_hands(nursery, wire)
            if websocket is not None:
                opened()
                nursery.start_soon(self._read, websocket, request)
                nursery.start_soon(self._write, websocket)
                await self._over.wait()
                with trio.move_on_after(_CLOSE_S):
                    await self._say_goodbye(websocket, wire)
            nursery.cancel_scope.cancel()
        if self._how in {"linger", "silence"}:
            while await stream.receive_some():
                pass
        elif self._how == "half_open":
            await trio.sleep(_FORGOTTEN_S)

    async def _shake_hands(self, nursery: trio.Nursery, wire: Wire) -> WebSocketConnection | None:
        websocket: WebSocketConnection | None = None
        with trio.move_on_after(_HANDSHAKE_S):
            websocket = await (await wrap_server_stream(nursery, wire)).accept()
        wire.bytes_sent = 0
        return websocket

    async def _read(self, websocket: WebSocketConnection, request: Callable[[str], None]) -> None:
        try:
            while True:
                message = await websocket.get_message()
                if isinstance(message, str) and self.is_open:
                    self.requests.append(message)
                    self.requests_received += 1
                    request(message)
        except ConnectionClosed:
            self._end("gone")

    async def _write(self, websocket: WebSocketConnection) -> None:
        try:
            if self._player is not None:
                await self._player.play(partial(self._write_one, websocket))
                self._end("finish")
            while True:
                await self._write_one(websocket, await self._outbox.get())
        except ConnectionClosed:
            self._end("gone")

    async def _write_one(self, websocket: WebSocketConnection, item: Item) -> None:
        if isinstance(item, RawFrame):
            assert self._wire is not None
            await self._wire.send_all(item.data)
        else:
            await websocket.send_message(item)
        self.frames_sent += 1

    async def _say_goodbye(self, websocket: WebSocketConnection, wire: Wire) -> None:
        if self._how in _POLITE and self._player is None:
            await self._outbox.wait_sent()
        if self._how in {"close", "finish"}:
            await websocket.aclose(1001 if self._how == "close" else 1000)
        elif self._how in {"cut", "linger"}:
            # Where a frame may begin; never released, so that nothing more is written.
            await wire.whole_frames.acquire()
            await wire.raw.send_all(_GOING_AWAY if self._how == "linger" else wire.half())
