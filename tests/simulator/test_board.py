"""One grid of time: every subscriber of a stream is sent the same pushes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator.plain_client import Client, connected
from trio.abc import Clock

from trioex.config import Environment
from trioex.simulator import EPOCH_NS, Market, open_simulator
from trioex.simulator.board import Board, Push
from trioex.simulator.gateio_streams import OrderBookV2
from trioex.simulator.mexc_streams import AggreDepth

SECOND = 1_000_000_000
GATEIO = [
    ["spot.tickers", "BTC_USDT"],
    ["spot.trades", "BTC_USDT"],
    ["spot.book_ticker", "BTC_USDT"],
    ["spot.candlesticks", "10s", "BTC_USDT"],
    ["spot.order_book", "BTC_USDT", "5", "100ms"],
    ["spot.order_book", "BTC_USDT", "20", "1000ms"],
    ["spot.order_book_update", "BTC_USDT", "20ms"],
    ["spot.order_book_update", "BTC_USDT", "100ms"],
    ["spot.obu", "ob.BTC_USDT.50"],
    ["spot.obu", "ob.BTC_USDT.400"],
]
MEXC = [
    f"spot@public.{name}"
    for name in (
        "aggre.depth.v3.api.pb@100ms@BTCUSDT",
        "aggre.depth.v3.api.pb@10ms@BTCUSDT",
        "aggre.deals.v3.api.pb@100ms@BTCUSDT",
        "aggre.bookTicker.v3.api.pb@100ms@BTCUSDT",
        "limit.depth.v3.api.pb@BTCUSDT@5",
        "bookTicker.batch.v3.api.pb@BTCUSDT",
        "kline.v3.api.pb@BTCUSDT@Min1",
        "miniTicker.v3.api.pb@BTCUSDT@UTC+8",
        "miniTickers.v3.api.pb@24H",
    )
]


def requests(exchange: str) -> list[Any]:
    if exchange == "mexc":
        return [{"method": "SUBSCRIPTION", "params": MEXC}]
    return [
        {"time": 1, "channel": channel, "event": "subscribe", "payload": payload}
        for channel, *payload in GATEIO
    ]


async def read(client: Client, found: list[tuple[float, str | bytes]]) -> None:
    while True:
        frame = await client.websocket.get_message()
        found.append((trio.current_time(), frame))


def is_push(frame: str | bytes) -> bool:
    return isinstance(frame, bytes) or '"event":"update"' in frame


@pytest.mark.parametrize("exchange", ["gateio", "mexc"])
async def test_two_clients_that_subscribe_at_different_times_get_identical_frames(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    found: tuple[list[Any], list[Any]] = [], []
    async with (
        open_simulator(exchange, environment=virtual, pace=2) as sim,
        connected(sim) as one,
        connected(sim) as other,
        trio.open_nursery() as nursery,
    ):
        for client, kept in zip((one, other), found, strict=True):
            for request in requests(exchange):
                await client.send(request)
            nursery.start_soon(read, client, kept)
            await trio.sleep(1.2345)
        both = trio.current_time()
        await trio.sleep(12.0)
        nursery.cancel_scope.cancel()
    first, second = ([each for each in kept if each[0] > both] for kept in found)
    assert all(is_push(frame) for _, frame in first)
    assert len(first) > 300
    assert first == second


async def test_the_first_delta_covers_the_whole_window(
    virtual: Environment, autojump_clock: Clock
) -> None:
    """What a later subscriber gets first was sent to an earlier one, whole."""
    request = requests("gateio")[7]
    async with (
        open_simulator("gateio", environment=virtual, pace=20) as sim,
        connected(sim) as one,
        connected(sim) as other,
    ):
        await one.ask(request)
        await trio.sleep(1.053)
        await other.ask(request)
        delta = await other.read()
        assert delta in [await one.read() for _ in range(20)]
        # Steps come every 2 ms or so: one window holds many versions, half of it far fewer.
        assert delta["result"]["u"] - delta["result"]["U"] > 20


def pushes(market: Market, begin: int, until: int, kind: str) -> list[Push]:
    board = Board(market)
    list(board.advance(begin))
    if kind == "obu":
        board.join("x", lambda: OrderBookV2(market["BTCUSDT"], "x", 50, 20_000_000, begin))
    else:
        board.join("x", lambda: AggreDepth(market["BTCUSDT"], "x@y", 100_000_000, begin))
    return list(board.advance(until))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, SECOND), st.sampled_from(["obu", "aggre"]), st.floats(0.5, 30))
def test_a_push_does_not_depend_on_when_its_stream_began(wait: int, kind: str, pace: float) -> None:
    def run(begin: int) -> list[tuple[int, list[Any]]]:
        market = Market(("BTCUSDT",), seed=1, now=EPOCH_NS, pace=pace)
        found = pushes(market, begin, EPOCH_NS + 2 * SECOND, kind)
        return [(push.time, push.frames) for push in found]

    early, late = run(EPOCH_NS), run(EPOCH_NS + wait)
    assert late == [each for each in early if each[0] > EPOCH_NS + wait]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2 * SECOND), st.floats(0.5, 50))
def test_a_book_of_the_past_is_the_book_as_it_was(back: int, pace: float) -> None:
    market = Market(("BTCUSDT",), seed=2, now=EPOCH_NS, pace=pace)
    moment = EPOCH_NS + 3 * SECOND - back
    list(market.advance(moment))
    then = market["BTCUSDT"].past(moment)
    assert (then.version, then.updated) == (market["BTCUSDT"].version, market["BTCUSDT"].updated)
    assert then.best() == market["BTCUSDT"].top()
    list(market.advance(EPOCH_NS + 3 * SECOND))
    assert market["BTCUSDT"].past(moment) == then
    assert list(market["BTCUSDT"].past(moment).bids) == sorted(then.bids, reverse=True)
    assert list(market["BTCUSDT"].past(moment).asks) == sorted(then.asks)


async def test_obu_goes_on_from_the_whole_book(virtual: Environment, autojump_clock: Clock) -> None:
    request = json.dumps(requests("gateio")[9])
    async with (
        open_simulator("gateio", environment=virtual, pace=20) as sim,
        connected(sim) as one,
        connected(sim) as other,
    ):
        for client in (one, other):
            await client.send(request)
            full, _, delta = [(await client.read())["result"] for _ in range(3)]
            assert delta["U"] == full["u"] + 1
            await trio.sleep(0.777)


async def test_a_stream_ends_with_its_last_subscriber(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with open_simulator("gateio", environment=virtual) as sim:
        async with connected(sim) as one:
            async with connected(sim) as other:
                for client in (one, other):
                    await client.ask(requests("gateio")[1])
            await trio.sleep(1.0)
            assert await one.collect(5.0)
        await trio.sleep(1.0)
        async with connected(sim) as third:
            await third.ask(requests("gateio")[1])
            assert await third.collect(5.0)
