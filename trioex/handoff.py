"""The frame channel: between the tasks that read sockets and the one that routes.

Bounded in bytes. Up to the bound a reader waits for nobody, so pings are answered however
slow a handler is; at the bound reading pauses, which is the one honest meaning of lossless.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import trio

from .frames import Batch

__all__ = ["FrameChannel"]

S = TypeVar("S")


class FrameChannel(Generic[S]):
    """Batches and who read them, from many readers to one router.

    Args:
        bound: bytes that may wait; one batch larger than this is let through alone.
        on_half: called with the waiting bytes each time they grow past half of the bound.
    """

    def __init__(self, bound: int, on_half: Callable[[int], None]) -> None:
        self._bound = bound
        self._on_half = on_half
        self._half_told = False
        self._room: trio.Event | None = None
        self._send, self._receive = trio.open_memory_channel[tuple[S, Batch]](float("inf"))
        self._unrouted = 0
        self.waiting = 0
        """Bytes sent and not yet routed."""
        self.peak = 0
        """The most that ever waited."""

    async def send(self, source: S, batch: Batch) -> None:
        """Hand over one batch; waits only at the bound. Cancelled while waiting, it sends nothing.

        Not a checkpoint when there is room.
        """
        while self.waiting and self.waiting + batch.size > self._bound:
            if self._room is None:
                self._room = trio.Event()
            await self._room.wait()
        self.send_nowait(source, batch)

    def send_nowait(self, source: S, batch: Batch) -> None:
        """Hand over one batch whatever waits."""
        self.waiting += batch.size
        self.peak = max(self.peak, self.waiting)
        if self.waiting * 2 < self._bound:
            self._half_told = False
        elif not self._half_told:
            self._half_told = True
            self._on_half(self.waiting)
        self._unrouted += 1
        self._send.send_nowait((source, batch))

    @property
    def is_empty(self) -> bool:
        """Whether everything that was sent has been routed."""
        return self._unrouted == 0

    async def receive(self) -> tuple[S, Batch]:
        """Return the next batch; raises `trio.EndOfChannel` after `close` when all were had."""
        return await self._receive.receive()

    def routed(self, batch: Batch) -> None:
        """The batch was routed to its end: its bytes are room again."""
        self.waiting -= batch.size
        self._unrouted -= 1
        if self._room is not None:
            self._room.set()
            self._room = None

    def close(self) -> None:
        """No batch will come any more; what waits is still to be had."""
        self._send.close()
