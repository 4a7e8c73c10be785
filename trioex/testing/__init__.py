"""Helpers for testing programs that use trioex, and trioex itself.

A test of a trading program runs it against a simulated exchange, on a virtual clock, with the
faults it must bear:

    import trio
    from trio.testing import MockClock
    from trioex import WebSocketManager
    from trioex.testing import Fault, Faults, open_exchange

    async def main() -> None:
        faults = Faults.script([Fault("cut", at=5.0), Fault("reject_429", at=5.0, duration=2.0)])
        async with open_exchange("gateio", latency=0.05, faults=faults) as exchange:
            trades = []
            async with WebSocketManager(config=exchange.config()) as ws:
                await ws.bind("spot.trades.BTCUSDT", trades.append)
                await trio.sleep(60.0)
            assert max(trade.exchange_time for trade in trades) > exchange.applied[-1].time

    trio.run(main, clock=MockClock(autojump_threshold=0))

echo    a client that sends every message back, for WebSocket test suites
plugin  `exchange_simulator`, a fixture of pytest
"""

from __future__ import annotations

from ..simulator import Applied, Fault, Faults, Simulator
from .exchange import open_exchange

__all__ = ["open_exchange", "Applied", "Fault", "Faults", "Simulator"]
