"""LoggingTimer: how long a block took, in the log."""

from __future__ import annotations

import logging
import time
from types import TracebackType
from typing import Self

__all__ = ["LoggingTimer"]

_log = logging.getLogger("trioex.timer")


class LoggingTimer:
    """Measure a block and log how long it took::

        with LoggingTimer("subscribe") as timer:
            ...
        timer.elapsed_ns

    It works around `await` too, with plain `with`. It may be used again, and logs each time.

    Args:
        name: what the log calls the block.
        logger: where to; `trioex.timer` if not given.
        level: a level of `logging`. A failed block is logged at WARNING at least.

    Attributes:
        elapsed_ns: so far, or of the last block when it is over.
    """

    def __init__(
        self, name: str, *, logger: logging.Logger | None = None, level: int = logging.INFO
    ) -> None:
        self.name = name
        self._log = logger or _log
        self._level = level
        self._start: int | None = None
        self._elapsed = 0

    def __repr__(self) -> str:
        state = "RUNNING" if self._start is not None else "STOPPED"
        return f"<LoggingTimer {self.name!r} {state} {self.elapsed * 1e3:.3f} ms>"

    @property
    def elapsed_ns(self) -> int:
        """Nanoseconds so far, or of the last block."""
        return self._elapsed if self._start is None else time.perf_counter_ns() - self._start

    @property
    def elapsed(self) -> float:
        """The same in seconds."""
        return self.elapsed_ns / 1e9

    def __enter__(self) -> Self:
        self._start = time.perf_counter_ns()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._elapsed = self.elapsed_ns
        self._start = None
        if exc_type is None:
            self._log.log(self._level, "%s took %.3f ms", self.name, self._elapsed / 1e6)
        else:
            level = max(self._level, logging.WARNING)
            self._log.log(
                level,
                "%s failed after %.3f ms: %s",
                self.name,
                self._elapsed / 1e6,
                exc_type.__name__,
            )
