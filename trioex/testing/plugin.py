"""A plugin of pytest: `pytest_plugins = ["trioex.testing.plugin"]` in a `conftest.py`.

With pytest-trio, a test gets an exchange, and with `autojump_clock` one that needs no real time:

    from trioex import WebSocketManager
    from trioex.testing import Fault

    async def test_trades_go_on_after_a_lost_connection(exchange_simulator, autojump_clock):
        async with exchange_simulator("mexc") as exchange:
            async with WebSocketManager(config=exchange.config()) as ws:
                async with ws.bind("spot.trades.BTCUSDT") as trades:
                    await anext(trades)
                    exchange.apply(Fault("drop"))
                    lost_at = exchange.applied[-1].time
                    while (await anext(trades)).exchange_time < lost_at:
                        pass
            assert exchange.statistics().connections == 2

This is the only module that imports pytest.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TypeAlias
from zlib import crc32

import pytest

from ..simulator import Simulator
from .exchange import open_exchange

__all__ = ["OpenExchange", "exchange_simulator"]

OpenExchange: TypeAlias = Callable[..., AbstractAsyncContextManager[Simulator]]


@pytest.fixture
def exchange_simulator(request: pytest.FixtureRequest) -> OpenExchange:
    """`open_exchange`, with a seed that is the test's own and always the same."""
    return partial(open_exchange, seed=crc32(request.node.nodeid.encode()))
