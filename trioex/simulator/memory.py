"""A two-way stream in memory with a bound, so that a slow reader stops the writer.

The contract is that of a TCP stream: bytes keep their order, a write waits while the pipe is
full, the end of one side is the end of the file for the other. Bytes and ends arrive at once,
or, with a delay, so much later by Trio's clock.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias

import trio

__all__ = ["CAPACITY", "Delay", "MemoryStream", "memory_stream_pair"]

CAPACITY = 1 << 16
"""Bytes one direction holds before a write waits."""
_LONG_CAPACITY = 1 << 20
"""The same with a delay, where what is under way takes its room, too."""

Delay: TypeAlias = Callable[[], float]
"""Seconds that what is written now is under way."""


class _Pipe:
    """One direction. Each end is used by one task at a time."""

    def __init__(self, delay: Delay | None) -> None:
        self.capacity = CAPACITY if delay is None else _LONG_CAPACITY
        self._delay = delay
        self._under_way: deque[tuple[float, bytes]] = deque()
        """Chunks and when they arrive, but never before the one ahead; an empty one is the end."""
        self._arrived = bytearray()
        self._size = 0
        """Bytes that were written and not read."""
        self._parked = trio.lowlevel.ParkingLot()
        self._finished = self._ended = self._abandoned = False
        """The writer is done; the reader knows it; the reader is gone."""
        self._refused_at = 0.0
        """When the writer knows that the reader is gone."""
        self._busy: set[str] = set()

    # Writing

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        with self._alone("send"):
            await trio.lowlevel.checkpoint()
            self._check_open()
            view = memoryview(data)
            while view:
                await self._wait_for_room()
                part = view[: self.capacity - self._size]
                view = view[len(part) :]
                if not self._abandoned:
                    self._size += len(part)
                    self._put(bytes(part))

    async def wait_for_room(self) -> None:
        with self._alone("send"):
            await trio.lowlevel.checkpoint()
            await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        if self._size >= self.capacity:
            while self._size >= self.capacity and not (self._finished or self._abandoned):
                await self._parked.park()
            if self._abandoned:
                await trio.sleep_until(self._refused_at)
        self._check_open()

    async def send_eof(self) -> None:
        with self._alone("send"):
            await trio.lowlevel.checkpoint()
            if self._abandoned:
                self._check_open()
            self.finish()

    def finish(self) -> None:
        """The writer is done: what is in the pipe can still be read."""
        if not self._finished:
            self._finished = True
            self._put(b"")

    def _put(self, chunk: bytes) -> None:
        arrival = trio.current_time()
        if self._delay is not None:
            arrival += self._delay()
        self._under_way.append((arrival, chunk))
        self._parked.unpark_all()

    def _check_open(self) -> None:
        if self._finished:
            raise trio.ClosedResourceError
        if self._abandoned and trio.current_time() >= self._refused_at:
            raise trio.BrokenResourceError("the other side is closed")

    # Reading

    async def receive(self, most: int) -> bytes:
        with self._alone("receive"):
            await trio.lowlevel.checkpoint()
            await self._wait_for_arrival()
            if self._abandoned:
                raise trio.ClosedResourceError
            data = bytes(self._arrived[:most])
            del self._arrived[:most]
            self._size -= len(data)
            self._parked.unpark_all()
            return data

    async def _wait_for_arrival(self) -> None:
        while not self._abandoned:
            while self._under_way and self._under_way[0][0] <= trio.current_time():
                _, chunk = self._under_way.popleft()
                self._arrived += chunk
                self._ended = not chunk
            if self._arrived or self._ended:
                return
            if self._under_way:
                with trio.move_on_at(self._under_way[0][0]):
                    await self._parked.park()
            else:
                await self._parked.park()

    def abandon(self) -> None:
        """The reader is gone."""
        if not self._abandoned:
            self._abandoned = True
            self._refused_at = trio.current_time()
            if self._delay is not None:
                self._refused_at += self._delay()
            self._arrived.clear()
            self._under_way.clear()
            self._size = 0
            self._parked.unpark_all()

    @contextmanager
    def _alone(self, what: str) -> Generator[None]:
        if what in self._busy:
            raise trio.BusyResourceError(f"another task is in {what} on this stream")
        self._busy.add(what)
        try:
            yield
        finally:
            self._busy.remove(what)


class MemoryStream(trio.abc.HalfCloseableStream):
    """One end of a `memory_stream_pair`."""

    def __init__(self, outgoing: _Pipe, incoming: _Pipe) -> None:
        self._outgoing = outgoing
        self._incoming = incoming

    @property
    def capacity(self) -> int:
        """Bytes that can be written before a write waits for the reader."""
        return self._outgoing.capacity

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write; waits while the other side does not read.

        Raises:
            trio.BrokenResourceError: the other side is closed.
            trio.ClosedResourceError: this side is closed, or was told it sends no more.
        """
        await self._outgoing.send(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room for at least one byte; raises like `send_all`."""
        await self._outgoing.wait_for_room()

    async def send_eof(self) -> None:
        """Say that this side sends no more; it can still read."""
        await self._outgoing.send_eof()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Read what is there, at most `max_bytes`; empty at the end of the file."""
        most = self._incoming.capacity if max_bytes is None else operator.index(max_bytes)
        if most < 1:
            raise ValueError(f"max_bytes={max_bytes!r} must be at least 1")
        return await self._incoming.receive(most)

    async def aclose(self) -> None:
        """Close both directions; the other side can still read what was written."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close both directions at once."""
        self._outgoing.finish()
        self._incoming.abandon()


def memory_stream_pair(
    there: Delay | None = None, back: Delay | None = None
) -> tuple[MemoryStream, MemoryStream]:
    """Two connected streams: what one sends, the other receives.

    Args:
        there: how long what the first one sends is under way; None for no time.
        back: the same for what the second one sends.
    """
    one, other = _Pipe(there), _Pipe(back)
    return MemoryStream(one, other), MemoryStream(other, one)
