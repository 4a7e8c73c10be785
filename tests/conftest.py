"""Fixtures that several test modules share."""

from __future__ import annotations

import signal

import pytest

from trioex.config import Environment
from trioex.simulator import virtual_environment


@pytest.fixture
def virtual() -> Environment:
    """Wall time that follows Trio's clock; the test asks for `autojump_clock` beside it."""
    return virtual_environment(seed=1)


def pytest_configure() -> None:
    """Let Ctrl-C be tested where a shell has it ignored, as it does for what runs behind `&`."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
