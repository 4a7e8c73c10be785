"""FastLogger: nothing is lost up to its bound, and nothing waits for the writing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trioex.instrumentation import LoggingTimer, open_logger


class Sink(logging.Handler):
    """Keeps records, and the threads they were written in."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()

    def emit(self, record: logging.LogRecord) -> None:
        self.gate.wait()
        self.threads.add(threading.get_ident())
        self.records.append(record)

    @property
    def texts(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def sink() -> Generator[Sink]:
    logger, sink = logging.getLogger("test.fast"), Sink()
    logger.addHandler(sink)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield sink
    sink.gate.set()
    logger.removeHandler(sink)


async def test_everything_is_written_in_order_and_in_a_thread(sink: Sink) -> None:
    async with open_logger("test.fast", time_ns=lambda: 1_790_000_000_123_456_789) as log:
        for number in range(10_000):
            log.info("number %d", number)
        log.debug("not %s", "noted")
        assert sink.records == []  # nothing is written on the way
    assert sink.texts == [f"number {number}" for number in range(10_000)]
    assert (log.written, log.dropped) == (10_000, 0)
    assert threading.get_ident() not in sink.threads
    record = sink.records[0]
    assert (record.created, record.msecs, record.levelname) == (1_790_000_000.1234567, 123, "INFO")
    assert "10000 written, 0 dropped" in repr(log)


async def test_what_is_beyond_the_bound_is_counted(sink: Sink) -> None:
    async with open_logger("test.fast", capacity=10) as log:
        for number in range(15):
            log.info("number %d", number)
        log.metric("beyond", 1.0)
        assert log.dropped == 6
        await wait_all_tasks_blocked()
    *texts, last = sink.texts
    assert texts == [f"number {number}" for number in range(10)]
    assert (log.written, log.dropped) == (11, 6)  # the last word is written, too
    assert last == "6 notes were dropped; 10 may wait"


async def test_metrics_exceptions_and_levels(sink: Sink) -> None:
    async with open_logger(logging.getLogger("test.fast")) as log:
        log.metric("edge_bp", 1.5)
        try:
            raise KeyError("x")
        except KeyError:
            log.exception("the %s failed", "strategy")
        log.level = logging.ERROR
        log.warning("not noted")
        log.log(logging.INFO, "nor this")
        log.metric("nor", 1.0)
        with LoggingTimer("quote", logger=log, level=logging.CRITICAL):
            pass
    log.error("after the end")
    log.log(logging.ERROR, "after the end")
    metric, failure, timed = sink.records
    assert (metric.getMessage(), vars(metric)["metric"]) == ("edge_bp=1.5", "edge_bp")
    assert vars(metric)["value"] == 1.5
    assert failure.exc_info is not None
    assert failure.exc_info[0] is KeyError
    assert timed.getMessage().startswith("quote took ")


async def test_a_stopped_disk_stops_nothing_but_the_log(sink: Sink) -> None:
    sink.gate.clear()
    async with open_logger("test.fast", close_timeout=0.01) as log:
        log.info("one")
        await wait_all_tasks_blocked()
        log.info("two")  # at once, though the writer is stuck
    assert (log.written, log.dropped) == (0, 2)
    sink.gate.set()


async def test_cancelling_writes_what_was_noted(sink: Sink) -> None:
    with trio.CancelScope() as scope:
        async with open_logger("test.fast") as log:
            log.info("before")
            scope.cancel()
            await trio.sleep_forever()
    assert sink.texts == ["before"]


async def test_the_block_raises_what_it_raised_and_a_bad_filter_raises_nothing(
    sink: Sink, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(record: logging.LogRecord) -> bool:
        if record.args:
            raise RuntimeError("a bad filter")
        return True

    sink.addFilter(refuse)
    with pytest.raises(ValueError, match="of the block"):  # noqa: PT012
        async with open_logger("test.fast") as log:
            log.info("one %d", 1)
            log.info("two")
            raise ValueError("of the block")
    assert sink.texts == ["two"]
    assert "a bad filter" in capsys.readouterr().err


async def test_on_a_virtual_clock_there_is_no_thread(sink: Sink, autojump_clock: MockClock) -> None:
    async with open_logger("test.fast", threaded=False) as log:
        for number in range(100):
            log.info("number %d", number)
        await trio.sleep(1)
        assert len(sink.records) == 100
    assert sink.threads == {threading.get_ident()}
