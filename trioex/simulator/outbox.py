"""What waits to be sent to one client: frames, each not before its time, in bounded number.

Frames that may leave at the same moment leave in the order in which they were put. What a
fault does to pushes is done here, on their way in.
"""

from __future__ import annotations

import heapq
from collections import Counter
from typing import TypeAlias

import attrs
import trio

from .board import Frame
from .faults import LASTING, Fault

__all__ = ["OUTBOX", "Item", "Outbox", "RawFrame", "Troubles"]

OUTBOX = 2048
"""Frames that wait for a client to read."""


@attrs.frozen
class RawFrame:
    """Bytes to be sent where a frame may begin, as they are."""

    data: bytes


Item: TypeAlias = Frame | RawFrame

_BROKEN_FRAME = RawFrame(b"\xf3\x04junk")
"""All reserved bits, and an opcode that does not exist."""


class Outbox:
    """The queue between the exchange and the task that writes to one client."""

    def __init__(self) -> None:
        self._items: list[tuple[float, int, Item]] = []
        self._put = 0
        self._closed = False
        self._more = trio.lowlevel.ParkingLot()
        self._sent = trio.Event()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item, at: float) -> bool:
        """Put something in that may leave at `at` of Trio's clock; False where it is full."""
        if len(self._items) >= OUTBOX:
            return False
        if not self._closed:
            self._put += 1
            heapq.heappush(self._items, (at, self._put, item))
            self._more.unpark_all()
        return True

    async def get(self) -> Item:
        """The next thing to send, once its time has come."""
        while True:
            if self._items and self._items[0][0] <= trio.current_time():
                return heapq.heappop(self._items)[2]
            if self._closed:
                self._sent.set()
            if self._items:
                with trio.move_on_at(self._items[0][0]):
                    await self._more.park()
            else:
                await self._more.park()

    def close(self, *, polite: bool) -> None:
        """Take nothing more, and forget what is in it, or only what may not leave yet."""
        self._closed = True
        now = trio.current_time()
        self._items = [each for each in self._items if polite and each[0] <= now]
        heapq.heapify(self._items)
        self._more.unpark_all()

    async def wait_sent(self) -> None:
        """Wait until what `close` has left was sent."""
        await self._sent.wait()


class Troubles:
    """What is wrong with the pushes to one connection. Times are of Trio's clock."""

    def __init__(self) -> None:
        self._lasting: dict[str, tuple[float, Fault]] = {}
        self._counts: Counter[str] = Counter()
        self._held: list[Item] = []
        self._last = 0.0

    def begin(self, fault: Fault, now: float) -> None:
        """Something goes wrong from now on."""
        if fault.kind in LASTING:
            self._lasting[fault.kind] = now + fault.duration, fault
        else:
            self._counts[fault.kind] += fault.count

    def until(self, kind: str) -> float:
        """When something ends or ended."""
        return self._lasting[kind][0] if kind in self._lasting else 0.0

    def pass_on(self, frame: Frame, now: float, *, is_chain: bool) -> list[tuple[Item, float]]:
        """What is really sent instead of a push, and when it may leave."""
        if not self._lasting and not self._counts and not self._held:
            return [(frame, max(now, self._last))]
        late = self._lasting["delay"][1].delay if now < self.until("delay") else 0.0
        # A late push holds up those behind it: they are pushed in order.
        self._last = at = max(self._last, now + late)
        if now < self.until("mute") or (is_chain and self._takes("lost_delta")):
            return []
        return [(each, at) for each in self._spoil(frame)]

    def _spoil(self, frame: Frame) -> list[Item]:
        if not self._held and self._takes("reorder"):
            self._held.append(frame)
            return []
        item: Item = frame
        if self._takes("garbage_frame"):
            item = _BROKEN_FRAME
        elif self._takes("garbage"):
            # So much of it is left that a reader still finds out what it is about.
            item = frame[: len(frame) * 2 // 3]
        copies = [item, item] if self._takes("duplicate") else [item]
        held, self._held = self._held, []
        return [*copies, *held]

    def _takes(self, kind: str) -> bool:
        if not self._counts[kind]:
            return False
        self._counts[kind] -= 1
        return True
