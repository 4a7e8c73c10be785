"""The frame channel: between the tasks that read sockets and the one that routes.

Bounded in bytes of memory: a small frame costs more than what is in it. Up to the bound a
reader waits for nobody, so pings are answered however slow a handler is; at the bound reading
pauses, which is the one honest meaning of lossless.

While the router waits for a full queue, control frames are taken out of what waits and
handled at once: a handler at work may be waiting for just that answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

from .frames import Batch

__all__ = ["FrameChannel", "cost"]

S = TypeVar("S")

_BATCH_BYTES = 270
_FRAME_BYTES = 50
"""What a batch and each frame in it take beside their content: objects, headers and slots."""


def cost(batch: Batch) -> int:
    """About how many bytes of memory a batch takes while it waits."""
    return batch.size + _BATCH_BYTES + _FRAME_BYTES * len(batch.frames)


class FrameChannel(Generic[S]):
    """Batches and who read them, from many readers to one router.

    Args:
        bound: bytes that may wait, as `cost` counts them; one batch larger than this is let
            through alone.
        on_half: called with the waiting bytes each time they grow past half of the bound.
        sieve: takes out of a batch what need not wait.

    Attributes:
        waiting: bytes sent and not yet routed, as `cost` counts them.
        peak: the most that ever waited.
        is_sieving: whether the router waits, and control frames do not.
    """

    def __init__(
        self,
        bound: int,
        on_half: Callable[[int], None],
        sieve: Callable[[Batch, S], None],
    ) -> None:
        self._bound = bound
        self._on_half = on_half
        self._sieve = sieve
        self._half_told = False
        # A sieve makes batches smaller; what it leaves is counted as it came.
        self._batches: deque[tuple[S, Batch, int]] = deque()
        self._routing = 0
        """What the batch costs that is being routed; 0 while none is."""
        self._arrival = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self._closed = False
        self._unsieved = 0
        self.is_sieving = False
        self.waiting = 0
        self.peak = 0

    @property
    def is_empty(self) -> bool:
        """Whether everything that was sent has been routed."""
        return not (self._batches or self._routing)

    async def send(self, source: S, batch: Batch) -> None:
        """Hand over one batch; waits only at the bound. Cancelled while waiting, it sends nothing.

        Not a checkpoint when there is room.
        """
        while self.waiting and self.waiting + cost(batch) > self._bound:
            await self._room.park()
        self.send_nowait(source, batch)

    def send_nowait(self, source: S, batch: Batch) -> None:
        """Hand over one batch whatever waits."""
        if self.is_sieving:
            self._sieve(batch, source)
        else:
            self._unsieved += 1
        bytes_ = cost(batch)
        self.waiting += bytes_
        self.peak = max(self.peak, self.waiting)
        self._batches.append((source, batch, bytes_))
        if self.waiting * 2 < self._bound:
            self._half_told = False
        elif not self._half_told:
            self._half_told = True
            self._on_half(self.waiting)
        if self._arrival:
            self._arrival.unpark()

    def sieve_all(self) -> None:
        """The router begins to wait: handle the control frames of all that waits behind it."""
        self.is_sieving = True
        # The newest alone: behind a slow handler this is called for each message.
        newest = min(self._unsieved, len(self._batches))
        self._unsieved = 0
        for index in range(-newest, 0):
            source, batch, _ = self._batches[index]
            self._sieve(batch, source)

    async def receive(self) -> tuple[S, Batch]:
        """Return the next batch; raises `trio.EndOfChannel` after `close` when all were had."""
        await trio.lowlevel.checkpoint()  # others run, too, while a backlog is worked off
        while not self._batches:
            if self._closed:
                raise trio.EndOfChannel
            await self._arrival.park()
        source, batch, self._routing = self._batches.popleft()
        return source, batch

    def routed(self) -> None:
        """The batch that was received last was routed to its end: its bytes are room again."""
        self.waiting -= self._routing
        self._routing = 0
        self._room.unpark_all()

    def close(self) -> None:
        """No batch will come any more; what waits is still to be had."""
        self._closed = True
        self._arrival.unpark_all()
