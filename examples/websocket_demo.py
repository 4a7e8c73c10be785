"""One binding: trades on Gate.io.

python examples/websocket_demo.py                       the built-in simulator
python examples/websocket_demo.py --live                the exchange itself
python examples/websocket_demo.py --recording ws.txt    a recorded session
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import trio

from trioex import Trade, WebSocketConfig, create_exchange_component
from trioex.simulator import open_simulator


async def main(arguments: argparse.Namespace) -> None:
    # Without a symbol a binding hears every symbol that was subscribed: in a recording, all.
    channel = "spot.trades" if arguments.recording else "spot.trades.BTCUSDT"
    async with (
        open_config(arguments) as config,
        create_exchange_component("gateio", config, bind_channels={channel: on_trade}) as ws,
    ):
        with trio.move_on_after(arguments.seconds):
            await ws.wait_closed()
    print(ws.statistics().latency)  # from the read of the socket to `on_trade`


def on_trade(trade: Trade) -> None:
    print(f"{trade.symbol}: {trade.side} {trade.quantity} at {trade.price}")


@asynccontextmanager
async def open_config(arguments: argparse.Namespace) -> AsyncGenerator[WebSocketConfig]:
    """How to reach the exchange: the real one, or one that runs in this process."""
    # Trades are routed in the task that reads them, and what takes how long is measured.
    fast: dict[str, Any] = {"handoff": "direct", "latency": True}
    if arguments.live:
        yield WebSocketConfig(exchange="gateio", **fast)
    elif arguments.recording:
        async with open_simulator("gateio", recording=arguments.recording, pace=None) as simulator:
            yield simulator.config(**fast, reconnect=False)  # a recording ends once
    else:
        async with open_simulator("gateio", symbols=["BTCUSDT"]) as simulator:
            yield simulator.config(**fast)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print trades on Gate.io.")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--live", action="store_true", help="on the exchange itself")
    source.add_argument("--recording", metavar="PATH", help="from a recorded session")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long (default 3)")
    trio.run(main, parser.parse_args())
