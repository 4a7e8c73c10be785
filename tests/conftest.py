"""Fixtures that several test modules share."""

from __future__ import annotations

import pytest

from trioex.config import Environment
from trioex.simulator import virtual_environment


@pytest.fixture
def virtual() -> Environment:
    """Wall time that follows Trio's clock; the test asks for `autojump_clock` beside it."""
    return virtual_environment(seed=1)
