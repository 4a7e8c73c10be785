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
        log.error("given", exc_info=OSError("full"))
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
    assert log.dropped == 2, "what comes after the end is counted, too"
    metric, given, failure, timed = sink.records
    assert given.exc_info is not None
    assert str(given.exc_info[1]) == "full"
    assert (metric.getMessage(), vars(metric)["metric"]) == ("edge_bp=1.5", "edge_bp")
    assert vars(metric)["value"] == 1.5
    assert failure.exc_info is not None
    assert failure.exc_info[0] is KeyError
    assert timed.getMessage().startswith("quote took ")


async def test_while_the_thread_writes_as_many_may_wait_as_it_says(sink: Sink) -> None:
    """Those in the hands of the thread are not counted: there is a bound's worth beside them."""
    async with open_logger("test.fast", capacity=10) as log:
        sink.gate.clear()
        log.info("in the thread %d", 0)
        log.info("in the thread %d", 1)
        await wait_all_tasks_blocked()
        for number in range(13):
            log.info("waiting %d", number)
        assert (log.waiting, log.dropped, log.written) == (10, 3, 0)
        sink.gate.set()
        await log.flush()
        assert (log.waiting, log.dropped, log.written) == (0, 3, 12)
        log.info("again")
    assert sink.texts == [
        *("in the thread 0", "in the thread 1"),
        *(f"waiting {number}" for number in range(10)),
        *("again", "3 notes were dropped; 10 may wait"),
    ]


async def test_with_several_at_work_all_is_written_or_counted(sink: Sink) -> None:
    """Notes of many tasks, at any moment of the writing: none twice, none out of order."""
    noted = 0

    async def work(name: str) -> None:
        nonlocal noted
        for number in range(200):
            for _ in range(20):
                log.info("%s %d", name, noted)
                noted += 1
            if number % 3:
                await trio.lowlevel.checkpoint()
            else:
                await trio.to_thread.run_sync(sink.gate.wait)  # the writer's thread has its turn

    async with open_logger("test.fast", capacity=500, close_timeout=60) as log:
        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(work, name)
        dropped = log.dropped
    numbers = [int(text.split()[1]) for text in sink.texts if text[0] in "abc"]
    assert noted == 12_000
    assert numbers == sorted(set(numbers))
    assert len(numbers) + dropped == noted
    assert log.written == len(sink.records)


async def test_whoever_flushes_waits_for_what_was_noted_and_for_no_more(sink: Sink) -> None:
    async def chatter() -> None:
        while True:
            for _ in range(100):  # more than is written meanwhile: something always waits
                log.info("after")
            await trio.lowlevel.checkpoint()

    async with open_logger("test.fast", threaded=False) as log:
        await log.flush()
        for number in range(100):
            log.info("before %d", number)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(chatter)
            with trio.fail_after(60):
                await log.flush()
            assert "before 99" in sink.texts
            assert log.waiting
            with trio.CancelScope() as scope:
                scope.cancel()
                await log.flush()
            assert scope.cancelled_caught
            nursery.cancel_scope.cancel()
    await log.flush()
    assert (log.waiting, log.dropped) == (0, 0)


async def test_whoever_flushes_is_let_go_at_the_end(sink: Sink, nursery: trio.Nursery) -> None:
    sink.gate.clear()
    async with open_logger("test.fast", close_timeout=0.01) as log:
        log.info("one")
        await wait_all_tasks_blocked()
        log.info("two")
        nursery.start_soon(log.flush)
        await wait_all_tasks_blocked()
        assert nursery.child_tasks
    await wait_all_tasks_blocked()
    assert not nursery.child_tasks
    assert (log.written, log.dropped) == (0, 2)


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


async def test_cancelled_in_a_rush_with_a_stopped_disk_all_is_counted(sink: Sink) -> None:
    sink.gate.clear()
    with trio.CancelScope() as scope:
        async with open_logger("test.fast", capacity=100, close_timeout=0.01) as log:
            log.info("in the thread")
            await wait_all_tasks_blocked()
            for _ in range(120):
                log.info("waiting")
            scope.cancel()
            await trio.sleep_forever()
    assert (log.written, log.dropped) == (0, 121)
    log.warning("after the end")
    assert log.dropped == 122


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
