"""Everything takes as many round trips as on a real network."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from simulator.plain_client import Client, connected
from trio.abc import Clock
from trio_websocket import ConnectionClosed, wrap_client_stream

from trioex.config import Environment
from trioex.errors import ConfigError
from trioex.simulator import open_simulator, virtual_environment

REQUESTS: dict[str, Any] = {
    "gateio": {
        "time": 1,
        "channel": "spot.trades",
        "event": "subscribe",
        "payload": ["BTC_USDT"],
    },
    "mexc": {
        "method": "SUBSCRIPTION",
        "params": ["spot@public.aggre.deals.v3.api.pb@100ms@BTCUSDT"],
    },
}
TIMES = {"gateio": "/spot/time", "mexc": "/api/v3/time"}


@pytest.mark.parametrize("exchange", ["gateio", "mexc"])
async def test_from_nothing_to_the_first_answer_four_round_trips(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async with (
        open_simulator(exchange, environment=virtual, latency=0.25) as sim,
        trio.open_nursery() as nursery,
    ):
        assert sim.url.startswith("wss://")
        stream = await sim.dial(sim.url)
        assert trio.current_time() == 0.5
        path = "/" + sim.url.split("/", 3)[3]
        websocket = await wrap_client_stream(nursery, stream, "simulator", path)
        assert trio.current_time() == 0.75
        await websocket.send_message(json.dumps(REQUESTS[exchange]))
        await websocket.get_message()
        assert trio.current_time() == 1.0
        nursery.cancel_scope.cancel()


async def test_without_tls_one_less(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual, latency=0.25) as sim:
        await sim.dial(sim.url.replace("wss", "ws"))
        assert trio.current_time() == 0.25


@pytest.mark.parametrize("exchange", ["gateio", "mexc"])
async def test_a_get_three_round_trips(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async with open_simulator(exchange, environment=virtual, latency=0.25) as sim:
        before = virtual.time_ns()
        body = json.loads(await sim.fetch(sim.rest_url + TIMES[exchange]))
        assert trio.current_time() == 0.75
        (time,) = (value for key, value in body.items() if key.lower().endswith("time"))
        assert time == (before + 625_000_000) // 1_000_000  # when the request arrived


async def test_a_push_and_the_end_half_a_round_trip(
    virtual: Environment, autojump_clock: Clock
) -> None:
    ticker = {"time": 1, "channel": "spot.tickers", "event": "subscribe", "payload": ["BTC_USDT"]}
    async with (
        open_simulator("gateio", environment=virtual, latency=0.3) as sim,
        connected(sim) as client,
    ):
        await client.ask(ticker)
        push = await client.read()
        under_way = virtual.time_ns() - push["time_ms"] * 1_000_000
        assert under_way == pytest.approx(150_000_000, abs=2_000_000)
        begun = trio.current_time()
        sim.disconnect("drop")
        with pytest.raises(ConnectionClosed):
            await client.collect(9.0)
        assert trio.current_time() - begun == pytest.approx(0.15)


async def arrivals(seed: int, jitter: float) -> list[tuple[float, str | bytes]]:
    environment = virtual_environment(seed)
    found: list[tuple[float, str | bytes]] = []

    async def read(client: Client) -> None:
        while True:
            frame = await client.websocket.get_message()
            found.append((trio.current_time(), frame))

    async with (
        open_simulator(
            "mexc", seed=seed, environment=environment, latency=0.1, jitter=jitter
        ) as sim,
        connected(sim) as client,
    ):
        await client.send(REQUESTS["mexc"])
        with trio.move_on_after(10.0):
            await read(client)
    return found


def test_jitter_is_a_function_of_the_seed() -> None:
    def run(seed: int, jitter: float) -> list[tuple[float, str | bytes]]:
        clock = trio.testing.MockClock(autojump_threshold=0)
        return trio.run(arrivals, seed, jitter, clock=clock)

    first, still = run(1, 0.05), run(1, 0.0)
    assert len(first) > 20
    assert first == run(1, 0.05)
    on_time = {frame: time for time, frame in still}
    late = [time - on_time[frame] for time, frame in first[1:] if frame in on_time]
    assert len(late) > 20
    assert all(0 <= each <= 0.051 for each in late)
    assert max(late) - min(late) > 0.02


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"latency": -1.0}, "latency=-1.0"),
        ({"jitter": float("nan")}, "jitter=nan"),
        ({"latency": 0.1, "transport": "tcp"}, "latency= and jitter="),
    ],
)
async def test_what_cannot_be(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        async with open_simulator("gateio", **arguments):
            raise AssertionError("opened")
