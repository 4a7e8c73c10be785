"""Loggers are given: what the library has to say goes where its user wants it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trioex import Environment, WebSocketConfig, WebSocketManager
from trioex.instrumentation import open_logger
from trioex.simulator import open_simulator

PARTS = ("manager", "router", "registry", "books", "leg")
BROKEN = (
    '{"time":1,"channel":"spot.trades","event":"update",'
    '"result":{"id":1,"currency_pair":"BTC_USDT","price":"x"}}'
)


class Lines(logging.Handler):
    """What is written, and waits for `gate` before each."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.logger = logging.getLogger(name)
        self.logger.handlers[:] = [self]
        self.logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self.gate.wait()
        self.lines.append(record.getMessage())


class Said(dict[str, Lines]):
    """Loggers by the names they were asked for."""

    def __call__(self, name: str) -> logging.Logger:
        self[name] = Lines(f"test.{name}")
        return self[name].logger


@pytest.fixture
def said() -> Generator[Lines]:
    """Of the logger `test.injected`."""
    said = Lines("test.injected")
    yield said
    said.gate.set()


def fail(_message: object) -> None:
    raise KeyError("a handler")


async def eventful(environment: Environment, logger: Any) -> None:
    """A frame that is none, a handler that fails, a connection that is lost."""
    async with (
        open_simulator("gateio", symbols=["BTCUSDT"], environment=environment) as simulator,
        WebSocketManager(
            simulator.config(logger=logger, on_error="log"),
            bind_channels={"spot.trades.BTCUSDT": fail},
        ) as ws,
    ):
        await ws.process_test_message()
        await ws.process_test_message(BROKEN)
        simulator.disconnect("drop")
        await trio.sleep(5)


async def test_each_part_asks_by_its_name(
    autojump_clock: MockClock, virtual: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    said = Said()
    await eventful(virtual, said)
    assert set(said) == {f"trioex.{part}" for part in PARTS}
    assert "the handler of spot.trades.BTCUSDT raised" in said["trioex.router"].lines
    assert any("only counted" in line for line in said["trioex.router"].lines)
    assert any("leg 0: " in line for line in said["trioex.leg"].lines)
    assert caplog.records == []


async def test_by_default_it_is_logging(
    autojump_clock: MockClock, virtual: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    assert WebSocketConfig().logger is logging.getLogger
    await eventful(virtual, logging.getLogger)
    assert {record.name for record in caplog.records} == {"trioex.router", "trioex.leg"}


async def test_one_logger_serves_all_parts(
    autojump_clock: MockClock, virtual: Environment, said: Lines
) -> None:
    async with open_logger("test.injected", threaded=False) as log:
        await eventful(virtual, log)
        assert said.lines[0] == "the handler of spot.trades.BTCUSDT raised"
        assert len(said.lines) == log.written > 2


async def test_what_was_noted_is_written_when_the_manager_has_ended(
    autojump_clock: MockClock, virtual: Environment, said: Lines
) -> None:
    async with (
        open_logger("test.injected", threaded=False) as log,
        open_simulator("gateio", symbols=["BTCUSDT"], environment=virtual) as simulator,
    ):
        async with WebSocketManager(simulator.config(logger=log)):
            for number in range(20_000):  # as many as take longer than the end does
                log.warning("%d", number)
        assert log.waiting == 0
        assert len(said.lines) == 20_000


class Idle:
    """A handler that never comes to its end."""

    async def __call__(self, _message: object) -> None:
        await trio.sleep_forever()


async def test_what_the_end_has_to_tell_is_written_too(
    autojump_clock: MockClock, virtual: Environment, said: Lines
) -> None:
    async with (
        open_logger("test.injected", threaded=False) as log,
        open_simulator("gateio", symbols=["BTCUSDT"], environment=virtual, pace=20.0) as simulator,
    ):
        config = simulator.config(logger=log)
        async with WebSocketManager(config, bind_channels={"spot.trades.BTCUSDT": Idle()}):
            await trio.sleep(20)
        # The handlers took all the time there was: the log has its own block to end in.
    assert any("messages not handled" in line for line in said.lines)


async def test_a_log_that_is_stuck_holds_up_no_end(virtual: Environment, said: Lines) -> None:
    said.gate.clear()
    async with open_logger("test.injected", close_timeout=0.01) as log:
        with trio.fail_after(30):
            async with open_simulator("gateio", symbols=["BTCUSDT"]) as simulator:
                config = simulator.config(logger=log, on_error="log", close_timeout=0.1)
                handlers = {"spot.trades.BTCUSDT": fail}
                async with WebSocketManager(config, bind_channels=handlers) as ws:
                    await ws.process_test_message()
    assert log.written == 0
    assert log.dropped > 0
