"""On stderr: what happens to connections, and the library's warnings where no event tells them."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from ..events import Connected, ConnectionEvent, Disconnected
from .outcomes import report
from .text import event_line

__all__ = ["EventLog", "library_warnings"]

_UNTOLD = frozenset({"trioex.router", "trioex.registry"})


class EventLog:
    """Reports what happens to the connections, from the first one that is open.

    Args:
        tells_failures: report before that, too, why there is none: each reason once in a row.

    Attributes:
        failure: why there is none so far.
        has_begun: whether there was one.
    """

    def __init__(self, *, tells_failures: bool = False) -> None:
        self.failure = "no answer"
        self.has_begun = False
        self._tells_failures = tells_failures
        self._has_failed = False

    @property
    def outage(self) -> str:
        """That there is no connection, and why; empty while there may be one, or was."""
        if self.has_begun or not self._has_failed:
            return ""
        return f"there is no connection: {self.failure}"

    def __call__(self, event: ConnectionEvent) -> None:
        """Report an event."""
        self.has_begun = self.has_begun or isinstance(event, Connected)
        if self.has_begun:
            report(event_line(event))
        elif isinstance(event, Disconnected):
            if self._tells_failures and self.failure != event.reason:
                report(event_line(event))
            self.failure = event.reason
            self._has_failed = True


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.WARNING and record.name in _UNTOLD:
            report(record.getMessage())


@contextmanager
def library_warnings() -> Generator[None]:
    """Report what no event tells: undecodable frames, an instrument list that cannot be had.

    Everything else the library logs comes as an event, or as the error that ends a command.
    """
    logger = logging.getLogger("trioex")
    handler = _Handler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
