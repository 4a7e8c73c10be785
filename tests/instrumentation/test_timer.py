"""LoggingTimer."""

from __future__ import annotations

import logging

import pytest

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
