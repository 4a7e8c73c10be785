"""FastLogger: a log for hot paths. What happens is noted at once and written later.

A call notes the time, the level, the text and its arguments, and returns. A task of its own makes
records of `logging` of them, in a thread, so that neither the formatting nor a slow disk is on
anybody's path. Whatever handlers, filters and formatters the program has configured apply.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import traceback
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeAlias

import trio

__all__ = ["FastLogger", "open_logger"]

_Note: TypeAlias = "tuple[int, int, str, tuple[Any, ...], Any]"
"""Wall time in ns, level, text, arguments, and what makes it special or None."""

_BATCH = 4096
"""Notes written in one go in a thread."""
_SLICE = 32
"""Notes written in one go without one: a third of a millisecond."""
_METRIC = "%s=%s"
_NOWHERE = "(noted)"
"""Where records say they are from: to look for the place would be most of what a note costs."""


def _ignore(*_: object, **__: object) -> None:
    """What a level that is switched off does."""


class FastLogger:
    """Notes what happens, for a task to write it; see `open_logger`.

    To be called in Trio's thread. Arguments are formatted later: give values, not things that
    change meanwhile, such as an order book. A text without arguments is not formatted.

    Attributes:
        debug, info, warning, error: called with a text and its arguments, as those of `logging`;
            an exception may be given as `exc_info=`.
        dropped: notes that found no room, that the end did not wait for, or that came after it.
        written: notes that were written.
    """

    def __init__(
        self,
        logger: logging.Logger,
        *,
        capacity: int,
        threaded: bool,
        time_ns: Callable[[], int],
    ) -> None:
        self.dropped = 0
        self.written = 0
        self._logger = logger
        self._capacity = capacity
        self._time_ns = time_ns
        self._notes: deque[_Note] = deque()
        self._threaded = threaded
        self._wake = trio.Event()
        self._scope = trio.CancelScope(shield=True)
        self._is_closed = False
        self._in_hand = 0
        self._progress = trio.lowlevel.ParkingLot()
        self.level = logger.getEffectiveLevel()

    def __repr__(self) -> str:
        return (
            f"<FastLogger {self._logger.name!r}, {len(self._notes)} waiting, "
            f"{self.written} written, {self.dropped} dropped>"
        )

    @property
    def waiting(self) -> int:
        """Notes that are not written yet."""
        return len(self._notes)

    @property
    def level(self) -> int:
        """What is below is not even noted. At first the level of the logger behind it."""
        return self._level

    @level.setter
    def level(self, level: int) -> None:
        self._level = level
        self.debug, self.info, self.warning, self.error = (
            _ignore if each < level else self._drop if self._is_closed else self._noter(each)
            for each in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
        )

    def log(self, level: int, text: str, *arguments: Any) -> None:
        """Note at any level."""
        if level >= self._level:
            self._note(level, text, arguments, None)

    def metric(self, name: str, value: float) -> None:
        """Note a figure, at INFO: a record `name=value` with the attributes `metric`, `value`."""
        if self._level <= logging.INFO:
            self._note(logging.INFO, _METRIC, (name, value), {"metric": name, "value": value})

    def exception(self, text: str, *arguments: Any) -> None:
        """Note an error, and the exception that is being handled."""
        if self._level <= logging.ERROR:
            self._note(logging.ERROR, text, arguments, sys.exc_info())

    def _note(self, level: int, text: str, arguments: tuple[Any, ...], special: Any) -> None:
        if self._is_closed or len(self._notes) >= self._capacity:
            self.dropped += 1
            return
        self._wake.set()
        self._notes.append((self._time_ns(), level, text, arguments, special))

    def _noter(self, level: int) -> Callable[..., None]:
        """`_note` for one level, written out: its names are bound once, not looked up each time."""
        notes, capacity, time_ns = self._notes, self._capacity, self._time_ns
        append = notes.append

        def note(text: str, *arguments: Any, exc_info: BaseException | None = None) -> None:
            waiting = len(notes)
            if not waiting:
                self._wake.set()
            elif waiting >= capacity:
                self.dropped += 1
                return
            append((time_ns(), level, text, arguments, exc_info))

        return note

    def _drop(self, *_: object, **__: object) -> None:
        """Count what comes after the end."""
        self.dropped += 1

    # The task behind it

    async def run(self) -> None:
        """Write what is noted, until `close` and its deadline.

        Shielded: what was noted before a cancellation is written, within that deadline.
        """
        with self._scope:
            while True:
                while self._notes:
                    await self._write()
                if self._is_closed:
                    await self._tell_what_was_dropped()
                    break
                self._wake = trio.Event()
                await self._wake.wait()
        self.dropped += len(self._notes)
        self._notes.clear()
        self._progress.unpark_all()

    async def flush(self) -> None:
        """Wait until what is noted by now is written, or given up at the end of the log.

        Cancelled, it stops waiting; what is noted is written all the same.
        """
        await trio.lowlevel.checkpoint()
        waited_for = self.written + self._in_hand + len(self._notes)
        while (self._notes or self._in_hand) and self.written < waited_for:
            await self._progress.park()

    def close(self, timeout: float) -> None:
        """Take nothing more, and let `run` end when all is written, or after `timeout` seconds."""
        self._is_closed = True
        self.level = self._level
        self._scope.deadline = trio.current_time() + timeout
        self._wake.set()

    async def _tell_what_was_dropped(self) -> None:
        if self.dropped:
            text, arguments = "%d notes were dropped; %d may wait", (self.dropped, self._capacity)
            self._notes.append((self._time_ns(), logging.WARNING, text, arguments, None))
            await self._write()

    async def _write(self) -> None:
        notes = self._notes
        most = _BATCH if self._threaded else _SLICE
        batch = [notes.popleft() for _ in range(min(len(notes), most))]
        self._in_hand = len(batch)
        try:
            if self._threaded:
                # Nothing but the deadline of the end cancels it: no two threads ever write.
                await trio.to_thread.run_sync(self._write_all, batch, abandon_on_cancel=True)
            else:
                self._write_all(batch)
        except trio.Cancelled:
            self.dropped += len(batch)
            raise
        else:
            self.written += len(batch)
        finally:
            self._in_hand = 0
            self._progress.unpark_all()
        if not self._threaded:
            await trio.lowlevel.checkpoint()

    def _write_all(self, batch: list[_Note]) -> None:
        for note in batch:
            try:
                self._logger.handle(self._record(*note))
            except Exception:  # noqa: BLE001  a filter may raise anything; the others go on
                if logging.raiseExceptions:
                    traceback.print_exc()

    def _record(
        self, at: int, level: int, text: str, arguments: tuple[Any, ...], special: Any
    ) -> logging.LogRecord:
        is_metric = text is _METRIC
        extra, error = (special, None) if is_metric else (None, special)
        if isinstance(error, BaseException):
            error = (type(error), error, error.__traceback__)
        logger = self._logger
        record = logger.makeRecord(
            logger.name, level, _NOWHERE, 0, text, arguments, error, extra=extra
        )
        record.relativeCreated += at / 1e6 - record.created * 1e3
        record.created = at / 1e9
        record.msecs = at // 1_000_000 % 1000
        return record


@contextlib.asynccontextmanager
async def open_logger(
    name: str | logging.Logger = "trioex",
    *,
    capacity: int = 65_536,
    close_timeout: float = 1.0,
    threaded: bool = True,
    time_ns: Callable[[], int] = time.time_ns,
) -> AsyncGenerator[FastLogger]:
    """Open a log for hot paths; leaving the block writes what waits::

        async with open_logger("strategy") as log:
            log.info("filled %s at %s", quantity, price)
            log.metric("edge_bp", 1.7)

    Nothing is lost up to `capacity` notes that wait; beyond, new ones are dropped and counted in
    `dropped`, and a warning says how many when the block is left.

    Args:
        name: of the logger of `logging` that writes, or that logger.
        capacity: notes that may wait.
        close_timeout: seconds to write what waits in the end, also when cancelled.
        threaded: write in a thread. Without one it is done in short slices between other tasks:
            for virtual clocks, which do not wait for threads.
        time_ns: wall time.
    """
    logger = logging.getLogger(name) if isinstance(name, str) else name
    log = FastLogger(logger, capacity=capacity, threaded=threaded, time_ns=time_ns)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.run)
        try:
            yield log
        except Exception as error:  # noqa: BLE001 - raised again below, as it is
            failure = error
        finally:
            log.close(close_timeout)
    if failure is not None:
        # Outside the nursery, which would wrap what the block raised into a group.
        raise failure
