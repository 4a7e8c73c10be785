"""A log record on the hot path: what the caller pays, by the time the call returns.

trioex notes and writes later; what the writing takes is a row of its own. `QueueHandler` of the
standard library is the usual way to log from a hot path: it makes the record at once and formats
it, and another thread writes it. Nobody's output goes anywhere.
"""

from __future__ import annotations

import gc
import logging
import logging.handlers
import queue
import time
from collections.abc import Callable
from functools import partial

import trio
import trio.lowlevel

from trioex.instrumentation import Histogram, open_logger

from .cli import main
from .harness import Bench, Row, Target, compare

__all__ = ["measure"]

_RECORDS = 20_000
_WAITING = 1000
"""Records between two pauses in which they are written: the bursts of a market."""


def measure(bench: Bench) -> list[Row]:
    """Nanoseconds a record, in CPU time."""
    rounds = bench.scaled(_RECORDS) // _WAITING
    runs = {
        "trioex": partial(trio.run, _noted, rounds, logging.INFO),
        "trioex, level off": partial(trio.run, _noted, rounds, logging.ERROR),
        "trioex, histogram": partial(_counted, rounds),
        "logging, QueueHandler": partial(_queued, rounds),
    }
    return compare(
        "a log record",
        bench.turns(runs, 7),
        "ns",
        "ns",
        peer="logging, QueueHandler",
        targets={"trioex": Target(1160, 300, "value")},
    )


def _logger(handler: logging.Handler, level: int) -> logging.Logger:
    logger = logging.getLogger("benchmarks.log")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(level)
    return logger


def _timed(call: Callable[..., None]) -> int:
    begin = time.thread_time_ns()
    for number in range(_WAITING):
        call("filled %s at %s", number, 2.5)
    return time.thread_time_ns() - begin


async def _noted(rounds: int, level: int) -> dict[str, float]:
    taken = []
    async with open_logger(_logger(logging.NullHandler(), level), threaded=False) as log:
        for _ in range(rounds):
            taken.append(_timed(log.info))
            await trio.lowlevel.checkpoint()
            while log.waiting:
                await trio.lowlevel.checkpoint()
        assert not log.dropped
    return _result(taken)


def _queued(rounds: int) -> dict[str, float]:
    waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    log = _logger(logging.handlers.QueueHandler(waiting), logging.INFO)
    taken = []
    for _ in range(rounds):
        taken.append(_timed(log.info))
        while not waiting.empty():
            waiting.get()
    return _result(taken)


def _counted(rounds: int) -> dict[str, float]:
    histogram = Histogram()
    taken = [_timed(lambda _text, number, _: histogram.record(number)) for _ in range(rounds)]
    return _result(taken)


def _result(taken: list[int]) -> dict[str, float]:
    gc.collect()
    return {"ns": sorted(taken)[len(taken) // 2] / _WAITING}


if __name__ == "__main__":
    main("log_record")
