"""An exchange to test against: MEXC spot or Gate.io spot, on loopback or in memory.

It talks like the venue (frames, answers, refusals, limits, timers) over a market that is a
function of its seed, or serves a recording byte for byte. It shares no code with the client:
two programs that share code agree on the same mistake.

    async with open_simulator("gateio", symbols=("BTCUSDT",), seed=7) as sim:
        async with WebSocketManager(config=sim.config()) as ws:
            ...
            sim.disconnect("cut")

It can be as far away as a real one (`latency=`), and things go wrong by script or by seed
(`faults=`).

Under `trio.testing.MockClock`, with `transport="memory"` and `virtual_environment(seed)`, a run
is the same every time.
"""

from __future__ import annotations

from .clock import EPOCH_NS, virtual_environment
from .connection import Connection, How, Tamper
from .exchange import Statistics
from .faults import Applied, Fault, FaultKind, Faults, Which
from .history import TrueBook
from .market import Market
from .opening import open_simulator
from .recorded import Recording
from .server import Simulator, Transport

__all__ = [
    "open_simulator",
    "Simulator",
    "Connection",
    "Statistics",
    "Fault",
    "Faults",
    "Applied",
    "FaultKind",
    "Which",
    "Market",
    "Recording",
    "virtual_environment",
    "EPOCH_NS",
    "How",
    "Tamper",
    "Transport",
    "TrueBook",
]
