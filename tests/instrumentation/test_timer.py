"""LoggingTimer."""

from __future__ import annotations

import logging

import pytest
import trio

from trioex import LoggingTimer


def test_logs_the_name_and_how_long(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), LoggingTimer("subscribe") as timer:
        assert "RUNNING" in repr(timer)
        first = timer.elapsed_ns
    assert timer.elapsed_ns >= first >= 0
    assert timer.elapsed == timer.elapsed_ns / 1e9
    (record,) = caplog.records
    assert record.getMessage().startswith("subscribe took ")
    assert "STOPPED" in repr(timer)


def test_a_failure_is_logged_louder_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    timer = LoggingTimer("connect", level=logging.DEBUG)
    with pytest.raises(KeyError), timer:
        raise KeyError("x")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "connect failed after" in record.getMessage()
    assert "KeyError" in record.getMessage()


async def test_each_call_of_a_function_is_measured(caplog: pytest.LogCaptureFixture) -> None:
    @LoggingTimer("double")
    def double(number: int) -> int:
        """Twice as much."""
        return number if number > 8 else double(2 * number)

    @LoggingTimer("wait")
    async def wait(number: int, *, times: int) -> int:
        await trio.lowlevel.checkpoint()
        return number * times

    with caplog.at_level(logging.INFO):
        assert double(3) == 12
        assert await wait(2, times=4) == 8
    assert double.__doc__ == "Twice as much."
    names = [record.getMessage().partition(" took ")[0] for record in caplog.records]
    assert names == ["double"] * 3 + ["wait"]
