"""LoggingTimer: how long a block or a function took, in the log."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, Protocol, Self, TypeVar, cast

__all__ = ["LoggingTimer"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_log = logging.getLogger("trioex.timer")


class Sink(Protocol):
    """Where a timer tells what it measured."""

    def log(self, level: int, text: str, /, *arguments: Any) -> None:
        """Take one message."""


class LoggingTimer:
    """Measure a block and log how long it took::

        with LoggingTimer("subscribe") as timer:
            ...
        timer.elapsed_ns

    or each call of a function, sync or async::

        @LoggingTimer("requote")
        async def requote(): ...

    It works around `await` too, with plain `with`. It may be used again, and logs each time.

    Args:
        name: what the log calls the block.
        logger: where to: one of `logging`, or a `FastLogger`; `trioex.timer` if not given.
        level: a level of `logging`. A failed block is logged at WARNING at least.

    Attributes:
        elapsed_ns: so far, or of the last block when it is over.
    """

    def __init__(self, name: str, *, logger: Sink | None = None, level: int = logging.INFO) -> None:
        self.name = name
        self._log: Sink = _log if logger is None else logger
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

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Measure each call; of an async function until it has returned."""

        def again() -> LoggingTimer:
            return LoggingTimer(self.name, logger=self._log, level=self._level)

        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def measured_async(*args: _P.args, **kwargs: _P.kwargs) -> Any:
                with again():
                    return await function(*args, **kwargs)

            return cast(Callable[_P, _R], measured_async)

        @wraps(function)
        def measured(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with again():
                return function(*args, **kwargs)

        return measured

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
