"""Lines to stdout, written in a thread: an output that was stopped holds up nothing else."""

from __future__ import annotations

import io
import math
import sys
from typing import Any

import trio

__all__ = ["WAITING", "write_lines"]

WAITING = 1000
"""Lines that wait to be written; as many are written at once."""


async def write_lines(
    receive: trio.MemoryReceiveChannel[str],
    count: int | None = None,
    scope: trio.CancelScope | None = None,
) -> None:
    """Write what comes, as much at once as waits; after `count` lines cancel the scope.

    Cancelling it abandons the thread; a line may be cut.

    Raises:
        OSError: the output cannot be written.
    """
    left = math.inf if count is None else count
    sys.stdout.flush()
    # Below Python's buffer: a thread that is left behind must not hold its lock at exit.
    output: Any = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
    async for first in receive:
        lines = [first]
        while len(lines) < min(left, WAITING):
            try:
                lines.append(receive.receive_nowait())
            except (trio.WouldBlock, trio.EndOfChannel):
                break
        text = "".join(f"{line}\n" for line in lines)
        await trio.to_thread.run_sync(_write_all, output, text.encode(), abandon_on_cancel=True)
        left -= len(lines)
        if left <= 0:
            if scope is not None:
                scope.cancel()
            return


def _write_all(output: io.RawIOBase, data: bytes) -> None:
    while data:
        written = output.write(data)
        if written is None:
            raise BlockingIOError("the output does not block, and takes nothing now")
        data = data[written:]
