"""Public channels of both venues: handlers, iterators, unbinding, bindings without symbol.

python examples/websocket_public_demo.py                       the built-in simulators
python examples/websocket_public_demo.py --live                the exchanges themselves
python examples/websocket_public_demo.py --recording ws.txt    a recorded Gate.io session
"""

from __future__ import annotations

import argparse
from typing import Any

import trio

from trioex import OrderBook, Ticker, WebSocketConfig, create_exchange_component
from trioex.instrumentation import Latency
from trioex.simulator import open_simulator


async def tour(exchange: str, config: WebSocketConfig) -> None:
    async def on_ticker(ticker: Ticker) -> None:  # async: has a task and a queue of its own
        print(f"{exchange}: {ticker.symbol} at {ticker.last}")

    versions: list[int] = []

    def on_book(book: OrderBook) -> None:  # sync: called at each change, must not block
        versions.append(book.version)

    trades: list[Any] = []
    handlers = {
        "spot.orderbook.BTCUSDT": on_book,
        "spot.trades": trades.append,  # no symbol: every trade that arrives
    }
    async with create_exchange_component(exchange, config, bind_channels=handlers) as ws:
        await ws.bind("spot.ticker.ETHUSDT", on_ticker)  # returns once it is confirmed
        async with ws.bind("spot.trades.BTCUSDT") as some:  # no handler: iterate
            async for trade in some:
                print(f"{exchange}: {trade.side} {trade.quantity} at {trade.price}")
                if len(trades) >= 5:
                    break  # leaving the block unbinds
        await ws.unbind("spot.orderbook.BTCUSDT")  # from here on not one more
        await trio.sleep(3)
        print(f"{exchange}: {len(versions)} order book updates, {len(trades)} trades")


async def simulate(exchange: str, latency: Latency) -> None:
    async with open_simulator(exchange) as simulator:
        await tour(exchange, simulator.config(handoff="direct", latency=latency))


async def replay(path: str) -> dict[str, list[Any]]:
    names = {"orderbook": "order book updates", "ticker": "tickers", "kline": "klines"}
    received: dict[str, list[Any]] = {kind: [] for kind in (*names, "trades")}
    handlers = {f"spot.{kind}": messages.append for kind, messages in received.items()}
    handlers["spot.orderbook_delta"] = handlers.pop("spot.orderbook")  # as they were recorded
    async with open_simulator("gateio", recording=path, pace=None) as simulator:
        config = simulator.config(latency=True, reconnect=False)  # it ends with the recording
        async with create_exchange_component("gateio", config, bind_channels=handlers) as ws:
            await ws.wait_closed()
    counts = ", ".join(f"{len(received[kind])} {names.get(kind, kind)}" for kind in received)
    print(f"{counts}\n{ws.statistics().answers} acknowledgements")
    print(ws.statistics().latency)
    return received


async def main(live: bool, recording: str | None) -> None:
    if recording:
        await replay(recording)
        return
    latency = Latency()  # of both together
    async with trio.open_nursery() as nursery:
        for exchange in ("mexc", "gateio"):
            if live:
                config = WebSocketConfig(exchange=exchange, handoff="direct", latency=latency)
                nursery.start_soon(tour, exchange, config)
            else:
                nursery.start_soon(simulate, exchange, latency)
    print(latency.statistics())  # from the read of a socket to the first handler


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Public channels of MEXC and Gate.io.")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--live", action="store_true", help="on the exchanges themselves")
    source.add_argument("--recording", metavar="PATH", help="from a recorded Gate.io session")
    arguments = parser.parse_args()
    trio.run(main, arguments.live, arguments.recording)
