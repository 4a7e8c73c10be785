"""A two-way stream in memory with a bound, so that a slow reader stops the writer.

The contract is that of a TCP stream: bytes keep their order, a write waits while the pipe is
full, the end of one side is the end of the file for the other. Nothing waits for a clock.
"""

from __future__ import annotations

import operator
from collections.abc import Generator
from contextlib import contextmanager

import trio

__all__ = ["CAPACITY", "MemoryStream", "memory_stream_pair"]

CAPACITY = 1 << 16
"""Bytes one direction holds before a write waits."""


class _Pipe:
    """One direction. Each end is used by one task at a time."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._parked = trio.lowlevel.ParkingLot()
        self._finished = False
        self._abandoned = False
        self._busy: set[str] = set()

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        with self._alone("send"):
            await trio.lowlevel.checkpoint()
            self._check_open()
            view = memoryview(data)
            while view:
                await self._wait_for_room()
                room = CAPACITY - len(self._data)
                self._data += view[:room]
                view = view[room:]
                self._parked.unpark_all()

    async def wait_for_room(self) -> None:
        with self._alone("send"):
            await trio.lowlevel.checkpoint()
            await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        while len(self._data) >= CAPACITY and not (self._finished or self._abandoned):
            await self._parked.park()
        self._check_open()

    async def receive(self, most: int) -> bytes:
        with self._alone("receive"):
            await trio.lowlevel.checkpoint()
            while not self._data and not (self._finished or self._abandoned):
                await self._parked.park()
            if self._abandoned:
                raise trio.ClosedResourceError
            data = bytes(self._data[:most])
            del self._data[:most]
            self._parked.unpark_all()
            return data

    async def send_eof(self) -> None:
        with self._alone("send"):
            await trio.lowlevel.checkpoint()
            if self._abandoned:
                self._check_open()
            self.finish()

    def finish(self) -> None:
        """The writer is done: what is in the pipe can still be read."""
        self._finished = True
        self._parked.unpark_all()

    def abandon(self) -> None:
        """The reader is gone."""
        self._abandoned = True
        self._data.clear()
        self._parked.unpark_all()

    def _check_open(self) -> None:
        if self._finished:
            raise trio.ClosedResourceError
        if self._abandoned:
            raise trio.BrokenResourceError("the other side is closed")

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
        most = CAPACITY if max_bytes is None else operator.index(max_bytes)
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


def memory_stream_pair() -> tuple[MemoryStream, MemoryStream]:
    """Two connected streams: what one sends, the other receives."""
    there, back = _Pipe(), _Pipe()
    return MemoryStream(there, back), MemoryStream(back, there)
