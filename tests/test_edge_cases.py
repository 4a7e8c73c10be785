"""What went wrong once, or would have: each a situation a user gets into."""

from __future__ import annotations

import functools
import gc
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from support import Collector
from trio.testing import MockClock as Clock

from trioex import (
    BindingError,
    BindingState,
    BookSnapshot,
    Environment,
    ManagerStatistics,
    QueueOverflow,
    SubscriptionRefused,
    WebSocketConfig,
    WebSocketManager,
)
from trioex.events import Disconnected, Gap
from trioex.simulator import Connection, Simulator, open_simulator


@asynccontextmanager
async def running(
    environment: Environment, exchange: str = "gateio", **config: Any
) -> AsyncIterator[tuple[Simulator, WebSocketManager]]:
    async with open_simulator(exchange, environment=environment) as simulator:
        async with WebSocketManager(simulator.config(**config)) as ws:
            yield simulator, ws


def wanted(statistics: ManagerStatistics) -> tuple[int, int]:
    (line,) = statistics.lines
    return line.confirmed, line.wanted


async def test_unbinding_and_binding_again_in_one_breath(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with running(virtual) as (_, ws):
        got = Collector()
        await ws.bind("spot.trades.BTCUSDT", got)
        ws.unbind("spot.trades.BTCUSDT")
        again = ws.bind("spot.trades.BTCUSDT", got)
        with trio.fail_after(5):
            await again
        assert wanted(ws.statistics()) == (1, 1)


async def test_many_unknown_pairs_in_one_atomic_frame_cost_the_others_nothing(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with running(virtual) as (_, ws):
        good = [ws.bind(f"spot.trades.{symbol}") for symbol in ("BTCUSDT", "ETHUSDT")]
        bad = [ws.bind(f"spot.trades.{base}USDT") for base in ("LTC", "XRP", "DOGE", "EOS", "ADA")]
        with trio.fail_after(30):
            for binding in good:
                await binding
            for binding in bad:
                with pytest.raises(SubscriptionRefused):
                    await binding


async def test_each_of_two_full_queues_holds_the_router_up(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async def stuck(message: object) -> None:
        await trio.sleep_forever()

    async def quick(message: object) -> None: ...

    async with running(virtual) as (_, ws):
        slow = await ws.bind("spot.orderbook_delta.BTCUSDT", stuck, queue_size=2)
        await ws.bind("spot.orderbook_delta.BTCUSDT", quick, queue_size=1)
        await trio.sleep(60)
        assert slow.statistics().queued == 2


@pytest.mark.parametrize("handoff", ["channel", "direct"])
@pytest.mark.parametrize("latency", [False, True])
async def test_a_handler_whose_queue_is_full_may_await_a_confirmation(
    handoff: Any, latency: bool, virtual: Environment, autojump_clock: Clock
) -> None:
    """The answer must not wait behind the very handler that waits for it."""
    confirmed = trio.Event()

    config: dict[str, Any] = {"handoff": handoff, "latency": latency}
    async with running(virtual, subscribe_timeout=1e3, **config) as (simulator, ws):

        async def handler(message: object) -> None:
            if not confirmed.is_set():
                await trio.sleep(2)  # meanwhile the queue fills and the router waits
                await ws.bind("spot.ticker.ETHUSDT", lambda m: None)
                confirmed.set()

        ws.bind("spot.orderbook_delta.BTCUSDT", handler, queue_size=1)
        with trio.fail_after(30):
            await confirmed.wait()
        assert ws.statistics().peak_waiting_bytes > 0
        assert len(simulator.connections[0].requests) == 2, "asked once each"


@pytest.mark.parametrize("handoff", ["channel", "direct"])
async def test_a_slow_handler_costs_nobody_a_subscription(
    handoff: Any, virtual: Environment, autojump_clock: Clock
) -> None:
    async def slow(message: object) -> None:
        await trio.sleep(120)

    async with running(virtual, handoff=handoff) as (_, ws):
        await ws.bind("spot.orderbook_delta.BTCUSDT", slow, queue_size=1)
        await trio.sleep(3)
        with trio.fail_after(5):
            await ws.bind("spot.ticker.ETHUSDT", lambda m: None)


async def test_two_test_messages_at_once_both_return(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async def handler(message: object) -> None:
        await trio.sleep(1)

    async with running(virtual) as (_, ws):
        await ws.bind("spot.kline.BTCUSDT", handler)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ws.process_test_message)
                nursery.start_soon(ws.process_test_message)


async def test_a_test_message_waits_for_no_iterator(autojump_clock: Clock) -> None:
    ws = WebSocketManager(WebSocketConfig(exchange="gateio"))
    trades = ws.bind("spot.trades.BTCUSDT", queue_size=1)
    with trio.fail_after(5):
        await ws.process_test_message()
        await ws.process_test_message()
    assert trades.statistics().queued == 2


def test_generators_are_no_handlers() -> None:
    async def async_generator(message: object) -> AsyncIterator[None]:
        yield

    ws = WebSocketManager(WebSocketConfig(exchange="gateio"))
    with pytest.raises(BindingError, match="generator"):
        ws.bind("spot.trades.BTCUSDT", async_generator)


@pytest.mark.parametrize("overflow", ["block", "latest", "drop_oldest"])
async def test_a_wrapped_async_handler_keeps_its_queue_and_its_policy(
    overflow: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async def stuck(message: object) -> None:
        await trio.sleep_forever()

    @functools.wraps(print)
    def wrapper(message: object) -> object:
        return stuck(message)

    async with running(virtual) as (_, ws):
        binding = await ws.bind(
            "spot.orderbook_delta.BTCUSDT", wrapper, queue_size=2, overflow=overflow
        )
        await trio.sleep(60)
        assert binding.statistics().queued <= 2
    gc.collect()  # a coroutine that was never awaited would be an error here


async def test_iterating_what_was_refused_or_overflowed_says_so(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with running(virtual) as (_, ws):
        refused = ws.bind("spot.trades.LTCUSDT")
        with pytest.raises(SubscriptionRefused):
            await refused.__anext__()
        full = ws.bind(
            "spot.orderbook_delta.BTCUSDT", overflow="raise", queue_size=3, on_error="unbind"
        )
        await trio.sleep(5)
        assert full.state is BindingState.REFUSED
        with pytest.raises(QueueOverflow):
            await full.__anext__()


async def test_strange_frames_grow_nothing() -> None:
    ws = WebSocketManager(WebSocketConfig(exchange="mexc"))
    for number in range(300):
        frame = json.dumps({"id": number, "code": 0, "msg": f"hello {number}"})
        assert await ws.process_test_message(frame) == 0
    assert len(ws.statistics().skipped) <= 101
    assert sum(ws.statistics().skipped.values()) == 300


async def test_the_errors_of_a_handler_and_of_the_block_are_both_told(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async def handler(message: object) -> None:
        raise LookupError("the handler's")

    with pytest.RaisesGroup(
        pytest.RaisesExc(LookupError, match="the handler's"),
        pytest.RaisesExc(KeyError, match="the block's"),
        flatten_subgroups=True,
    ):
        async with running(virtual) as (_, ws):
            ws.bind("spot.orderbook_delta.BTCUSDT", handler)
            try:
                await trio.sleep_forever()
            finally:
                raise KeyError("the block's")


async def test_an_exchange_that_numbers_its_books_anew_is_believed(
    virtual: Environment, autojump_clock: Clock
) -> None:
    got, events = Collector(), Collector()
    ahead = 10**9

    def renumber(connection: Connection, frame: Any) -> list[Any]:
        if '"spot.order_book_update"' not in str(frame):
            return [frame]
        return [re.sub(r'"([Uu])":(\d+)', lambda m: f'"{m[1]}":{int(m[2]) + ahead}', frame)]

    async with running(virtual) as (simulator, ws):
        ws.bind_events(events)
        simulator.tamper = renumber
        await ws.bind("spot.orderbook_delta.BTCUSDT", got)
        await got.wait(5)
        ahead = 0
        simulator.disconnect()
        got.clear()
        await got.wait(5)
        (gap,) = [event for event in events if isinstance(event, Gap)]
        assert gap.last_version < gap.first_version


@pytest.mark.parametrize("redundancy", ["none", "hot"])
async def test_a_whole_book_in_the_middle_of_the_chain_is_delivered_once(
    redundancy: Any, virtual: Environment, autojump_clock: Clock
) -> None:
    """The venue lost deltas itself, so it says the whole book again, on every connection."""
    got = Collector()
    seen: dict[int, int] = {}

    def lose(connection: Connection, frame: Any) -> list[Any]:
        push = json.loads(frame)
        if push["channel"] != "spot.obu" or "U" not in push.get("result", ()):
            return [frame]
        count = seen[connection.number] = seen.get(connection.number, 0) + 1
        if count < 4:
            return []
        if count == 4:
            push["result"] |= {"full": True}
            del push["result"]["U"]
            return [json.dumps(push, separators=(",", ":"))]
        return [frame]

    async with running(virtual, redundancy=redundancy) as (simulator, ws):
        await ws.bind("spot.orderbook_delta.BTCUSDT", got, depth=50)
        await trio.sleep(3)
        got.clear()
        simulator.tamper = lose
        await trio.sleep(3)
        assert len([each for each in got if isinstance(each, BookSnapshot)]) == 1


@pytest.mark.parametrize("redundancy", ["hot", "standby", "none"])
async def test_a_second_connection_that_is_refused_ends_nothing(
    redundancy: Any, virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with open_simulator("gateio", environment=virtual) as simulator:
        dialled = 0

        async def dial(url: str) -> trio.abc.Stream:
            nonlocal dialled
            dialled += 1
            if dialled > 1:
                simulator.reject(403)
            return await simulator.dial(url)

        config = simulator.config(dial=dial, redundancy=redundancy, connect_timeout=1.0)
        async with WebSocketManager(config) as ws:
            await ws.bind("spot.trades.BTCUSDT", got)
            ws.rotate()
            await trio.sleep(60)
            count = len(got)
            await got.wait(count + 1)


async def test_what_a_server_asks_to_wait_is_waited_whoever_binds_meanwhile(
    virtual: Environment, autojump_clock: Clock
) -> None:
    times: list[float] = []
    async with open_simulator("gateio", environment=virtual) as simulator:

        async def dial(url: str) -> trio.abc.Stream:
            times.append(trio.current_time())
            return await simulator.dial(url)

        async with WebSocketManager(simulator.config(dial=dial)) as ws:
            simulator.reject(429, retry_after=600)
            simulator.disconnect()
            for _ in range(5):
                await trio.sleep(1)
                ws.bind("spot.trades.BTCUSDT").unbind()
            assert len(times) == 2, "the first, and the one that was told to wait"
            simulator.admit()
            await trio.sleep(600)
            assert len(times) == 3
            assert times[2] - times[1] >= 600


def test_ended_event_bindings_are_let_go() -> None:
    ws = WebSocketManager(WebSocketConfig(exchange="gateio"))
    for _ in range(1000):
        ws.unbind(ws.bind_events(lambda event: None))
    gc.collect()
    held = [each for each in gc.get_objects() if type(each).__name__ == "Outlet"]
    assert len(held) < 10


@pytest.mark.parametrize("how", ["drop", "close", "linger", "cut", "silence"])
async def test_a_binding_made_at_the_moment_of_a_loss_deafens_nothing(
    how: Any, virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()

    def bind_again(event: object) -> None:
        if isinstance(event, Disconnected):
            ws.bind("spot.kline.ETHUSDT", lambda message: None)

    async with running(virtual, ping_interval=2.0, pong_timeout=2.0) as (simulator, ws):
        ws.bind_events(bind_again)
        await ws.bind("spot.orderbook_delta.BTCUSDT", got)
        await trio.sleep(1)
        simulator.disconnect(how)
        await trio.sleep(30)
        got.clear()
        await got.wait(5)
        assert wanted(ws.statistics()) == (2, 2)


async def test_leaving_during_a_rotation_waits_for_no_overlap(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with open_simulator("gateio", environment=virtual) as simulator:
        config = simulator.config(rotation_overlap=30.0, close_timeout=5.0)
        async with WebSocketManager(config) as ws:
            await ws.bind("spot.trades.BTCUSDT", lambda message: None)
            ws.rotate()
            await trio.sleep(1)
            leaving_at = trio.current_time()
        assert trio.current_time() - leaving_at < 1
