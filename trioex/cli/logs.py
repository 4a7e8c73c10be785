"""The library's warnings on stderr, as far as the events do not tell the same."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from .outcomes import report

__all__ = ["library_warnings"]

_UNTOLD = frozenset({"trioex.router", "trioex.registry"})


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
